from __future__ import annotations

import os
import ssl
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from replication.engine.directory import DirectoryRepository
from tests.certificates import certificate as make_certificate
from tests.engine.chains import Chain, make_chain
from tests.engine.copying import SIZE
from tests.engine.support import MIB, make_raw


@pytest.fixture
def repository(tmp_path: Path) -> DirectoryRepository:
    return DirectoryRepository.initialise(tmp_path / "repository", str(uuid.uuid4()))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A disk of SIZE with some data, to be copied."""
    return make_raw(tmp_path / "raw", SIZE, 1, 40 * MIB)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, in one PEM file."""
    path, _ = make_certificate(tmp_path_factory.mktemp("tls"), "127.0.0.1")
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 32 MiB; it grows by ``mount -o remount,size=…``."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system to fill up")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "none", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def made_chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return make_chain(tmp_path_factory.mktemp("chain") / "made", str(uuid.uuid4()))


@pytest.fixture
def chain(made_chain: Chain, tmp_path: Path) -> Chain:
    return made_chain.copied_to(tmp_path / "chain")
