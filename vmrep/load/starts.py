"""`script/load starts`: many who start the replication of the same VM in the same moment.

One of them gets a job, the others are told of it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter

from vmrep.bench.site import connect
from vmrep.load.client import PATIENCE_SECONDS, Answer, Connection, request_bytes
from vmrep.load.figures import Report, in_milliseconds
from vmrep.load.site import Running

ROUNDS = (50, 500)


def run(running: Running, url: str, rounds: tuple[int, ...] = ROUNDS) -> Report:
    """All went well if each VM got one job, and all others a 409 that names it."""
    told, wrong = [], list[str]()
    for number, at_once in enumerate(rounds):
        vm = _idle_vm(url, number)
        before = _jobs(url, vm)
        answers = asyncio.run(_start(running, vm, at_once))
        made = _jobs(url, vm) - before
        codes = Counter(answer.status for answer, _ in answers)
        told.append(
            {
                "at_once": at_once,
                "codes": {str(code): count for code, count in sorted(codes.items())},
                "jobs": made,
                **in_milliseconds([seconds for _, seconds in answers]),
            }
        )
        wrong += _wrong(at_once, answers, made)
    return Report({"rounds": told}, wrong)


def _wrong(at_once: int, answers: list[tuple[Answer, float]], made: int) -> list[str]:
    codes = Counter(answer.status for answer, _ in answers)
    found = []
    if codes != {202: 1, 409: at_once - 1}:
        found.append(f"{at_once} starts were answered with {dict(codes)}")
    if made != 1:
        found.append(f"{at_once} starts made {made} jobs")
    bodies = [json.loads(answer.body) for answer, _ in answers if answer.status in (202, 409)]
    jobs = {body.get("job_id") or body["id"] for body in bodies}
    if len(jobs) != 1:
        found.append(f"{at_once} starts were told of {len(jobs)} jobs")
    return found


async def _start(running: Running, vm: str, at_once: int) -> list[tuple[Answer, float]]:
    """All have sent their request but for its last byte; then all send that."""
    headers = {
        "Authorization": f"Token {running.site.token}",
        "Content-Type": "application/json",
        "Connection": "close",
    }
    path = f"/api/v1/vm-contexts/{vm}/replications/"
    request = request_bytes("POST", path, headers, b"{}")
    connections = [Connection(running.site.port) for _ in range(at_once)]
    for connection in connections:
        await connection.open()
        await connection.send(request[:-1])
    await asyncio.sleep(1)
    began = time.monotonic()

    async def end(connection: Connection) -> tuple[Answer, float]:
        await connection.send(request[-1:])
        async with asyncio.timeout(2 * PATIENCE_SECONDS):
            answer = await connection.receive("POST")
        return answer, time.monotonic() - began

    return await asyncio.gather(*map(end, connections))


def _idle_vm(url: str, number: int) -> str:
    query = (
        "SELECT context_id FROM vm_replication_contexts WHERE unmanaged_at IS NULL AND"
        " current_job_id IS NULL AND repository_id IS NOT NULL AND identity_asked_at IS NULL"
        " ORDER BY context_id OFFSET %s LIMIT 1"
    )
    with connect(url) as connection:
        row = connection.execute(query, [number]).fetchone()
    if row is None:
        raise LookupError("every VM of the estate is being replicated")
    return str(row[0])


def _jobs(url: str, vm: str) -> int:
    query = "SELECT count(*) FROM replication_jobs WHERE vm_context_id = %s"
    with connect(url) as connection:
        row = connection.execute(query, [vm]).fetchone()
    return int(row[0]) if row else 0
