"""What is on the lab's disks: real partition tables and file systems, made without mounting.

An image is made once per kind and size with sfdisk, mke2fs, mkntfs and ntfscp, and then copied
sparsely into each disk. A disk has an MBR, a first partition with the file system, and a second
one without a file system that takes the rest: that is where the lab's guests write, as a database
on a raw partition would, so that the file system stays intact.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from vmrep.lab.disks import sparse
from vmrep.lab.errors import LabError

MIB = 1 << 20
START = MIB  # of the first partition, where all partitioning tools put it
FILE_BYTES = 4 * MIB
SLACK_BYTES = 12 * MIB  # for a file system's own structures
TOOLS = {
    "sfdisk": "fdisk",
    "mke2fs": "e2fsprogs",
    "mkntfs": "ntfs-3g",
    "ntfscp": "ntfs-3g",
}
_FIXED_TIME = "1705307400"  # 2024-01-15: mke2fs takes it for the present, so images are the same
_UUID = "6b1f8f0e-5c0d-4b8e-9d1a-0c7a3a5d2e10"


@dataclass(frozen=True)
class Image:
    """A finished image: the file, and where the part that guests may write to begins."""

    path: Path
    free_start: int


def find_tools() -> None:
    """Raises LabError naming the Debian packages of missing tools."""
    search = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = {p for t, p in TOOLS.items() if shutil.which(t, path=search) is None}
    if missing:
        raise LabError(f"Debian packages are missing: {', '.join(sorted(missing))}")


def _run(*argv: str, stdin: str | None = None) -> None:
    environment = {
        **os.environ,
        "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin",
        "E2FSPROGS_FAKE_TIME": _FIXED_TIME,
    }
    done = subprocess.run(
        argv, input=stdin, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise LabError(f"{argv[0]} failed: {(done.stderr or done.stdout).strip()}")


class ContentMaker:
    """Makes images in its folder, one per kind and size."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._images: dict[tuple[str, int], Image] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, kind: str, data_bytes: int, target: Path, capacity_bytes: int, tag: str) -> int:
        """Fill an empty disk file with content of a kind.

        `tag` is written after the partition table, so that no two disks are equal. Returns the
        offset from which guests may write without damaging a file system."""
        if kind == "empty":
            return 0
        if kind == "random":
            _scatter(target, capacity_bytes, data_bytes, tag)
            return 0
        image = self._image(kind, data_bytes)
        sparse.copy_file(image.path, target, size_bytes=capacity_bytes)
        _partition(target, image.free_start - START, "83" if kind == "linux" else "7", tag)
        with target.open("r+b") as file:
            os.pwrite(file.fileno(), f"vmrep lab: {tag}\n".encode()[:4096], 4096)
        return image.free_start

    def _image(self, kind: str, data_bytes: int) -> Image:
        key = kind, data_bytes
        if key not in self._images:
            path = self._folder / f"{kind}-{data_bytes}.raw"
            size = -(-(data_bytes + SLACK_BYTES) // MIB) * MIB
            make = _make_ext4 if kind == "linux" else _make_ntfs
            make(path, size, data_bytes)
            self._images[key] = Image(path, START + size)
        return self._images[key]


def _partition(target: Path, first_bytes: int, kind: str, tag: str) -> None:
    sector = 512
    start, size = START // sector, first_bytes // sector
    identity = random.Random(tag).getrandbits(32)  # noqa: S311 - a disk signature
    _run(
        "sfdisk",
        "--quiet",
        "--no-reread",
        "--no-tell-kernel",
        "--wipe=never",
        "--wipe-partitions=never",
        str(target),
        stdin=f"label: dos\nlabel-id: 0x{identity:08x}\n"
        f"start={start}, size={size}, type={kind}, bootable\n"
        f"start={start + size}, type=da\n",
    )


def _files(folder: Path, kind: str, data_bytes: int) -> None:
    """Files such as a small server has: some text, and data that does not compress."""
    source = random.Random(f"{kind}:{data_bytes}")  # noqa: S311 - content, not secrets
    texts = {
        "etc/hostname": "lab\n",
        "etc/motd": "This guest lives in the vmrep lab.\n" * 20,
        "var/log/messages": "".join(f"entry {n}: all is well\n" for n in range(2000)),
    }
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    data = folder / "var/lib/postgresql"
    data.mkdir(parents=True)
    for number, at in enumerate(range(0, data_bytes, FILE_BYTES)):
        content = source.randbytes(min(FILE_BYTES, data_bytes - at))
        (data / f"{16384 + number}").write_bytes(content)
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (int(_FIXED_TIME), int(_FIXED_TIME)))


def _make_ext4(path: Path, size: int, data_bytes: int) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        root = Path(folder) / "root"
        root.mkdir(mode=0o755)
        _files(root, "linux", data_bytes)
        _run(
            "mke2fs",
            "-q",
            "-F",
            "-t",
            "ext4",
            "-b",
            "4096",
            "-m",
            "0",
            "-J",
            "size=4",
            "-L",
            "lab-root",
            "-U",
            _UUID,
            "-E",
            f"hash_seed={_UUID},root_owner=0:0,offset={START}",
            "-d",
            str(root),
            str(path),
            f"{size // 1024}k",
        )


def _make_ntfs(path: Path, size: int, data_bytes: int) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        root = Path(folder) / "root"
        root.mkdir()
        _files(root, "windows", data_bytes)
        volume = Path(folder) / "volume"
        with volume.open("wb") as file:
            file.truncate(size)
        geometry = ("-p", str(START // 512), "-H", "255", "-S", "63", "-s", "512")
        _run("mkntfs", "-F", "-Q", "-q", "-L", "lab-c", *geometry, str(volume))
        for file_path in sorted(p for p in root.rglob("*") if p.is_file()):
            # ntfscp makes no folders: everything lies in the root
            _run("ntfscp", "-f", "-q", str(volume), str(file_path), f"/{file_path.name}")
        with path.open("wb") as made:
            made.truncate(START + size)
        sparse.copy_file(volume, path, shift=START, size_bytes=START + size)


def _scatter(target: Path, capacity_bytes: int, data_bytes: int, tag: str) -> None:
    """Random data in 1 MiB pieces all over the disk, including its first and last bytes."""
    source = random.Random(tag)  # noqa: S311 - content, not secrets
    pieces = max(1, data_bytes // MIB)
    last = capacity_bytes - MIB
    spots = {0, last // 4096 * 4096} | {
        source.randrange(0, max(1, last // 4096)) * 4096 for _ in range(pieces - 2)
    }
    with target.open("r+b") as file:
        for at in sorted(spots):
            os.pwrite(file.fileno(), source.randbytes(min(MIB, capacity_bytes - at)), at)
