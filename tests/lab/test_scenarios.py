"""Scenarios: what is refused, and what the disks of those that ship really hold."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.lab.client import MIB, Client
from tests.labs import LabCache
from vmrep.lab import LabControl
from vmrep.lab.errors import ScenarioError
from vmrep.lab.estate import scenario

VM = '[[vms]]\nname = "a"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "unknown table x"),
        ("[[vms]]", "missing 'name'"),
        (VM + "cpus = 2", "VM 1 ('a'): unknown key cpus"),
        (VM + 'cpu = "2"', "cpu: must be int"),
        (VM + "memory_mb = true", "memory_mb: must be int"),
        (VM + 'power = "maybe"', "'maybe' is not one of on, off"),
        (VM + 'datacenter = "nowhere"', "there is no datacenter 'nowhere'"),
        (VM + "disks = [{}]", "disks 1: missing 'capacity'"),
        (VM + 'disks = [{ capacity = "1 cow" }]', "is not a size"),
        (VM + 'disks = [{ capacity = "100B", content = "empty" }]', "multiple of 512"),
        (VM + 'disks = [{ capacity = "8MiB" }]', "needs a disk 16MiB larger"),
        (VM + 'disks = [{ capacity = "64MiB", content = "mac" }]', "'mac' is not one of linux"),
        (VM + 'nics = [{ network = "x" }]', "'x' is not one of VM Network"),
        (VM + "tools = 3", "tools: must be a table"),
        (VM + "disks = 3", "must be a list"),
        ("[estate]\npage_span = 3", "page_span: must be str"),
        ("not toml", "Expected"),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        scenario.load(str(path))
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def tool(*argv: str | Path) -> str:
    done = subprocess.run(
        [str(a) for a in argv],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    return done.stdout


def test_the_demo_estate_has_one_of_each(lab_cache: LabCache, tmp_path: Path) -> None:
    with lab_cache.running("demo", tmp_path / "lab") as lab:
        client, control = Client(lab), LabControl(lab.control_url)
        vms = client.vms()
        names = [v.name for v in vms]
        assert {"pgtest1", "pgtest2"} < set(names)
        assert names.count("app") == 2
        assert "build & test" in names  # a name that pages have to escape
        assert any(v.config.template for v in vms)
        assert any(v.runtime.powerState == "poweredOff" and not v.config.template for v in vms)
        assert any(v.guest is None for v in vms)
        assert any(v.snapshot for v in vms)
        assert any(v.config.guestId.startswith("windows") for v in vms)
        assert {v.summary.config.numVirtualDisks for v in vms} >= {1, 3}
        path = client.content.searchIndex.FindByInventoryPath
        assert path("Branch offices/Köln%2fBonn/vm/Tills 100%25/till-07") is not None
        assert client.get("till-07/till-07.vmdk", dc="Branch offices/Köln%2fBonn", ds="cgn-vsan")[
            0
        ].status == (200)
        for name, check in (("pgtest2", check_linux), ("dc01", check_windows)):
            check(control.live_content(name, 2000), tmp_path)


def partition(raw: Path, tmp_path: Path) -> Path:
    """The first partition, as a file."""
    line = next(x for x in tool("sfdisk", "-d", raw).splitlines() if "bootable" in x)
    start, size = (int(line.partition(f"{k}=")[2].partition(",")[0]) for k in ("start", "size"))
    cut = tmp_path / "partition"
    with raw.open("rb") as file:
        file.seek(start * 512)
        cut.write_bytes(file.read(size * 512))
    return cut


def check_linux(raw: Path, tmp_path: Path) -> None:
    assert raw.stat().st_size == 384 * MIB
    cut = partition(raw, tmp_path)
    tool("e2fsck", "-fn", cut)
    listed = tool("debugfs", "-R", "ls -p /var/lib/postgresql", cut)
    assert listed.count("/4194304/") == 24
    assert "vmrep lab" in tool("debugfs", "-R", "cat /etc/motd", cut)


def check_windows(raw: Path, tmp_path: Path) -> None:
    listed = tool("ntfsls", partition(raw, tmp_path)).split()
    assert {"16384", "hostname", "messages"} <= set(listed)


def test_no_two_disks_are_equal(lab_cache: LabCache, tmp_path: Path) -> None:
    text = '[[vms]]\nname = "twin"\ncount = 2\ndisks = [{ capacity = "64MiB", data = "4MiB" }]\n'
    path = tmp_path / "twins.toml"
    path.write_text(text)
    folder = lab_cache.built(str(path))
    one, two = (p.read_bytes() for p in sorted(folder.rglob("*-flat.vmdk")))
    assert one != two
    assert one[MIB : 8 * MIB] == two[MIB : 8 * MIB]
