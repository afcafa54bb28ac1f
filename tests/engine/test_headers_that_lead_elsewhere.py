"""Whoever can write to a repository sets an image's header: it leads vmrep nowhere else.

The victim is a file of this machine that vmrep's account may read and nobody else should. No byte
of it may come out of an image, and none may be written to it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from replication.engine import image as image_module
from replication.engine import qemu
from replication.engine.digests import DigestMap
from replication.engine.directory import DirectoryRepository
from replication.engine.errors import (
    ImageAltered,
    ImageDamaged,
    RepositoryNotPrivate,
    TargetError,
)
from replication.engine.header import read_image_file
from replication.engine.image import ImageReader, ImageWriter
from replication.engine.target import Layer
from tests.engine.support import MIB, copy_into, files_of, make_raw, patch, whole

SECRET = b"root:$6$ the victim's secret $"
TOP = [Layer("top.qcow2", MIB), Layer("base.qcow2", MIB)]
UNFINISHED = [Layer("new.tmp", MIB), *TOP]


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "shadow"
    path.write_bytes((SECRET * (MIB // len(SECRET) + 1))[:MIB])
    return path


@pytest.fixture
def chain(repository: DirectoryRepository, tmp_path: Path) -> DirectoryRepository:
    """A repository with a root, an overlay on it, and an unfinished image on that."""
    raw = make_raw(tmp_path / "raw", MIB, 1, MIB // 2)
    copy_into(repository, raw, "base", whole(MIB))
    copy_into(repository, raw, "top", [], parent="base.qcow2")
    repository.create(UNFINISHED)
    DigestMap(repository.digest_path("new.tmp")).close()
    return repository


def qemu_img(*arguments: str | Path) -> None:
    subprocess.run(["qemu-img", *arguments], check=True, stdout=subprocess.DEVNULL)


def external_data(image: Path, victim: Path) -> None:
    """Make the image one whose data is in the victim."""
    size = victim.stat().st_size
    image.unlink()
    made = ["-o", f"data_file={image}.data,data_file_raw=on", image, str(size)]
    qemu_img("create", "-q", "-f", "qcow2", *made)
    qemu_img("amend", "-f", "qcow2", "-o", f"data_file={victim}", image)
    Path(f"{image}.data").unlink()


def replaced_by_link(image: Path, victim: Path) -> None:
    image.unlink()
    image.symlink_to(victim)


def replaced_by_pipe(image: Path, victim: Path) -> None:
    image.unlink()
    os.mkfifo(image)


def replaced_by_device(image: Path, victim: Path) -> None:
    image.unlink()
    if os.geteuid() != 0:
        pytest.skip("only root can make a device")
    os.mknod(image, 0o600 | stat.S_IFCHR, os.makedev(1, 5))


def extension(image: Path, victim: Path) -> None:
    """An extension of a kind that nobody knows, in the place of the names of features."""
    content = image.read_bytes()
    patch(image, content.index(struct.pack(">I", 0x6803F857)), struct.pack(">I", 0x12345678))


ALTERATIONS: dict[str, Callable[[Path, Path], None]] = {
    "backing file": lambda image, victim: qemu_img(
        "rebase", "-u", "-f", "qcow2", "-F", "raw", "-b", victim, image
    ),
    "backing file that is probed": lambda image, victim: qemu_img(
        "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", f"json:{{'file':'{victim}'}}", image
    ),
    "no backing file": lambda image, victim: qemu_img(
        "rebase", "-u", "-f", "qcow2", "-b", "", image
    ),
    "same name, other format": lambda image, victim: qemu_img(
        *("rebase", "-u", "-f", "qcow2", "-F", "raw", "-b"),
        read_image_file(image).header.backing or victim,
        image,
    ),
    "data file": external_data,
    "larger": lambda image, victim: patch(image, 24, struct.pack(">Q", 2 * MIB)),
    "encrypted": lambda image, victim: patch(image, 32, struct.pack(">I", 1)),
    "marked as corrupt": lambda image, victim: patch(image, 72, struct.pack(">Q", 2)),
    "unknown feature": lambda image, victim: patch(image, 72, struct.pack(">Q", 1 << 40)),
    "old version": lambda image, victim: patch(image, 4, struct.pack(">I", 2)),
    "unknown extension": extension,
    "link": replaced_by_link,
    "pipe": replaced_by_pipe,
    "device": replaced_by_device,
    "no image": lambda image, victim: image.write_bytes(SECRET * 4096),
}


@pytest.mark.parametrize(
    "altered",
    ["base.qcow2", pytest.param("top.qcow2", marks=pytest.mark.slow), "new.tmp/image"],
)
@pytest.mark.parametrize("how", ALTERATIONS)
def test_nothing_is_opened_through_an_altered_image(
    chain: DirectoryRepository, victim: Path, altered: str, how: str
) -> None:
    if how == "no backing file" and altered == "base.qcow2":
        pytest.skip("a root has none")
    before = victim.read_bytes()
    ALTERATIONS[how](chain.root / altered, victim)
    actions: list[Callable[[], object]] = [lambda: chain.open(UNFINISHED)]
    if altered != "new.tmp/image":
        actions += [
            lambda: chain.open_readonly(TOP[TOP[0].locator != altered :]),
            lambda: chain.create([Layer("other.tmp", MIB), *TOP]),
        ]
    for action in actions:
        with pytest.raises(TargetError) as caught:
            action()
        assert SECRET[:20].decode() not in str(caught.value)
    assert not (chain.root / "other.tmp").exists()
    assert victim.read_bytes() == before
    # It is told by name, too, whether or not anybody opens it.
    locator = altered.removesuffix("/image")
    (position,) = [at for at, layer in enumerate(UNFINISHED) if layer.locator == locator]
    with contextlib.suppress(TargetError):
        assert chain.differences(UNFINISHED[position:])


@pytest.mark.parametrize("how", ["data file", "link", "pipe", "device"])
def test_an_altered_image_is_neither_checked_nor_sealed(
    chain: DirectoryRepository, victim: Path, how: str
) -> None:
    ALTERATIONS[how](chain.root / "new.tmp/image", victim)
    with pytest.raises(TargetError):
        chain.seal("new.tmp", "new.qcow2")
    ALTERATIONS[how](chain.root / "top.qcow2", victim)
    with pytest.raises(TargetError):
        chain.check_image("top.qcow2")


@pytest.fixture
def altered_after_the_look(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """What is done once the headers were looked at and before the daemon opens the files."""

    def arrange(alter: Callable[[], None]) -> None:
        spawn = image_module.spawn

        def alter_and_spawn(argv: list[str]) -> object:
            alter()
            return spawn(argv)

        monkeypatch.setattr(image_module, "spawn", alter_and_spawn)

    return arrange


@pytest.mark.parametrize("opens", [ImageWriter, ImageReader])
@pytest.mark.parametrize("how", ["data file", "link"])
def test_what_is_altered_between_the_look_and_the_opening_is_not_served(
    chain: DirectoryRepository, victim: Path, altered_after_the_look, how: str, opens: type
) -> None:
    top = chain.root / "top.qcow2"
    files = [read_image_file(top), read_image_file(chain.root / "base.qcow2")]
    before = victim.read_bytes()
    altered_after_the_look(lambda: ALTERATIONS[how](top, victim))
    with pytest.raises(TargetError):
        opens(files)
    assert victim.read_bytes() == before


def test_a_file_put_in_the_place_of_another_is_noticed(
    chain: DirectoryRepository, altered_after_the_look
) -> None:
    top, base = chain.root / "top.qcow2", chain.root / "base.qcow2"
    files = [read_image_file(top), read_image_file(base)]

    def put_another() -> None:
        base.unlink()
        qemu.create(base, MIB)

    altered_after_the_look(put_another)
    with pytest.raises(ImageAltered, match="changed while it was opened"):
        ImageReader(files)


def test_a_backing_file_named_after_the_look_is_not_followed(
    chain: DirectoryRepository, victim: Path, altered_after_the_look
) -> None:
    """The daemon was told what stands upon what: the header's name does not matter to it."""
    top = chain.root / "top.qcow2"
    with ImageReader(files_of(top)) as image:
        before = image.connect().pread(MIB, 0)
    files = files_of(top)
    altered_after_the_look(lambda: ALTERATIONS["backing file"](top, victim))
    with ImageReader(files) as image:
        assert image.connect().pread(MIB, 0) == before


