"""The recipes for commands that serve NBD, as docs/transports.md has them, with real programs."""

from __future__ import annotations

import ssl
import threading
import tomllib
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from contexts.models import VCenter
from contexts.states import TransportKind
from replication.engine.image import ImageReader
from replication.models import Place, RecoveryPoint
from tests.engine.support import files_of
from tests.sync.estate import MIB
from vmrep.lab.soap.certificate import CERTIFICATE_FILE, server_context

DOCUMENT = Path(__file__).parents[2] / "docs" / "transports.md"
KEYS = (2000, 2001)
BLOCK = 512


def recipes() -> dict[str, str]:
    """The text of each recipe, by its name."""
    blocks = [""]
    for line in DOCUMENT.read_text().splitlines():
        if line.startswith("    "):
            blocks[-1] += line.removeprefix("    ") + "\n"
        elif blocks[-1]:
            blocks.append("")
    return {next(iter(tomllib.loads(text))): text for text in blocks if text.startswith("[")}


class Ranges(SimpleHTTPRequestHandler):
    """A web server of a folder that answers requests for ranges."""

    protocol_version = "HTTP/1.1"
    folder: Path

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(200, self.size)

    def do_GET(self) -> None:
        start, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        end = min(last + 1, self.size)  # a range may reach beyond the file (RFC 9110)
        self.answer(206, end - start)
        with self.file.open("rb") as file:
            file.seek(start)
            self.wfile.write(file.read(end - start))

    @property
    def file(self) -> Path:
        return self.folder / self.path.strip("/")

    @property
    def size(self) -> int:
        return self.file.stat().st_size

    def answer(self, status: int, length: int) -> None:
        self.send_response(status)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(length))
        self.end_headers()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


@pytest.fixture
def web(tmp_path: Path, images: Path) -> Iterator[tuple[str, Path]]:
    """Its address, and the authority that vouches for it."""
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    tls: ssl.SSLContext = server_context(keys)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Folder", (Ranges,), {"folder": images}))
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}", keys / CERTIFICATE_FILE
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def recipe(estate, settings, tmp_path):
    """Let the vCenter's disks be read by a recipe, with other words in place of some."""
    settings.NBD_COMMANDS = tmp_path / "commands.toml"

    def use(name: str, **other: str) -> None:
        text = recipes()[name]
        for old, new in other.items():
            assert old in text
            text = text.replace(old, new)
        settings.NBD_COMMANDS.write_text(text)
        VCenter.objects.update(transport=TransportKind.NBD, nbd_command=name)
        estate.vcenter.refresh_from_db()

    return use


@pytest.fixture
def vm(estate, images):
    """small2, which is off, and how its disks become raw images."""
    context = estate.take("small2")

    def export() -> None:
        for key in KEYS:
            content = estate.control.live_content("small2", key)
            (images / f"{context.moref}-{key}.raw").write_bytes(Path(content).read_bytes())

    export()
    return context, export


def replicates(estate, vm) -> None:
    """In full, and then by its changes."""
    context, export = vm
    job = estate.replicate(context)
    assert (job.transport, job.replication_type) == ("nbd", "initial")
    estate.control.fill("small2", KEYS[0], 16 * MIB, 2 * MIB, seed=1)
    export()
    assert estate.replicate(context).replication_type == "incremental"
    assert not Place.objects.exists()


def test_every_recipe_is_tried_here():
    assert set(recipes()) == {"vddk", "files", "web", "pattern"}


@pytest.mark.slow
def test_files(estate, recipe, vm, images):
    recipe("files", **{"/srv/": f"{images}/"})
    replicates(estate, vm)


@pytest.mark.slow
def test_a_web_server(estate, recipe, vm, web):
    address, authority = web
    authorities = {"/etc/ssl/certs/ca-certificates.crt": str(authority)}
    recipe("web", **{"https://images.example.com": address}, **authorities)
    replicates(estate, vm)


def test_a_web_server_that_nobody_vouches_for_is_refused(estate, recipe, vm, web):
    recipe("web", **{"https://images.example.com": web[0]})
    job = estate.run_job(vm[0])
    assert "certificate" in job.error_message
    assert not RecoveryPoint.objects.exists()


def numbers(found: bytearray, at: int) -> int:
    """How many bytes of a copy are nbdkit's pattern, their own places; the others are zero."""
    count = 0
    for place in range(0, len(found), BLOCK):
        block = found[place : place + BLOCK]
        places = range(at + place, at + place + BLOCK, 8)
        if block == b"".join(each.to_bytes(8, "big") for each in places):
            count += BLOCK
        else:
            assert not any(block)
    return count


@pytest.mark.slow
def test_a_pattern(estate, recipe, vm):
    """What is in the copy is what the program makes up, at its place."""
    recipe("pattern")
    job = estate.run_job(vm[0])
    assert job.status == "completed", job.error_message
    for image in job.recovery_point.images.select_related("disk"):
        made_up = 0
        with ImageReader(files_of(estate.repository_folder / image.locator)) as reader:
            connection = reader.connect()
            for at in range(0, image.disk.capacity_bytes, MIB):
                made_up += numbers(connection.pread(MIB, at), at)
        assert made_up == image.planned_bytes > 0


# As nbdkit gives them to a plugin; "file" is what the plugin would open.
PLUGIN = """#!/bin/sh -e
case $1 in
    thread_model) echo parallel ;;
    config)
        echo "$2=$3" >>{told}
        [ "$2" != password ] || {{ cat "${{3#+}}"; echo; }} >>{told}
        case "$2=$3" in
            file=*_1.vmdk) echo {images}2001.raw >$tmpdir/file ;;
            file=*) echo {images}2000.raw >$tmpdir/file ;;
        esac
        ;;
    config_complete | open) ;;
    get_size) stat -c %s "$(cat $tmpdir/file)" ;;
    pread)
        dd if="$(cat $tmpdir/file)" iflag=skip_bytes,count_bytes skip=$4 count=$3 status=none
        ;;
    *) exit 2 ;;
esac
"""


@pytest.mark.slow
def test_vmwares_library(estate, recipe, vm, images, tmp_path):
    """As far as it goes without the library: nbdkit takes each argument, also those with blanks,
    and gives a plugin what VMware's needs to know."""
    context, _ = vm
    told, script = tmp_path / "told", tmp_path / "plugin"
    script.write_text(PLUGIN.format(told=told, images=f"{images}/{context.moref}-"))
    script.chmod(0o755)
    recipe("vddk", **{'"vddk", ': f'"sh", "{script}", '})
    job = estate.run_job(context)
    assert job.status == "completed", job.error_message
    lines = told.read_text().splitlines()
    assert "a password of the lab" in lines
    assert {
        f"server={estate.lab.host}",
        f"user={estate.vcenter.username}",
        f"vm=moref={context.moref}",
        f"snapshot={job.snapshots.get().moref}",
        "file=[datastore1] small2/small2.vmdk",
        "libdir=/opt/vmware-vix-disklib-distrib",
    } <= set(lines)
    (thumbprint,) = {line for line in lines if line.startswith("thumbprint=")}
    assert len(thumbprint) == len("thumbprint=") + 20 * 3 - 1
