"""Channels and rules: saving, removing, trying. What is secret goes in and never comes out."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import NamedTuple
from zoneinfo import available_timezones

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from contexts import crypto, trail
from contexts.clock import database_now
from contexts.errors import SecretUnreadable
from contexts.models import VCenter, VMContext
from contexts.services.transactions import one_transaction
from contexts.text import storable
from contexts.trail import Kind, Outcome, Verb
from replication.models import Policy
from replication.states import OccurrenceKind
from vmrep.notifications import channels, message
from vmrep.notifications.channels.base import Config
from vmrep.notifications.errors import ChannelRefused, NotDelivered
from vmrep.notifications.models import MINUTES_OF_A_DAY, Channel, Delivery, Rule, RuleKind
from vmrep.notifications.states import DeliveryState, Purpose, RuleScope

CONFIG = "config_encrypted"
# Whoever tries a channel waits for it.
TEST_SECONDS = 15.0


class Habits(NamedTuple):
    """How a channel is used. Minutes of the day; both None: no quiet hours."""

    enabled: bool = True
    quiet_from_minute: int | None = None
    quiet_to_minute: int | None = None
    time_zone: str = "UTC"
    digest_after: int = 5
    digest_seconds: int = 60
    report_at_minute: int | None = None


def habits_of(channel: Channel) -> Habits:
    return Habits(*(getattr(channel, name) for name in Habits._fields))


def config_of(channel: Channel) -> Config:
    """Raises SecretUnreadable."""
    config: Config = json.loads(crypto.unseal(channel, CONFIG))
    return config


def add_channel(
    name: str, kind: str, settings: Mapping[str, object], habits: Habits | None = None
) -> Channel:
    """Raises ChannelRefused."""
    _require_known(kind, settings)
    return _save(Channel(kind=kind), name, channels.clean(kind, settings), habits or Habits())


def _require_known(kind: str, settings: Mapping[str, object]) -> None:
    known = channels.fields(kind)
    unknown = next((name for name in settings if name not in known), None)
    if unknown is not None:
        raise ChannelRefused(
            f"{unknown[:50]} is no setting of this kind of channel: it has {', '.join(known)}.",
            "settings",
        )


def change_channel(
    channel: Channel,
    *,
    name: str | None = None,
    settings: Mapping[str, object] | None = None,
    habits: Habits | None = None,
) -> Channel:
    """What is None stays; so do settings that are not given, but for secrets that would be sent to
    somebody else then. Raises ChannelRefused."""
    config = None
    if settings is not None:
        _require_known(channel.kind, settings)
        try:
            known = config_of(channel)
        except SecretUnreadable:
            known = {}  # all of them have to be given again
        config = channels.clean(channel.kind, {**known, **settings})
        channels.require_secrets_again(channel.kind, known, config, settings)
    return _save(channel, channel.name if name is None else name, config, habits)


def _save(channel: Channel, name: str, config: Config | None, habits: Habits | None) -> Channel:
    changed = ["name", "updated_at"]
    former = trail.values_of(channel, *_TOLD) if channel.pk else {}
    channel.name = name.strip()
    if not channel.name or len(channel.name) > 100 or not channel.name.isprintable():
        raise ChannelRefused("A name has 1 to 100 printable characters.", "name")
    if config is not None:
        channel.address_shown = channels.shown(channel.kind, config)
        crypto.seal(channel, CONFIG, json.dumps(config))
        channel.last_problem = ""
        changed += [CONFIG, "address_shown", "last_problem"]
    if habits is not None:
        _require_possible(habits)
        for field, value in habits._asdict().items():
            setattr(channel, field, value)
        changed += habits._fields
    try:
        with transaction.atomic(), trail.gathered():
            channel.save(update_fields=changed if channel.pk else None)
            _tell_of_channel(channel, former, has_new_settings=config is not None)
    except IntegrityError as problem:
        if Channel.objects.filter(name=channel.name).exclude(pk=channel.pk).exists():
            raise ChannelRefused("Another channel has this name.", "name") from problem
        raise
    return channel


_TOLD = ("name", "kind", *Habits._fields)


def _tell_of_channel(
    channel: Channel, former: dict[str, object], *, has_new_settings: bool
) -> None:
    """Of its settings, some of which are secret, only that they changed."""
    old, new = trail.changes(former, trail.values_of(channel, *_TOLD))
    if has_new_settings:
        new |= {"settings": trail.CHANGED, "address": channel.address_shown}
    trail.tell(Verb.CHANGE if former else Verb.ADD, _about(channel), old=old, new=new)


def _about(channel: Channel) -> trail.Subject:
    return trail.subject(Kind.CHANNEL, channel.pk, channel.name)


def _require_possible(habits: Habits) -> None:
    quiet = (habits.quiet_from_minute, habits.quiet_to_minute)
    if (quiet[0] is None) != (quiet[1] is None):
        raise ChannelRefused("Quiet hours have a beginning and an end.", "quiet_from_minute")
    if any(minute is not None and not 0 <= minute < MINUTES_OF_A_DAY for minute in quiet):
        raise ChannelRefused("A day has the minutes 0 to 1439.", "quiet_from_minute")
    if quiet[0] is not None and quiet[0] == quiet[1]:
        raise ChannelRefused("Quiet hours do not end when they begin.", "quiet_to_minute")
    if habits.time_zone not in available_timezones():
        raise ChannelRefused("There is no such time zone. Use one like Europe/Berlin.", "time_zone")
    if habits.report_at_minute is not None and not 0 <= habits.report_at_minute < MINUTES_OF_A_DAY:
        raise ChannelRefused("A day has the minutes 0 to 1439.", "report_at_minute")
    if not 1 <= habits.digest_after <= 1000:
        raise ChannelRefused("Give a number from 1 to 1000.", "digest_after")
    if not 1 <= habits.digest_seconds <= 86_400:
        raise ChannelRefused("Give 1 to 86,400 seconds.", "digest_seconds")


@one_transaction
def remove_channel(channel: Channel) -> None:
    """With its rules, and the record of what went out by it."""
    trail.tell(Verb.REMOVE, _about(channel), old=trail.values_of(channel, *_TOLD))
    channel.delete()


# What concerns the whole of vmrep, and no vCenter; what concerns no single VM.
_OF_VMREP = frozenset(
    {
        OccurrenceKind.WORKER_DEAD,
        OccurrenceKind.BEAT_DEAD,
        OccurrenceKind.TICK_LATE,
        OccurrenceKind.REDIS_DEAD,
        OccurrenceKind.REPOSITORY_AWAY,
        OccurrenceKind.SPACE_SHORT,
    }
)
_OF_NO_VM = _OF_VMREP | {
    OccurrenceKind.VCENTER_AWAY,
    OccurrenceKind.TROUBLE_OVER,
    OccurrenceKind.GROUP_FAILED,
    OccurrenceKind.GROUP_APART,
    OccurrenceKind.GROUP_RECOVERED,
}
_NEVER_ABOUT: dict[str, frozenset[str]] = {
    RuleScope.VCENTER: _OF_VMREP,
    RuleScope.POLICY: _OF_NO_VM,
    RuleScope.VM: _OF_NO_VM,
}
_SUBJECTS: dict[str, str] = {
    RuleScope.VCENTER: "one vCenter",
    RuleScope.POLICY: "the VMs of one policy",
    RuleScope.VM: "one VM",
}


@one_transaction
def save_rule(
    channel: Channel,
    kinds: Collection[str],
    *,
    rule: Rule | None = None,
    vcenter: VCenter | None = None,
    policy: Policy | None = None,
    vm_context: VMContext | None = None,
    even_when_quiet: bool = False,
    enabled: bool = True,
) -> Rule:
    """Of which occurrences the channel tells: of these kinds (none: of every kind), of everything,
    of a vCenter and its VMs, of the VMs of a policy, or of one VM. Raises ChannelRefused."""
    unknown = sorted(set(kinds) - set(OccurrenceKind.values))
    if unknown:
        raise ChannelRefused(f"There is no kind {unknown[0]}.", "kinds")
    about = {RuleScope.VCENTER: vcenter, RuleScope.POLICY: policy, RuleScope.VM: vm_context}
    scopes = [scope for scope, row in about.items() if row is not None]
    if len(scopes) > 1:
        raise ChannelRefused("A rule is about one vCenter, one policy or one VM.", "vm_context")
    never = sorted(set(kinds) & _NEVER_ABOUT.get(scopes[0], frozenset()) if scopes else ())
    if never:
        labels = ", ".join(OccurrenceKind(kind).label for kind in never)
        raise ChannelRefused(
            f"A rule about {_SUBJECTS[scopes[0]]} would never tell of: {labels}. Make another rule"
            " for that, about everything.",
            "kinds",
        )
    if policy is not None and policy.name is None:
        raise ChannelRefused("A rule is about a policy with a name.", "policy")
    former = _said(rule) if rule else {}
    rule = rule or Rule()
    rule.channel, rule.vcenter, rule.policy, rule.vm_context = channel, vcenter, policy, vm_context
    rule.scope = scopes[0] if scopes else RuleScope.ALL
    rule.even_when_quiet, rule.enabled = even_when_quiet, enabled
    rule.save()
    rule.kinds.exclude(kind__in=kinds).delete()
    known = set(rule.kinds.values_list("kind", flat=True))
    RuleKind.objects.bulk_create(RuleKind(rule=rule, kind=kind) for kind in set(kinds) - known)
    old, new = trail.changes(former, _said(rule))
    trail.tell(Verb.CHANGE if former else Verb.ADD, _about_rule(rule), old=old, new=new)
    return rule


@one_transaction
def remove_rule(rule: Rule) -> None:
    trail.tell(Verb.REMOVE, _about_rule(rule), old=_said(rule))
    rule.delete()


def _about_rule(rule: Rule) -> trail.Subject:
    name = f"Rule of {rule.channel.name}"
    return trail.subject(Kind.RULE, rule.pk, name, vm=rule.vm_context, vcenter_id=rule.vcenter_id)


def _said(rule: Rule) -> dict[str, object]:
    about = rule.vcenter or rule.policy or rule.vm_context
    return {
        "channel": rule.channel.name,
        "kinds": sorted(rule.kinds.values_list("kind", flat=True)),
        "about": str(about) if about else "everything",
        "even_when_quiet": rule.even_when_quiet,
        "enabled": rule.enabled,
    }


def test(channel: Channel) -> Delivery:
    """Send something now, whatever the hour, and keep what came of it. Never repeated."""
    now = database_now()
    delivery = Delivery(
        channel=channel, purpose=Purpose.TEST, is_urgent=True, attempts=1, next_attempt_at=now
    )
    try:
        told = message.of_test(delivery)
        answer = channels.send(channel.kind, config_of(channel), told, seconds=TEST_SECONDS)
    except (NotDelivered, SecretUnreadable) as problem:
        delivery.state, delivery.answer = DeliveryState.GIVEN_UP, storable(str(problem))
        Channel.objects.filter(pk=channel.pk).update(last_problem=delivery.answer)
    else:
        delivery.state, delivery.answer, delivery.sent_at = DeliveryState.SENT, answer, now
        Channel.objects.filter(pk=channel.pk).update(last_ok_at=Now(), last_problem="")
    _keep_test(channel, delivery)
    return delivery


@one_transaction
def _keep_test(channel: Channel, delivery: Delivery) -> None:
    delivery.save()
    if delivery.state == DeliveryState.SENT:
        trail.tell(Verb.TEST, _about(channel))
        return
    why = {"why": delivery.answer}
    trail.tell(Verb.TEST, _about(channel), new=why, outcome=Outcome.FAILED)
