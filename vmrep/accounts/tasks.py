"""What the workers do about accounts."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from vmrep.accounts import lockout
from vmrep.accounts.models import Session
from vmrep.accounts.session_store import idle_since


@shared_task
def forget_sign_ins() -> None:
    """Removes sessions that are over, and failed logins that no longer count."""
    Session.objects.filter(expire_date__lt=timezone.now()).delete()
    Session.objects.filter(last_seen_at__lt=idle_since()).delete()
    lockout.forget_old()
