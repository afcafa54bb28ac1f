"""Nothing that is in the trail changes, whoever writes to the database, and what was changed by
force is found."""

from __future__ import annotations

import threading

import pytest
from django.core import checks
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, connections, transaction

from contexts.chain import BEGINNING
from tests.trail.chain import by_force, execute, faults, numbers, write
from vmrep.trail import heads, triggers
from vmrep.trail.models import Event, Head
from vmrep.trail.verify import Anchor, verify

pytestmark = pytest.mark.django_db

INSERT = (
    "INSERT INTO audit_events (number, at, verb, outcome, actor, via, kind, object_id, object_name,"
    " vm_context_id, folder, job_id, address, request_id, old, new, previous_digest, digest, seal)"
    " SELECT {number}, CURRENT_TIMESTAMP, 'add', 'done', 'eve', 'page', 'vm', 'k', 'k',"
    " '', '', '', '', '', '{{}}', '{{}}', {previous}, '{digest}', 'x' FROM audit_head"
)
FORGED = "f" * 64


@pytest.fixture
def trail_of_five(db: None) -> None:
    write(5)
    assert numbers() == [1, 2, 3, 4, 5]
    assert faults() == []


@pytest.mark.usefixtures("trail_of_five")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET actor = 'nobody' WHERE number = 3",
        "UPDATE audit_events SET actor = actor",
        "DELETE FROM audit_events WHERE number = 3",
        "DELETE FROM audit_events WHERE number = 5",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "TRUNCATE audit_events, audit_head",
        "INSERT OR REPLACE INTO"
        + INSERT.removeprefix("INSERT INTO").format(number=3, previous="digest", digest=FORGED),
        INSERT.format(number="number + 2", previous="digest", digest=FORGED),
        INSERT.format(number="number + 1", previous=f"'{FORGED}'", digest=FORGED),
        INSERT.format(number="0", previous=f"'{FORGED}'", digest=FORGED),
        "DELETE FROM audit_head",
        "UPDATE audit_head SET number = 4",
        "UPDATE audit_head SET number = 6, digest = previous_digest",
        f"UPDATE audit_head SET digest = '{FORGED}'",
        "UPDATE audit_head SET pruned_through = 3",
        f"UPDATE audit_head SET pruned_through = 3, pruned_digest = '{FORGED}'",
        "INSERT INTO audit_head (id, number, digest, pruned_through, pruned_digest)"
        " VALUES (2, 0, 'x', 0, 'x')",
        "INSERT OR REPLACE INTO audit_head (id, number, digest, pruned_through, pruned_digest)"
        " VALUES (1, 0, 'x', 0, 'x')",
    ],
)
def test_a_stranger_with_sql_changes_nothing(statement: str) -> None:
    if connection.vendor == "sqlite" and "TRUNCATE" in statement:
        pytest.skip("SQLite has no TRUNCATE")
    if connection.vendor == "postgresql" and "OR REPLACE" in statement:
        pytest.skip("PostgreSQL has no OR REPLACE")
    before = list(Event.objects.values_list()), list(Head.objects.values_list())
    statement = statement.replace("digest = previous_digest", f"digest = '{FORGED}'")
    with pytest.raises(IntegrityError, match="audit_"), transaction.atomic():
        execute(statement)
    assert before == (list(Event.objects.values_list()), list(Head.objects.values_list()))
    assert faults() == []


@pytest.mark.usefixtures("trail_of_five")
class TestByForce:
    """With the triggers dropped."""

    def test_a_changed_row_is_found(self) -> None:
        by_force("UPDATE audit_events SET actor = 'nobody' WHERE number = 3")
        assert faults() == ["Event 3 was changed: its digest is that of other content."]

    def test_a_removed_row_is_found(self) -> None:
        by_force("DELETE FROM audit_events WHERE number IN (2, 3)")
        assert faults() == ["Events 2 to 3 are missing."]

    def test_the_oldest_rows_are_missed(self) -> None:
        by_force("DELETE FROM audit_events WHERE number < 3")
        assert faults() == ["Events 1 to 2 are missing."]

    def test_the_newest_row_is_missed(self) -> None:
        by_force("DELETE FROM audit_events WHERE number = 5")
        assert faults() == ["Event 5 is missing: the head knows of them."]

    def test_a_whole_trail_that_is_gone_is_missed(self) -> None:
        by_force("DELETE FROM audit_events")
        assert faults() == ["Events 1 to 5 are missing: the head knows of them."]

    def test_swapped_rows_are_found(self) -> None:
        """Numbers, contents: whatever is swapped."""
        by_force(
            "UPDATE audit_events SET number = 99 WHERE number = 2",
            "UPDATE audit_events SET number = 2 WHERE number = 4",
            "UPDATE audit_events SET number = 4 WHERE number = 99",
        )
        found = faults()
        assert "Event 2 was changed: its digest is that of other content." in found
        assert "Event 4 was changed: its digest is that of other content." in found
        assert "Event 3 does not follow event 2: one was replaced." in found

    def test_an_inserted_row_is_found(self) -> None:
        by_force(
            "UPDATE audit_events SET number = number + 100 WHERE number > 3",
            "UPDATE audit_events SET number = number - 99 WHERE number > 100",
            INSERT.format(number=4, previous=f"'{FORGED}'", digest=FORGED),
        )
        assert any("Event 4 does not follow event 3" in each for each in faults())

    def test_a_row_beyond_the_head_is_found(self) -> None:
        by_force(INSERT.format(number="number + 1", previous="digest", digest=FORGED))
        assert faults() == ["The head knows nothing of event 6."]

    def test_a_chain_that_was_made_anew_has_no_seal(self) -> None:
        """Whoever has the database but no key can make all digests, and no seal."""
        from vmrep.trail import chain

        previous = Event.objects.get(number=2).digest
        statements = ["UPDATE audit_events SET actor = 'nobody' WHERE number = 3"]
        for event in Event.objects.filter(number__gte=3).order_by("number"):
            event.previous_digest = previous
            event.actor = "nobody" if event.number == 3 else event.actor
            previous = chain.digest([getattr(event, name) for name in chain.FIELDS])
            statements.append(
                f"UPDATE audit_events SET previous_digest = '{event.previous_digest}',"
                f" digest = '{previous}' WHERE number = {event.number}"
            )
        by_force(*statements, f"UPDATE audit_head SET digest = '{previous}'")
        (found,) = faults()
        assert found.startswith("Events 3 to 5 are not sealed by any key of this installation")

    def test_an_end_that_was_cut_off_with_its_head_is_found_by_an_anchor(self) -> None:
        """Nothing that is in the database can tell: so keep what a verification prints."""
        kept = verify()
        fourth = Event.objects.get(number=4)
        by_force(
            "DELETE FROM audit_events WHERE number = 5",
            f"UPDATE audit_head SET number = 4, digest = '{fourth.digest}'",
        )
        assert faults() == []
        found = verify(anchor=Anchor(kept.number, kept.digest)).faults
        assert [each.what for each in found] == [
            "Event 5 was written down, and the trail ends before it."
        ]
        write(1)
        found = verify(anchor=Anchor(kept.number, kept.digest)).faults
        assert [each.what for each in found] == ["Event 5 is not the one that was written down."]

    def test_a_head_that_is_gone_is_found_and_migrate_tells_of_it(self) -> None:
        by_force("DELETE FROM audit_head", "DELETE FROM audit_events WHERE number = 5")
        assert faults() == ["The head is missing, with 4 events left."]
        heads.make_after_migrations(using="default")
        newest = Event.objects.first()
        assert newest is not None
        assert (newest.number, newest.verb) == (5, "restore")
        assert "newest events may be missing" in newest.new
        assert faults() == []

    def test_only_the_newest_are_read_if_asked(self) -> None:
        by_force("UPDATE audit_events SET actor = 'nobody' WHERE number = 2")
        assert verify(newest=2).faults == []
        assert verify(newest=4).faults != []


