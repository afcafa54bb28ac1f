"""How passwords are stored."""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2(Argon2PasswordHasher):
    """Argon2id with OWASP's figures. Django's take five times the memory, and eight threads, for
    each of the logins that strangers may try at once."""

    time_cost = 2
    memory_cost = 19_456  # KiB
    parallelism = 1
