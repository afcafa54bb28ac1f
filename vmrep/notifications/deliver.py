"""Sending what is due, at least once: claim, send, record.

A process that dies between sending and recording leaves a claim, which another one takes over: the
message then goes out again, under the same ID.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.db import DatabaseError, InterfaceError, connection
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Greatest, Now

from contexts.clock import database_now
from contexts.database_errors import own_words
from contexts.errors import SecretUnreadable
from contexts.services.transactions import lock_free, one_transaction
from contexts.text import printable
from vmrep.notifications import channels, message
from vmrep.notifications.errors import NotDelivered
from vmrep.notifications.models import Channel, Delivery
from vmrep.notifications.quiet import quiet_until
from vmrep.notifications.services import config_of
from vmrep.notifications.states import DUE_STATES, DeliveryState, Purpose

log = logging.getLogger(__name__)

CLAIMED_FOR = timedelta(minutes=2)  # longer than any sending takes
FIRST_BACK_OFF = timedelta(seconds=30)
LONGEST_BACK_OFF = timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(hours=24)
KEPT_FOR = timedelta(days=400)
CHANNELS_AT_ONCE = 8
# Of one channel in one round: a round must not take forever.
MOST_OF_A_CHANNEL = 100


def deliver_due(patience: timedelta = timedelta(0)) -> None:
    """Send what is due, each channel in a thread of its own. `patience`: what became due later than
    that long ago is left to others."""
    waiting = _due(database_now() - patience).filter(channel__enabled=True)
    due = list(waiting.order_by().values_list("channel", flat=True).distinct())
    if not due:
        return
    if len(due) == 1:
        serve(due[0])
        return
    with ThreadPoolExecutor(min(len(due), CHANNELS_AT_ONCE)) as threads:
        list(threads.map(_serve_apart, due))


def _serve_apart(channel_id: int) -> None:
    try:
        serve(channel_id)
    except (DatabaseError, InterfaceError) as problem:
        log.warning("channel %s is left for the next round: %s", channel_id, own_words(problem))
    finally:
        connection.close()


def forget_old() -> None:
    Delivery.objects.filter(created_at__lt=Now() - KEPT_FOR).delete()


def _due(now: datetime) -> QuerySet[Delivery]:
    """Also those whose sender has died."""
    return Delivery.objects.filter(
        Q(state__in=DUE_STATES, next_attempt_at__lte=now)
        | Q(state=DeliveryState.SENDING, claimed_at__lte=now - CLAIMED_FOR)
    )


def serve(channel_id: int) -> None:
    """Send what is due by one channel, until there is nothing more or something does not go out."""
    for _ in range(MOST_OF_A_CHANNEL):
        delivery = _claim_next(channel_id)
        if delivery is None or not _send(delivery):
            return


@one_transaction
def _claim_next(channel_id: int) -> Delivery | None:
    """The next one that is due, or a digest of what waits; None if there is nothing, or if what
    there is is being gathered or held. Its channel's row is locked: two processes would gather
    twice."""
    if not lock_free(Channel.objects.filter(pk=channel_id, enabled=True)):
        return None
    channel = Channel.objects.get(pk=channel_id)
    now = database_now()
    _hold_in_quiet_hours(channel, now)
    due = list(_due(now).filter(channel=channel).order_by("attempts", "pk")[: _most(channel)])
    if not due:
        return None
    chosen = due[0]
    # What another process has begun to send goes on as it is: the other side may have it already.
    single = [each for each in due if each.purpose == Purpose.OCCURRENCE]
    fresh = [each for each in single if each.state in DUE_STATES]
    if chosen in fresh:
        sent = Delivery.objects.filter(
            channel=channel, sent_at__gt=now - timedelta(seconds=channel.digest_seconds)
        ).exclude(purpose=Purpose.TEST)
        recently = sent.count()
        if recently + len(fresh) > channel.digest_after:
            if not _is_gathered(channel, fresh, recently, now):
                return None
            if len(fresh) > 1:
                chosen = _gather(channel, now)
    Delivery.objects.filter(pk=chosen.pk).update(
        state=DeliveryState.SENDING, claimed_at=now, attempts=F("attempts") + 1
    )
    chosen.refresh_from_db()
    return chosen


def _most(channel: Channel) -> int:
    return channel.digest_after + 1


def _is_gathered(channel: Channel, fresh: Sequence[Delivery], recently: int, now: datetime) -> bool:
    """After a pause, a storm is told of at once; what follows within the channel's time is gathered
    until the oldest has waited for so long."""
    oldest = min(each.created_at for each in fresh)
    return recently == 0 or oldest <= now - timedelta(seconds=channel.digest_seconds)


def _gather(channel: Channel, now: datetime) -> Delivery:
    """One message for all that are due. Each of them keeps its row, which names the digest."""
    members = Delivery.objects.filter(
        channel=channel,
        state__in=DUE_STATES,
        next_attempt_at__lte=now,
        purpose=Purpose.OCCURRENCE,
    )
    digest = Delivery.objects.create(
        channel=channel,
        purpose=Purpose.DIGEST,
        is_urgent=members.filter(is_urgent=True).exists(),
        next_attempt_at=now,
    )
    members.update(state=DeliveryState.IN_DIGEST, digest=digest)
    return digest


def _hold_in_quiet_hours(channel: Channel, now: datetime) -> None:
    until = quiet_until(now, channel.quiet_from_minute, channel.quiet_to_minute, channel.time_zone)
    if until is not None:
        held = Delivery.objects.filter(channel=channel, state__in=DUE_STATES, is_urgent=False)
        held.filter(next_attempt_at__lt=until).update(
            state=DeliveryState.HELD, next_attempt_at=until
        )


def _send(delivery: Delivery) -> bool:
    """Outside of any transaction. Whether it went out."""
    channel = delivery.channel
    try:
        answer = channels.send(channel.kind, config_of(channel), message.of_delivery(delivery))
    except (NotDelivered, SecretUnreadable) as problem:
        log.warning("%s did not go out by %s: %s", delivery, printable(channel.name), problem)
        _note_failure(delivery, str(problem))
        return False
    _note_success(delivery, answer)
    return True


def _mine(delivery: Delivery) -> QuerySet[Delivery]:
    """Compare and set: a claim that was taken over is another's."""
    return Delivery.objects.filter(
        pk=delivery.pk, state=DeliveryState.SENDING, claimed_at=delivery.claimed_at
    )


@one_transaction
def _note_success(delivery: Delivery, answer: str) -> None:
    _mine(delivery).update(state=DeliveryState.SENT, sent_at=Now(), answer=answer)
    Channel.objects.filter(pk=delivery.channel_id).update(last_ok_at=Now(), last_problem="")


@one_transaction
def _note_failure(delivery: Delivery, why: str) -> None:
    """What else waits for the channel waits as long: the other side is not asked for each."""
    now = database_now()
    next_attempt_at = now + back_off(delivery.attempts)
    gives_up = delivery.created_at <= now - GIVEN_UP_AFTER
    state = DeliveryState.GIVEN_UP if gives_up else DeliveryState.WAITING
    _mine(delivery).update(state=state, answer=why, next_attempt_at=next_attempt_at)
    Delivery.objects.filter(channel=delivery.channel_id, state__in=DUE_STATES).update(
        next_attempt_at=Greatest("next_attempt_at", next_attempt_at)
    )
    Channel.objects.filter(pk=delivery.channel_id).update(last_problem=why)


def back_off(attempts: int) -> timedelta:
    """How long to wait after so many attempts."""
    return min(FIRST_BACK_OFF * 2 ** min(attempts - 1, 20), LONGEST_BACK_OFF)
