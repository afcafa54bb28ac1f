"""`manage.py backup_vmrep`: a copy of the database, and of the keys if that is asked for."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from argparse import ArgumentParser
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from contexts import trail
from replication.engine.durable import fsync_file, make_folders_durably, rename_durably
from replication.manifests import installation

KEYS = ("field_keys", "secret_key")
# What of the connection has a variable of libpq with the same name, but for these.
SAME_NAMES = (
    *("host", "hostaddr", "port", "user", "password", "passfile", "service"),
    *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir", "sslsni"),
    *("requirepeer", "gssencmode"),
)
OTHER_NAMES = {
    "dbname": "PGDATABASE",
    "channel_binding": "PGCHANNELBINDING",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
}


class Command(BaseCommand):
    help = (
        "Copy the database into a new folder in FOLDER, as it is at this moment, while vmrep works."
        " docs/operations.md says how to restore it. Repositories are not copied: they know"
        " themselves what is in them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="where backups are kept")
        parser.add_argument(
            "--with-keys",
            action="store_true",
            help="also copy the keys from the data folder: whoever has both can read the passwords"
            " of the vCenters",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        installation.own_uuid()  # by it, repositories know whoever restores the backup
        now = datetime.now(UTC)
        folder: Path = options["folder"].absolute() / f"vmrep-{now:%Y%m%dT%H%M%S%fZ}"
        unfinished = folder.with_name(f".{folder.name}.unfinished")
        try:
            make_folders_durably(unfinished)
            _copy_database(unfinished)
            if options["with_keys"]:
                self._copy_keys(unfinished)
            for path in unfinished.iterdir():
                fsync_file(path)
            _tell(folder, with_keys=options["with_keys"])
            rename_durably(unfinished, folder)
        except OSError as problem:
            raise CommandError(f"Nothing was backed up: {problem}") from problem
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        self.stdout.write(str(folder))

    def _copy_keys(self, folder: Path) -> None:
        """Those that vmrep made; keys in its environment are kept by whoever put them there."""
        for name in KEYS:
            source = Path(settings.DATA_DIR) / name
            if source.exists():
                shutil.copyfile(source, folder / name)
                (folder / name).chmod(0o600)
            else:
                self.stderr.write(
                    f"{source} is not there, so it is not in this backup: keep VMREP_{name.upper()}"
                    " of vmrep's settings yourself."
                )


def _tell(folder: Path, *, with_keys: bool) -> None:
    """Before there is such a folder: no copy of everything is made without a trace."""
    about = trail.subject(trail.Kind.INSTALLATION, "", "vmrep")
    with transaction.atomic(), trail.gathered():
        trail.tell(trail.Verb.BACK_UP, about, new={"path": str(folder), "with_keys": with_keys})


def _copy_database(folder: Path) -> None:
    if connection.vendor == "sqlite":
        source = str(connection.settings_dict["NAME"])
        with (
            closing(sqlite3.connect(folder / "vmrep.sqlite3")) as copy,
            closing(sqlite3.connect(source)) as database,
        ):
            database.backup(copy)
        return
    dump = folder / "database.dump"
    with dump.open("wb") as file:
        done = subprocess.run(
            ["pg_dump", "--format=custom", "--no-owner"],
            env=_environment() | _database(connection.get_connection_params()),
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    if done.returncode:
        raise CommandError(f"Nothing was backed up: {done.stderr.strip()}")


def _database(known: dict[str, Any]) -> dict[str, str]:
    """How the program reaches the database, as libpq's variables: as vmrep does, and with no less
    asked of the server. No password in its arguments."""
    variables = {name: f"PG{name.upper()}" for name in SAME_NAMES} | OTHER_NAMES
    return {told: str(known[name]) for name, told in variables.items() if known.get(name)}


def _environment() -> dict[str, str]:
    """vmrep's secrets are none of the program's business; libpq's own settings are."""
    kept = ("PATH", "HOME", "TMPDIR")
    return {name: it for name, it in os.environ.items() if name in kept or name.startswith("PG")}
