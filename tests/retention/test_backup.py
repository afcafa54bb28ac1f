"""A backup of vmrep itself, restored after work went on."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import environ
import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.backends.postgresql.base import DatabaseWrapper

from contexts.models import VMContext
from contexts.services import vcenters
from replication.management.commands import backup_vmrep
from replication.manifests import writing
from replication.models import RecoveryPoint
from replication.services import start
from replication.sync import runner
from tests.integrity import copies
from tests.retention.chain import Chain
from tests.retention.test_repository_alone import (
    files_of,
    jobs_of_points,
    require_points,
    restore,
)
from tests.sync.estate import PASSWORD
from vmrep.command_line import by_caller
from vmrep.readiness import readiness
from vmrep.trail.models import Event


def _restored(backup: Path, tmp_path: Path) -> str:
    """As docs/operations.md says; the name of the database."""
    if connection.vendor == "sqlite":
        return str((backup / "vmrep.sqlite3").rename(tmp_path / "restored.sqlite3"))
    name = f"{copies.current()}-restored"
    told = connection.get_connection_params()
    there = [f"--{key}={told[key]}" for key in ("host", "port") if told.get(key)]
    there.append(f"--username={told['user']}")
    subprocess.run(["createdb", *there, "--template=template0", name], check=True)
    subprocess.run(
        [
            *("pg_restore", *there, "--exit-on-error", "--no-owner", "--dbname", name),
            str(backup / "database.dump"),
        ],
        check=True,
    )
    return name


@pytest.mark.slow
@pytest.mark.any_database
def test_a_backup_that_is_restored_knows_again_what_happened_since(
    chain: Chain, tmp_path: Path
) -> None:
    said = io.StringIO()
    call_command("backup_vmrep", str(tmp_path / "backups"), "--with-keys", stdout=said)
    backup = Path(said.getvalue().strip())
    assert backup.stat().st_mode & 0o77 == 0
    assert [path.name for path in (tmp_path / "backups").iterdir()] == [backup.name]

    chain.remove(2)
    chain.replicate()
    chain.replicate()
    writing.write_due()
    jobs, files = jobs_of_points(), files_of(chain)

    before = copies.current()
    name = _restored(backup, tmp_path)
    try:
        copies.use(name)
        assert RecoveryPoint.objects.filter(state="available").count() == 7
        assert "database_older" in chain.findings()
        # Whoever forgets the next step loses nothing.
        job = start.start(VMContext.objects.get(), trigger="manual", requested_by="ops")
        runner.run_next()
        chain.clean()
        assert files_of(chain) == files
        restore(chain)
        require_points(chain, jobs)
        job.refresh_from_db()
        assert job.is_active
        chain.time_passes()
        type(job).objects.update(next_attempt_at=None)
        runner.run_next()
        job.refresh_from_db()
        assert (job.status, job.replication_type) == ("completed", "incremental")
        chain.estate.assert_equal_to_snapshot(job.recovery_point)
        chain.clean()
        writing.write_due()
        assert chain.findings() == set()
    finally:
        copies.use(before)
        copies.remove(name)


@pytest.mark.slow
def test_a_backup_that_is_restored_with_another_key_says_so_until_passwords_are_entered(
    chain: Chain, settings
) -> None:
    """Nothing is sent to the vCenter, nothing is lost, and what the error says helps."""
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]  # made anew where the database was put
    assert readiness()["secrets"] == "unreadable"
    logins = chain.estate.control.logins()
    job = start.start(chain.context, trigger="manual", requested_by="ops")
    runner.run_next()
    job.refresh_from_db()
    assert (job.status, job.error_code) == ("failed", "secret_unreadable")
    for words in (f"password of {chain.estate.vcenter}", "VMREP_FIELD_KEYS", "field_keys"):
        assert words in job.error_message
    assert chain.estate.control.logins() == logins
    with pytest.raises(CommandError, match="could not be read"):
        call_command("rotate_secrets", stdout=io.StringIO(), stderr=io.StringIO())
    vcenters.update(chain.estate.vcenter, password=PASSWORD)
    assert readiness()["secrets"] == "ok"
    chain.context.refresh_from_db()
    chain.replicate()
    chain.require_equal()


def test_the_program_that_dumps_gets_none_of_vmreps_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VMREP_SECRET_KEY", "a secret")
    monkeypatch.setenv("DATABASE_URL", "postgres://vmrep:secret@db/vmrep")
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    environment = backup_vmrep._environment()
    assert "secret" not in str(environment)
    assert environment["PGSSLMODE"] == "verify-full"
    assert environment["PATH"]


def test_the_program_that_dumps_asks_of_the_server_what_vmrep_asks() -> None:
    """It had the password, and none of the settings that say to whom it may be sent."""
    url = "postgres://vmrep:secret@db:6543/name?sslmode=verify-full&sslrootcert=/ca.pem"
    config = environ.Env.db_url_config(url + "&channel_binding=require&connect_timeout=5")
    known = DatabaseWrapper({**connections.settings["default"], **config}).get_connection_params()
    assert backup_vmrep._database(known) == {
        **{"PGHOST": "db", "PGPORT": "6543", "PGUSER": "vmrep", "PGPASSWORD": "secret"},
        **{"PGDATABASE": "name", "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/ca.pem"},
        "PGCHANNELBINDING": "require",
    }


def test_keys_that_are_not_copied_are_named(tmp_path: Path, settings, capsys) -> None:
    settings.DATA_DIR = tmp_path
    (tmp_path / "secret_key").write_text("a key")
    (folder := tmp_path / "backup").mkdir()
    backup_vmrep.Command()._copy_keys(folder)
    assert [path.name for path in folder.iterdir()] == ["secret_key"]
    assert folder.joinpath("secret_key").stat().st_mode & 0o777 == 0o600
    assert f"{tmp_path / 'field_keys'} is not there" in capsys.readouterr().err


@pytest.mark.django_db(transaction=True)
def test_a_backup_leaves_its_trace_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    said = io.StringIO()
    with by_caller():
        call_command("backup_vmrep", str(tmp_path / "backups"), stdout=said)
    backup = Path(said.getvalue().strip())
    told = Event.objects.get(verb="back_up")
    assert (told.kind, told.via) == ("installation", "command")
    assert told.new_values == {"path": str(backup), "with_keys": False}
    assert [path.stat().st_mode & 0o77 for path in (backup, *backup.iterdir())] == [0, 0]
