"""Wrong passwords are slowed down: by name and address, by address, and by name.

django-axes counts them, in the database, so that all web servers count together; the same for names
that nobody has. What is refused is told in the same words, whether the password was right or not.

Nobody can shut out somebody else for good: failures from one address count against a name at that
address only. When many addresses try one name, the name is refused at others, but not where it has
signed in before. Each of these ends by itself, and `manage.py unlock` ends it at once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username
from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.db.models import Q, Sum
from django.http import HttpRequest, HttpResponse

from contexts.clock import about_now
from vmrep.incoming import Refusal, refuse

OF_NAME_AND_ADDRESS: int = settings.AXES_FAILURE_LIMIT
OF_ADDRESS = 50
OF_NAME = 100
"""So many failures lock: of one name at one address, of all names at one address, of one name at
all addresses."""
HOLDS: timedelta = settings.AXES_COOLOFF_TIME
"""For how long, from the last of them on."""
KNOWN_FOR = timedelta(days=30)
"""How long an address is known as one where a name has signed in."""
_UNSEEN = "vmrep_refused_unseen"
TOO_MANY = Refusal(
    429,
    "too_many_failures",
    "There were too many failed logins. Wait a quarter of an hour, or ask who runs vmrep to unlock"
    " you (docs/accounts.md).",
)


def was_refused_unseen(request: HttpRequest) -> bool:
    """Whether a login was refused whatever its password is, because of the failures before it."""
    return getattr(request, _UNSEEN, False)


class Handler(AxesDatabaseHandler):
    def is_locked(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
        name = get_client_username(request, credentials)
        locked = name is not None and self._is_locked(request, name)
        setattr(request, _UNSEEN, locked)
        return locked

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: Any = None, **more: Any
    ) -> None:
        """Not of a login without a name, such as one that a provider of identities refuses: nothing
        is guessed there, and its address may be that of many."""
        if request is not None and get_client_username(request, credentials) is not None:
            super().user_login_failed(sender, credentials, request, **more)

    def _is_locked(self, request: HttpRequest, name: str) -> bool:
        address = request.axes_ip_address  # type: ignore[attr-defined]
        here = Q(username=name, ip_address=address)
        counts = (
            AccessAttempt.objects.filter(attempt_time__gte=about_now() - HOLDS)
            .filter(Q(username=name) | Q(ip_address=address))
            .aggregate(
                here=Sum("failures_since_start", filter=here, default=0),
                of_address=Sum("failures_since_start", filter=Q(ip_address=address), default=0),
                of_name=Sum("failures_since_start", filter=Q(username=name), default=0),
            )
        )
        if counts["here"] >= OF_NAME_AND_ADDRESS:
            return True
        if counts["of_address"] < OF_ADDRESS and counts["of_name"] < OF_NAME:
            return False
        since = about_now() - KNOWN_FOR
        return not AccessLog.objects.filter(here, attempt_time__gte=since).exists()


def answer(request: HttpRequest, *_: object) -> HttpResponse:
    """What django-axes answers to whom it locks, instead of any other answer."""
    response = refuse(request, TOO_MANY)
    response["Retry-After"] = str(int(HOLDS.total_seconds()))
    response["Cache-Control"] = "no-store"
    return response


def unlock(*, name: str | None = None, address: str | None = None) -> int:
    """Forgets the failed logins of this name, or of this address; tells how many there were."""
    failures = AccessAttempt.objects.filter(
        Q(username=name) if address is None else Q(ip_address=address)
    )
    count = failures.aggregate(n=Sum("failures_since_start", default=0))["n"]
    failures.delete()
    return int(count)


def forget_old() -> None:
    """Removes what nobody counts any more."""
    AccessAttempt.objects.filter(attempt_time__lt=about_now() - HOLDS).delete()
    AccessLog.objects.filter(attempt_time__lt=about_now() - KNOWN_FOR).delete()