@pytest.mark.usefixtures("trail_of_five")
def test_a_key_that_went_is_vouched_for_by_the_next(settings) -> None:
    settings.FIELD_KEYS = ["another key", *settings.FIELD_KEYS]
    write(2)
    assert verify().old_seals == 0
    settings.FIELD_KEYS = ["another key"]
    found = verify()
    assert (found.faults, found.old_seals) == ([], 5)
    settings.FIELD_KEYS = ["a third key"]
    assert [fault.number for fault in verify().faults] == [1]


@pytest.mark.usefixtures("trail_of_five")
def test_the_commands_exit_code_tells(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("verify_audit")
    anchor = capsys.readouterr().out.splitlines()[-1]
    assert anchor == f"5:{Event.objects.get(number=5).digest}"
    call_command("verify_audit", anchor=anchor)
    with pytest.raises(CommandError, match="NUMBER:DIGEST"):
        call_command("verify_audit", anchor="5")
    by_force("DELETE FROM audit_events WHERE number = 2")
    with pytest.raises(SystemExit) as ended:
        call_command("verify_audit")
    assert ended.value.code == 1
    assert "Event 2 is missing" in capsys.readouterr().out


class TestTriggers:
    def found(self) -> list[checks.CheckMessage]:
        return triggers.check_triggers(databases=["default"])

    def test_a_check_tells_of_a_missing_one_and_of_one_that_does_nothing(self) -> None:
        assert self.found() == []
        triggers.remove(connection)
        assert "audit_event_is_kept" in self.found()[0].msg
        triggers.install(connection)
        assert self.found() == []
        if connection.vendor == "sqlite":
            execute(
                "DROP TRIGGER audit_event_is_kept",
                "CREATE TRIGGER audit_event_is_kept BEFORE DELETE ON audit_events"
                " BEGIN SELECT 1; END",
            )
        else:
            execute("ALTER TABLE audit_events DISABLE TRIGGER audit_event_is_kept")
        assert "audit_event_is_kept" in self.found()[0].msg

    def test_migrations_remove_them_first_and_install_them_afterwards(self) -> None:
        """A table that SQLite rebuilds loses its triggers, and one that names it stops it."""
        triggers.remove_before_migrations(using="default", plan=[])
        assert triggers.missing(connection) == []
        triggers.remove_before_migrations(using="default", plan=["something"])
        assert len(triggers.missing(connection)) >= len(triggers.TRIGGERS)
        triggers.install_after_migrations(using="default")
        assert triggers.missing(connection) == []


@pytest.mark.django_db(transaction=True)
def test_two_writers_at_once_make_one_chain() -> None:
    """Each follows the other, and none sees an old head."""
    begin = threading.Barrier(4)

    def act() -> None:
        begin.wait(30)
        try:
            write(10)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=act) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert numbers() == list(range(1, 41))
    assert faults() == []


@pytest.mark.usefixtures("trail_of_five")
def test_even_without_triggers_no_two_events_follow_the_same_one() -> None:
    triggers.remove(connection)
    fork = INSERT.format(number="number + 1", previous=f"'{BEGINNING}'", digest=FORGED)
    with pytest.raises(IntegrityError), transaction.atomic():
        execute(fork)
    triggers.install(connection)


def test_an_act_that_is_rolled_back_is_not_told() -> None:
    write(1)
    with transaction.atomic():
        write(1)
        transaction.set_rollback(True)
    assert numbers() == [1]
    write(1)
    assert numbers() == [1, 2]
    assert faults() == []
