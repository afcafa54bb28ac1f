"""script/chaos: a short history, that it notices what is wrong, and that each kind happens."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from replication.engine.manifest import encode
from replication.models import DiskImage
from replication.states import ImageState
from replication.storage.targets import target
from tests.engine.chains import flip, own_data
from tests.sync.conftest import no_broker
from tests.sync.estate import database_url
from vmrep.chaos.failing import FOREVER, is_possible
from vmrep.chaos.history import History, Tally
from vmrep.chaos.kinds import KINDS, Kind
from vmrep.chaos.workers import Workers
from vmrep.chaos.world import Broken, World

__all__ = ["no_broker"]

pytestmark = [
    pytest.mark.any_database,
    pytest.mark.skipif(not is_possible(), reason="needs a C compiler"),
]


@pytest.fixture
def world(transactional_db: None, tmp_path: Path) -> Iterator[World]:
    with Workers(tmp_path, database_url()) as workers:
        world = World(tmp_path, workers, "datastore")
        yield world
        world.close()


def named(*names: str) -> list[Kind]:
    return [kind for kind in KINDS if kind.name in names]


def test_after_a_fault_all_is_as_before_and_what_is_not_is_noticed(world: World):
    tally = Tally()
    kinds = named("killed after a change of names", "the answer to a COMMIT is lost")
    del world.contexts[1:]
    history = History(world, 3, tally, kinds=kinds)
    history.begin(2)
    history.step()
    assert tally.steps == 1
    assert world.compared >= 2
    left = world.repository_folder / "nobody-knows-me.qcow2"
    left.touch()
    with pytest.raises(Broken, match=r"too much: .*nobody-knows-me"):
        world.require_settled()
    left.unlink()
    _require_that_an_older_manifest_is_noticed(world)
    newest = DiskImage.objects.filter(state=ImageState.COMMITTED).latest("pk")
    root = DiskImage.objects.filter(disk=newest.disk, parent=None).earliest("pk")
    file = world.repository_folder / root.locator
    flip(file, own_data(file)[-1].offset)
    with pytest.raises(Broken, match="is not what was in"):
        world.require_equal()


def _require_that_an_older_manifest_is_noticed(world: World) -> None:
    """Beside the current one it is too much; in its place it tells of fewer points."""
    context = world.contexts[0]
    storage = target(world.repository)
    manifest = storage.read_manifest(context.pk)
    assert manifest is not None
    assert manifest.vm is not None
    older = replace(manifest, version=manifest.version - 1)
    folder = world.repository_folder / context.pk
    left = folder / f".vmrep-manifest-{older.version:010}"
    left.write_bytes(encode(older))
    with pytest.raises(Broken, match=r"too much: .*manifest"):
        world.require_settled()
    left.unlink()
    fewer = replace(manifest, vm=replace(manifest.vm, points=manifest.vm.points[:-1]))
    current = folder / f".vmrep-manifest-{manifest.version:010}"
    current.write_bytes(encode(fewer))
    with pytest.raises(Broken, match="is not what the rows are"):
        world.require_settled()
    current.write_bytes(encode(manifest))
    world.require_settled()


@pytest.mark.slow
def test_a_longer_history(world: World):
    tally = Tally()
    history = History(world, 11, tally)
    history.begin(3)
    for _ in range(25):
        history.step()
    assert tally.happened.total() > 10


@pytest.mark.slow
def test_each_kind_of_fault_happens(world: World):
    """To a replication or to a removal: else its row would be in vain."""
    tally = Tally()
    ended = []
    history = History(world, 1, tally, end_connections=lambda: ended.append(True))
    possible = history.kinds
    assert len(possible) == len(KINDS)
    history.begin(3)
    history.rng = random.Random(1)
    for kind in possible[1:]:
        history.kinds = [kind]
        for _ in range(12):
            history.step()
            if tally.happened[kind.name]:
                break
        assert tally.happened[kind.name], kind.name
    assert ended


def test_the_table_can_be_read():
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    for kind in KINDS[1:]:
        ways = (kind.file, kind.statement, kind.signal, kind.lab, kind.database)
        assert sum(map(bool, ways)) == 1
        assert kind.file is None or kind.file.lasts in (1, 3, FOREVER)


@pytest.mark.slow
def test_whoever_stops_it_leaves_nothing_running(tmp_path: Path):
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "vmrep.chaos", "--minutes", "5"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdout=pipe, text=True) as driver:
        assert driver.stdout is not None
        for line in driver.stdout:
            if "History" in line:
                break
        time.sleep(1)  # in mid-work: whatever that is
        driver.terminate()
        assert driver.wait(timeout=120) == 128 + signal.SIGTERM
    assert not [each for each in processes() if str(tmp_path) in each]
    assert not list(tmp_path.iterdir())


def processes() -> Iterator[str]:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            yield (folder / "cmdline").read_text(errors="replace")