@pytest.mark.parametrize("how", [replaced_by_link, replaced_by_pipe, replaced_by_device])
def test_a_digest_map_is_an_ordinary_file_or_none(
    chain: DirectoryRepository, victim: Path, how: Callable[[Path, Path], None]
) -> None:
    before = victim.read_bytes()
    (chain.root / "top.qcow2.digests").write_bytes(b"")
    how(chain.root / "top.qcow2.digests", victim)
    with pytest.raises((TargetError, ImageDamaged)):
        chain.digest("top.qcow2")
    how(chain.digest_path("new.tmp"), victim)
    with pytest.raises(TargetError):
        chain.open_digests("new.tmp", 4096)
    chain.open_digests("new.tmp").close()  # a new one takes its place
    assert victim.read_bytes() == before


# Who can write to the repository


def test_a_repository_that_others_can_write_to_is_not_used(
    repository: DirectoryRepository,
) -> None:
    for mode in (0o777, 0o770, 0o1777, 0o702):
        repository.root.chmod(mode)
        with pytest.raises(RepositoryNotPrivate, match="chmod go-w"):
            repository.check()
    repository.root.chmod(0o755)
    repository.check()


def test_a_repository_in_a_folder_of_everybody_s_is_not_used(
    repository: DirectoryRepository,
) -> None:
    above = repository.root.parent
    above.chmod(0o777)
    with pytest.raises(RepositoryNotPrivate, match="Everybody can write"):
        repository.check()
    above.chmod(0o1777)  # there nobody can rename what is not theirs
    repository.check()


def test_a_repository_of_another_account_is_not_used(repository: DirectoryRepository) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    os.chown(repository.root, 65534, 65534)
    with pytest.raises(RepositoryNotPrivate, match="belongs to nobody"):
        repository.check()
