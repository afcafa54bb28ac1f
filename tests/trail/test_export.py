"""What collectors get, and what pruning leaves."""

from __future__ import annotations

import json
import logging
import re
import socket
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from contexts import trail
from contexts.trail import Kind, Outcome, Verb
from tests.trail.chain import faults, numbers, write
from vmrep.audit_log import AuditFile, AuditSyslog, audit_handlers
from vmrep.checks import check_audit_collector
from vmrep.trail import lines, pruning
from vmrep.trail.models import Event, Head

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

# The header and the structured data of RFC 5424, section 6.
RFC_5424 = re.compile(
    r"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}(?:Z|[+-]\d\d:\d\d)) ([!-~]{1,255})"
    r" ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32})"
    r' \[audit@32473((?: [a-z_]+="(?:[^"\\\]]|\\["\\\]])*")*)\] (.*)'
)
HOSTILE = 'eve"]\\\n\u202e'


def _hostile() -> Event:
    with transaction.atomic(), trail.gathered():
        about = trail.subject(Kind.GROUP, 1, HOSTILE)
        trail.tell(Verb.ADD, about, actor=HOSTILE, outcome=Outcome.FAILED, new={"name": HOSTILE})
    return Event.objects.latest("number")


def test_a_line_of_syslog_is_one_whatever_the_names(capsys) -> None:
    event = _hostile()
    line = lines.syslog_line(event)
    found = RFC_5424.fullmatch(line)
    assert found is not None, line
    assert line.isascii()
    assert int(found[1]) == 16 * 8 + 4
    assert found[6] == "add"
    assert json.loads(found[8])["object_name"] == HOSTILE
    assert 'outcome="failed"' in found[7]


def test_the_whole_trail_or_the_rest_is_printed(capsys) -> None:
    write(5)
    call_command("export_audit", after=3)
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["number"] for each in told] == [4, 5]
    assert told[0]["new"] == {"name": "group 3"}
    assert told[1]["previous_digest"] == told[0]["digest"]
    call_command("export_audit", format="syslog")
    assert all(RFC_5424.fullmatch(line) for line in capsys.readouterr().out.splitlines())


def test_handlers_get_each_event_after_its_commit(
    tmp_path: Path, django_capture_on_commit_callbacks
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        collector.bind(("127.0.0.1", 0))
        collector.settimeout(10)
        file = tmp_path / "audit.jsonl"
        wanted = audit_handlers(str(file), f"127.0.0.1:{collector.getsockname()[1]}")
        assert [each["()"] for each in wanted.values()] == [AuditFile, AuditSyslog]
        made = [
            AuditFile(str(file)),
            AuditSyslog(wanted["audit_syslog"]["address"]),
        ]
        for handler in made:
            lines.log.addHandler(handler)
        level = lines.log.level
        lines.log.setLevel(logging.INFO)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                event = _hostile()
                assert not file.exists()
            assert json.loads(file.read_text()) == json.loads(lines.json_line(event))
            sent = collector.recv(65536).decode()
            found = RFC_5424.fullmatch(sent)
            assert found is not None, sent
            assert int(found[1]) == 16 * 8 + 4
        finally:
            lines.log.setLevel(level)
            for handler in made:
                lines.log.removeHandler(handler)
                handler.close()


def test_a_file_that_cannot_be_written_hinders_nobody(
    tmp_path: Path, django_capture_on_commit_callbacks, capsys
) -> None:
    """Nor does it keep from the rest that is due after the commit."""
    handler, done = AuditFile(str(tmp_path / "not there" / "audit.jsonl")), []
    lines.log.addHandler(handler)
    level = lines.log.level
    lines.log.setLevel(logging.INFO)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            event = _hostile()
            transaction.on_commit(lambda: done.append(event))
    finally:
        lines.log.setLevel(level)
        lines.log.removeHandler(handler)
        handler.close()
    assert done == [event]
    assert "audit.jsonl" in capsys.readouterr().err


def test_a_collector_that_nobody_knows_hinders_nobody(monkeypatch, settings, caplog) -> None:
    """Neither vmrep's start nor an event; and it is looked for again."""
    known: list[tuple[str, int]] = []

    def look_up(host: str, port: int, *_: object, **__: object) -> list[object]:
        if not known:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_DGRAM, 0, "", known[0])]

    settings.AUDIT_SYSLOG = "collector.example:514"
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    handler = AuditSyslog(("localhost", 514))
    assert "VMREP_AUDIT_SYSLOG" in caplog.text
    assert [one.id for one in check_audit_collector()] == ["vmrep.W023"]
    record = logging.makeLogRecord({"audit_event": _hostile()})
    handler.emit(record)  # too early to look again
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        collector.bind(("127.0.0.1", 0))
        collector.settimeout(10)
        known.append(collector.getsockname())
        handler.address = known[0]
        handler._look_again_at = 0.0
        handler.emit(record)
        assert RFC_5424.fullmatch(collector.recv(65536).decode())
    handler.close()
    assert check_audit_collector() == []


class TestPruning:
    @pytest.fixture(autouse=True)
    def six(self, db: None) -> None:
        write(6)

    def test_the_oldest_go_into_a_file_and_what_is_left_follows(
        self, tmp_path: Path, capsys, monkeypatch
    ) -> None:
        monkeypatch.setattr(
            "vmrep.trail.management.commands.prune_audit.timedelta",
            lambda days: timedelta(seconds=-60),
        )
        file = tmp_path / "old.jsonl"
        call_command("prune_audit", older_than_days=1, to=str(file))
        kept = [json.loads(line) for line in file.read_text().splitlines()]
        assert [each["number"] for each in kept] == [1, 2, 3, 4, 5]
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert numbers() == [6, 7]
        assert capsys.readouterr().out.splitlines()[-1] == f"5:{kept[-1]['digest']}"
        told = Event.objects.get(number=7)
        assert (told.verb, told.new_values["through"]) == (Verb.PRUNE, 5)
        assert Event.objects.get(number=6).previous_digest == kept[-1]["digest"]
        assert faults() == []
        with pytest.raises(CommandError, match="cannot be made"):
            call_command("prune_audit", older_than_days=1, to=str(file))
        assert numbers() == [6, 7]

    def test_what_was_cut_off_goes_on_the_next_time(self) -> None:
        pruning._mark(2)
        assert numbers() == [1, 2, 3, 4, 5, 6, 7]
        assert faults() == []
        pruning.prune(4)
        assert numbers() == [5, 6, 7, 8]
        assert faults() == []

    def test_the_newest_stays_and_nothing_is_pruned_twice(self) -> None:
        for through in (6, 0, 99):
            with pytest.raises(pruning.NothingToPrune):
                pruning.prune(through)
        pruning.prune(3)
        with pytest.raises(pruning.NothingToPrune):
            pruning.prune(3)

    def test_pruning_behind_the_command_s_back_is_found(self) -> None:
        digest = Event.objects.get(number=3).digest
        Head.objects.update(pruned_through=3, pruned_digest=digest)
        Event.objects.filter(number__lte=3).delete()
        assert faults() == ["The events up to 3 were removed, and no event says so."]
