"""Logging in to a vCenter: a refused login is remembered, so that no number of jobs locks its
account.

Every login goes through `Logins`, except those that somebody requests by hand. Only one is tried at
a time, with the stored password. After a refusal none is tried until somebody enters the password
again, or tests the connection and it works.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, connection
from django.db.models import Q
from django.db.models.functions import Now

from contexts.clock import database_now
from contexts.models import VCenter
from contexts.text import storable
from contexts.vsphere.errors import ConnectionLost, LoginRefused, VSphereError

# Longer than the call of a login may last: then whoever tries has died.
TRIES_FOR = timedelta(seconds=90)
WAIT_SECONDS = 90.0
_LOOK_EVERY_SECONDS = 0.1


def remembered(vcenter: VCenter) -> LoginRefused | None:
    """The refusal for which vmrep does not log in."""
    if vcenter.login_refused_at is None:
        return None
    return LoginRefused(
        f"{vcenter.name} refused the login of {vcenter.username} on"
        f" {vcenter.login_refused_at:%Y-%m-%d %H:%M} UTC, so vmrep does not try again by itself:"
        " that might lock the account. Enter the password again on the vCenter's page; if it is"
        f" right, test the connection there. What was refused: {vcenter.login_refused_why}"
    )


def accepted(vcenter: VCenter) -> None:
    """The stored login worked at the known vCenter: forget what was refused, and that another
    vCenter answered."""
    odd = Q(login_refused_at__isnull=False) | Q(found_at__isnull=False)
    _same(vcenter).filter(odd).update(
        login_refused_at=None,
        login_refused_why="",
        found_at=None,
        found_instance_uuid="",
        updated_at=Now(),
    )


def refused(vcenter: VCenter, problem: LoginRefused) -> None:
    """Remember it, unless the login has been changed meanwhile."""
    _same(vcenter).update(
        login_refused_at=Now(), login_refused_why=storable(str(problem)), updated_at=Now()
    )


def found_another(vcenter: VCenter, instance_uuid: str) -> None:
    """Remember which other vCenter answers at the address, for somebody to decide about."""
    known = Q(found_instance_uuid=instance_uuid) | Q(instance_uuid=instance_uuid)
    _same(vcenter).exclude(known).update(
        found_instance_uuid=instance_uuid, found_at=Now(), updated_at=Now()
    )


class Logins:
    """The logins of one session. Its methods may be called by any thread."""

    def __init__(self, vcenter: VCenter) -> None:
        self._vcenter = vcenter
        self._owner = threading.get_ident()
        self._until: datetime | None = None

    def begin(self) -> None:
        """Before each login: wait for the turn. Raises LoginRefused for one that is remembered,
        ConnectionLost when the login was changed meanwhile, or others take too long."""
        with self._database():
            self._wait_for_turn()

    def end(self, problem: VSphereError | None) -> None:
        """After each login that began, with what went wrong."""
        with self._database():
            if isinstance(problem, LoginRefused):
                refused(self._vcenter, problem)
            # Of a turn that took too long, the next one has begun: it is not this one's to end.
            mine = VCenter.objects.filter(pk=self._vcenter.pk, login_tried_until=self._until)
            mine.update(login_tried_until=None)

    def met_another(self, instance_uuid: str) -> None:
        """Another vCenter than the known one answers at the address."""
        with self._database():
            found_another(self._vcenter, instance_uuid)

    def _wait_for_turn(self) -> None:
        until = time.monotonic() + WAIT_SECONDS
        while not self._take_turn():
            now = VCenter.objects.filter(pk=self._vcenter.pk).first()
            if now is not None and (known := remembered(now)) is not None:
                raise known
            if now is None or not _same(self._vcenter).exists():
                raise ConnectionLost(
                    f"The login for {self._vcenter.name} has been changed. vmrep will retry"
                    " with the new one."
                )
            if time.monotonic() > until:
                raise ConnectionLost(
                    f"Other workers are still logging in to {self._vcenter.name}. vmrep will retry."
                )
            time.sleep(_LOOK_EVERY_SECONDS)

    def _take_turn(self) -> bool:
        free = Q(login_tried_until__isnull=True) | Q(login_tried_until__lt=Now())
        wanted = _same(self._vcenter).filter(free, login_refused_at__isnull=True)
        self._until = database_now() + TRIES_FOR
        return bool(wanted.update(login_tried_until=self._until))

    @contextmanager
    def _database(self) -> Iterator[None]:
        """In a thread that copies or keeps the session alive: close its database connection, since
        nothing else does, and report an unreachable database as a lost connection."""
        if threading.get_ident() == self._owner:
            yield
            return
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            raise ConnectionLost(
                f"Logging in to {self._vcenter.name}: vmrep's database does not answer. vmrep will"
                " retry."
            ) from error
        finally:
            connection.close()


def _same(vcenter: VCenter) -> Any:
    """The stored row, if its login still is the one that this row was loaded with."""
    names = ("host", "port", "username", "password_encrypted")
    return VCenter.objects.filter(pk=vcenter.pk, **{name: getattr(vcenter, name) for name in names})
