"""script/load: each of its modes, small; and that its figures are what they say."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest

from vmrep.load import client, mix, site
from vmrep.load.client import Connection, NoAnswer
from vmrep.load.figures import Figures, percentile

PROJECT = Path(__file__).resolve().parents[2]
URL = os.environ.get("VMREP_TEST_POSTGRES_URL", "")
needs_postgres = pytest.mark.skipif(not URL, reason="needs PostgreSQL: VMREP_TEST_POSTGRES_URL")
DATABASE = f"load_{os.getpid()}"


@pytest.fixture
def load() -> Iterator[Callable[..., tuple[int, Any]]]:
    """Runs it on a database of its own: its exit code, and its last line."""
    server, _, _ = URL.rpartition("/")
    folder = server.removeprefix("postgres://vmrep@/")

    def execute(statement: str) -> None:
        place = {"host": folder, "user": "vmrep", "dbname": URL.rpartition("/")[2]}
        with psycopg.connect(**place, autocommit=True) as connection:
            connection.execute(statement)

    def run(*arguments: str) -> tuple[int, Any]:
        with TemporaryDirectory(prefix="vmrep-test-") as temporary:
            told = ["--folder", temporary, "--postgres", f"{server}/{DATABASE}"]
            done = subprocess.run(
                [sys.executable, "-m", "vmrep.load", *arguments, *told, "--postgres-pid", "1"],
                cwd=PROJECT,
                env=os.environ | {"DATABASE_URL": ""},
                check=False,
                capture_output=True,
                text=True,
            )
            assert done.stdout, done.stderr
            return done.returncode, json.loads(done.stdout.splitlines()[-1])

    execute(f"CREATE DATABASE {DATABASE}")
    yield run
    execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


@needs_postgres
@pytest.mark.slow
def test_a_mix_is_answered_and_a_bound_that_is_exceeded_is_wrong(load):
    code, told = load(
        *("mix", "--contexts", "200", "--jobs", "1000", "--clients", "20"),
        *("--minutes", "0.3", "--bound-ms", "0.001"),
    )
    assert (code, len(told["wrong"])) == (1, 1), told["wrong"]
    assert "p95 is" in told["wrong"][0]
    assert told["requests"] > 50
    assert not [code for code in told["codes"] if code.startswith("5")]
    assert {"poll of the page", "panel"} < set(told["kinds"])


@needs_postgres
@pytest.mark.slow
def test_of_many_starts_in_one_moment_one_makes_a_job(load):
    code, told = load("starts", "--at-once", "20", "60")
    assert (code, told["wrong"]) == (0, [])
    assert [each["codes"] for each in told["rounds"]] == [
        {"202": 1, "409": 19},
        {"202": 1, "409": 59},
    ]


@needs_postgres
@pytest.mark.slow
def test_jobs_whose_workers_are_killed_complete_once(load):
    code, told = load(
        *("killed", "--jobs", "8", "--vms", "4", "--minutes", "5"),
        *("--kill-every", "4", "--seed", "1"),
    )
    assert (code, told["wrong"]) == (0, [])
    assert (told["statuses"], told["images_compared"]) == ({"completed": 8}, 8)
    assert told["killed"] > 0


def test_a_share_of_many_times_is_not_exceeded_by_it():
    times = [number / 100 for number in range(1, 101)]
    assert [percentile(times, share) for share in (0.5, 0.95, 1.0)] == [0.5, 0.95, 1.0]
    assert percentile([3.0], 0.95) == 3.0
    assert percentile([], 0.95) == 0.0


def test_whole_files_have_no_part_in_the_bound_and_what_is_wrong_is_told():
    figures = Figures()
    figures.note("panel", 0.1, 200, 10)
    figures.note("CSV of all VMs", 9.0, 200, 10)
    crowd = mix.Crowd(1, 10.0, bound_seconds=0.5)
    assert mix.summed_up(figures, crowd, 10.0).wrong == []
    figures.note("panel", 0.6, 500, 10)
    figures.wrong["panel: 500"] += 1
    assert mix.summed_up(figures, crowd, 10.0).wrong == [
        "1 times panel: 500",
        "p95 is 0.600 s, more than 0.5 s",
    ]
    assert mix.summed_up(Figures(), crowd, 10.0).wrong == ["nothing was answered"]


def test_the_web_server_runs_as_the_unit_says():
    assert " -m gunicorn vmrep.wsgi " in site.unit_command()


def test_the_client_reads_both_kinds_of_body_and_asks_again_when_it_was_left():
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Two answers; then it leaves, whatever is asked."""
        head = b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"
        with suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head + b"Content-Length: 2\r\n\r\nab")
            await reader.readuntil(b"\r\n\r\n")
            chunks = b"1;x=y\r\na\r\n2\r\nbc\r\n0\r\n\r\n"
            writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
            await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def play() -> list[bytes]:
        server = await asyncio.start_server(serve, client.LOCALHOST, 0)
        connection = Connection(server.sockets[0].getsockname()[1])
        answers = [await connection.ask("GET", "/", {}) for _ in range(3)]
        assert answers[0].headers["set-cookie"] == "a\nb"
        connection.close()
        server.close()
        nobody = Connection(1)
        with pytest.raises(NoAnswer, match="GET /gone"):
            await nobody.ask("GET", "/gone", {})
        return [answer.body for answer in answers]

    with ThreadPoolExecutor(1) as pool:  # in this thread a browser's loop may be running
        assert pool.submit(asyncio.run, play()).result() == [b"ab", b"abc", b"ab"]
