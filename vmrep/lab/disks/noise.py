"""What guests write: bytes that follow from a seed alone and do not compress."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


def noise(seed: str, length: int) -> bytes:
    """A key stream, which costs a fraction of what `random` takes for as many bytes."""
    key = hashlib.sha256(seed.encode()).digest()
    stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
    return stream.update(bytes(length))
