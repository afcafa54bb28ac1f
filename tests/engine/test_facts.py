"""A finished image that is not as it was committed is noticed without reading it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from replication.engine.directory import DirectoryRepository
from replication.engine.extents import Extent
from replication.engine.facts import Facts, FileFacts
from replication.engine.target import CHANGED, DOUBTED, OPENED, Layer
from tests.engine.chains import make_chain
from tests.engine.support import MIB, ROOT, copy_into, info

SIZE = 8 * MIB


@pytest.fixture
def sealed(repository: DirectoryRepository, tmp_path: Path) -> Layer:
    """An image with content everywhere, and what it was when it was finished."""
    raw = tmp_path / "raw"
    raw.write_bytes(os.urandom(SIZE))
    copy_into(repository, raw, "a", [Extent(0, SIZE)])
    return Layer("a.qcow2", SIZE, repository.facts("a.qcow2"))


def aspects(repository: DirectoryRepository, *chain: Layer) -> set[str]:
    return {difference.aspect for difference in repository.differences(chain)}


def qemu_io(path: Path, *commands: str) -> None:
    told = [part for command in commands for part in ("-c", command)]
    subprocess.run(["qemu-io", "-f", "qcow2", *told, path], check=True, capture_output=True)


def flip(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(3 * MIB)
        found = file.read(4096)
        file.seek(3 * MIB)
        file.write(bytes(byte ^ 0xFF for byte in found))


def flip_and_date_back(path: Path) -> None:
    before = path.stat()
    flip(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_by_an_empty_one(path: Path) -> None:
    path.unlink()
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, str(SIZE)], check=True)


def empty_in_place(path: Path) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, str(SIZE)], check=True)


def cut_to_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def copy_back(path: Path) -> None:
    """As a backup is restored, with its times."""
    shutil.copy2(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


def test_what_nobody_touched_is_as_it_was_committed(
    repository: DirectoryRepository, sealed: Layer
) -> None:
    path = repository.root / "a.qcow2"
    assert path.stat().st_mode & 0o777 == 0o400
    repository.check_image("a.qcow2")
    with repository.open_readonly([sealed]) as image:
        image.connect().pread(MIB, 0)
    assert aspects(repository, sealed) == set()
    assert repository.seal("a.tmp", "a.qcow2").as_committed == sealed.as_committed
    assert aspects(repository, sealed) == set(), "to finish it again changes nothing"


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (flip, {CHANGED}),
        (flip_and_date_back, {DOUBTED}),
        (replace_by_an_empty_one, {CHANGED}),
        (empty_in_place, {CHANGED}),
        (cut_to_half, {CHANGED}),
        (copy_back, {DOUBTED}),
        (lambda path: path.chmod(0o644), {DOUBTED}),
        (lambda path: path.rename(path.with_name("b")).rename(path), {DOUBTED}),
    ],
)
def test_what_was_done_to_a_file_is_noticed(
    repository: DirectoryRepository,
    sealed: Layer,
    damage: Callable[[Path], object],
    expected: set[str],
) -> None:
    damage(repository.root / "a.qcow2")
    assert aspects(repository, sealed) == expected


@pytest.mark.parametrize("command", ["read 0 64k", "write -P 7 0 64k", "discard 0 1M"])
def test_a_program_that_had_the_image_open_for_writing_is_named(
    repository: DirectoryRepository, sealed: Layer, command: str
) -> None:
    qemu_io(repository.root / "a.qcow2", command)
    (found,) = repository.differences([sealed])
    assert found.aspect == OPENED
    assert "opened for writing by another program" in found.words
    assert info(repository.root / "a.qcow2")["format"] == "qcow2"


def test_a_program_that_has_the_image_open_for_writing_now_is_named(
    repository: DirectoryRepository, sealed: Layer
) -> None:
    path = repository.root / "a.qcow2"
    running = subprocess.Popen(
        ["qemu-io", "-f", "qcow2", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert running.stdin is not None
    assert running.stdout is not None
    running.stdin.write("write -P 7 0 64k\n")
    running.stdin.flush()
    assert "wrote" in running.stdout.readline()
    (found,) = repository.differences([sealed])
    running.communicate("quit\n")
    assert found.aspect == OPENED
    assert "is open for writing in another program now" in found.words


def test_a_program_that_reads_is_no_difference(
    repository: DirectoryRepository, sealed: Layer
) -> None:
    with repository.open_readonly([sealed]):
        assert aspects(repository, sealed) == set()


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda path: path.unlink(), DOUBTED),
        (lambda path: os.truncate(path, 20), CHANGED),
        (lambda path: path.write_bytes(path.read_bytes()), CHANGED),
    ],
)
def test_what_is_kept_beside_an_image_is_watched_too(
    tmp_path: Path, damage: Callable[[Path], object], expected: str
) -> None:
    chain = make_chain(tmp_path / "chain", "7c9e6679-7425-40de-944b-e07fc1f90ae7")
    newest = chain.layers[0]
    known = newest._replace(as_committed=chain.repository.facts(newest.locator))
    beside = chain.file(0).with_name(f"{chain.file(0).name}.digests")
    assert beside.stat().st_mode & 0o777 == 0o400
    damage(beside)
    (found,) = chain.repository.differences([known, *chain.layers[1:]])
    assert found.aspect == expected
    assert found.words.startswith("has .digests beside it, which ")


def test_another_inode_alone_is_none(repository: DirectoryRepository, sealed: Layer) -> None:
    """Some file systems number anew with each mount."""
    known = Facts.from_text(sealed.as_committed)
    assert known is not None
    other = {"": known.files[""]._replace(inode=7)}
    assert aspects(repository, sealed._replace(as_committed=Facts(other, True).text())) == set()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", "{}", '{"files":{"":[1]},"marked":true}', '{"files":7}', "[" * 100_000],
)
def test_a_text_that_vmrep_did_not_write_says_nothing(text: str) -> None:
    assert Facts.from_text(text) is None


def test_what_is_written_is_read() -> None:
    facts = Facts({"": FileFacts(1, 2, 2**63 - 1, 4), ".digests": FileFacts(5, 6, 7, 8)}, True)
    assert Facts.from_text(facts.text()) == facts


def test_a_merged_image_is_finished_again(tmp_path: Path) -> None:
    chain = make_chain(tmp_path / "chain", "7c9e6679-7425-40de-944b-e07fc1f90ae7")
    kept, removed = chain.layers[1:3]
    committed = chain.remove(2).as_committed
    known = kept._replace(as_committed=committed)
    assert aspects(chain.repository, known, *chain.layers[2:]) == set()
    assert chain.file(1).stat().st_mode & 0o777 == 0o400
    chain.repository.take_name([known, removed, *chain.layers[2:]])
    assert aspects(chain.repository, known, *chain.layers[2:]) == set(), "by one who comes late"
    qemu_io(chain.file(1), "read 0 64k")
    assert aspects(chain.repository, known, *chain.layers[2:]) == {OPENED}


ALL_STEPS = """
import sys
from pathlib import Path
from tests.engine.chains import make_chain
chain = make_chain(Path(sys.argv[1]), "7c9e6679-7425-40de-944b-e07fc1f90ae7")
for number in (4, 2, 1):
    chain.remove(number)
    chain.require_equal()
"""


def test_an_account_that_may_not_write_to_finished_files_does_all_steps(tmp_path: Path) -> None:
    """As vmrep's does in use: tests may run as root, which may do everything."""
    weak = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    prefix = weak if os.geteuid() == 0 else []
    subprocess.run(
        [*prefix, sys.executable, "-c", ALL_STEPS, tmp_path / "chain"],
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
    )
