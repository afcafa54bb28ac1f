"""What a process of the web server does beside answering: it says that it lives."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.signals import request_started

from replication.health import signs
from replication.states import LifeKind
from vmrep import database_away
from vmrep.accounts import first_user
from vmrep.incoming import WholeBodies
from vmrep.notifications import courier
from vmrep.startup import report_database


def begin(django_application: Any) -> WholeBodies:
    """Django's application, as the web server is to serve it."""
    database_away.bound_waits()
    report_database()
    first_user.announce(f"{settings.BASE_URL}/setup/")
    request_started.connect(_this_process_lives)
    return WholeBodies(django_application)


def _this_process_lives(**signal: object) -> None:
    """With the first request: a server may load this before it forks the processes that serve."""
    request_started.disconnect(_this_process_lives)
    signs.begin(LifeKind.WEB)
    courier.begin(courier.PATIENCE)
