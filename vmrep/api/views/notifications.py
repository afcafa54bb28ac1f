"""Telling people: channels, rules, and what went out."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from vmrep import access
from vmrep.access import Verb
from vmrep.api.bodies import ChangedChannel, ChangedRule, NewChannel, NewRule, Nothing, read
from vmrep.api.etags import if_unchanged
from vmrep.api.lists import Listing, by_name, require_known
from vmrep.api.schema.operations import described, described_list
from vmrep.api.serializers.notifications import (
    ChannelSerializer,
    DeliverySerializer,
    RuleSerializer,
)
from vmrep.api.views.base import View, see
from vmrep.notifications import services
from vmrep.notifications.filters import ChannelFilter, DeliveryFilter, RuleFilter
from vmrep.notifications.models import Channel, Rule
from vmrep.notifications.selectors import (
    channels_for_list,
    deliveries_for_list,
    rules_for_list,
)
from vmrep.notifications.services import Habits

CHANNEL_EDITED = (
    *("name", "address_shown", "enabled", "quiet_from_minute", "quiet_to_minute", "time_zone"),
    *("digest_after", "digest_seconds", "report_at_minute"),
)
RULE_EDITED = (
    *("channel_id", "kinds", "vcenter_id", "policy_id", "context_id"),
    *("even_when_quiet", "enabled"),
)
CHANNELS = Listing(
    ChannelSerializer, ChannelFilter, by_name("id", "name", "kind", "enabled", "last_ok_at")
)
RULES = Listing(RuleSerializer, RuleFilter, by_name("id", "channel_id", "scope", "created_at"))
DELIVERIES = Listing(
    DeliverySerializer, DeliveryFilter, by_name("id", "state", "purpose", "created_at", "sent_at")
)


class ChannelList(View):
    """GET: all channels. POST: add one."""

    @described_list(CHANNELS)
    def get(self, request: Request) -> Response:
        rows = access.rows(request.user, Verb.VIEW, channels_for_list())
        return CHANNELS.answer(request, rows)

    @described(ChannelSerializer, status=201, body=NewChannel)
    def post(self, request: Request) -> Response:
        access.require(request.user, Verb.ADD, Channel)
        wanted = read(NewChannel, request.data)
        channel = services.add_channel(
            wanted.pop("name"), wanted.pop("kind"), wanted.pop("settings"), Habits(**wanted)
        )
        body = _channel(request, channel.pk)
        return see(request, body, status.HTTP_201_CREATED, "notification-channel", channel.pk)


class ChannelDetail(View):
    """GET: one channel. PATCH: change it. DELETE: remove it, with its rules and the record of what
    went out by it."""

    editable = CHANNEL_EDITED

    @described(ChannelSerializer)
    def get(self, request: Request, channel_id: int) -> Response:
        require_known(request, ())
        return Response(_channel(request, channel_id))

    @described(ChannelSerializer, body=ChangedChannel)
    @if_unchanged
    def patch(self, request: Request, channel_id: int) -> Response:
        require_known(request, ())
        channel = access.channel(request.user, channel_id, Verb.CHANGE)
        wanted = read(ChangedChannel, request.data)
        name, settings = wanted.pop("name", None), wanted.pop("settings", None)
        habits = services.habits_of(channel)._replace(**wanted) if wanted else None
        services.change_channel(channel, name=name, settings=settings, habits=habits)
        return Response(_channel(request, channel_id))

    @described(status=204)
    @if_unchanged
    def delete(self, request: Request, channel_id: int) -> Response:
        require_known(request, ())
        read(Nothing, request.data)
        services.remove_channel(access.channel(request.user, channel_id, Verb.REMOVE))
        return Response(status=status.HTTP_204_NO_CONTENT)


class ChannelTest(View):
    """POST: send something by it, and tell what the other side said."""

    @described(DeliverySerializer, body=Nothing)
    def post(self, request: Request, channel_id: int) -> Response:
        channel = access.channel(request.user, channel_id, Verb.TEST)
        read(Nothing, request.data)
        return Response(DeliverySerializer(services.test(channel)).data)


class RuleList(View):
    """GET: all rules. POST: add one."""

    @described_list(RULES)
    def get(self, request: Request) -> Response:
        rows = access.rows(request.user, Verb.VIEW, rules_for_list())
        return RULES.answer(request, rows)

    @described(RuleSerializer, status=201, body=NewRule)
    def post(self, request: Request) -> Response:
        access.require(request.user, Verb.ADD, Rule)
        rule = _save_rule(request, read(NewRule, request.data), None)
        body = RuleSerializer(rule).data
        return see(request, body, status.HTTP_201_CREATED, "notification-rule", rule.pk)


class RuleDetail(View):
    """GET: one rule. PATCH: change it. DELETE: remove it."""

    editable = RULE_EDITED

    @described(RuleSerializer)
    def get(self, request: Request, rule_id: int) -> Response:
        require_known(request, ())
        return Response(RuleSerializer(access.rule(request.user, rule_id, Verb.VIEW)).data)

    @described(RuleSerializer, body=ChangedRule)
    @if_unchanged
    def patch(self, request: Request, rule_id: int) -> Response:
        require_known(request, ())
        rule = access.rule(request.user, rule_id, Verb.CHANGE)
        wanted = read(ChangedRule, request.data)
        return Response(RuleSerializer(_save_rule(request, wanted, rule)).data)

    @described(status=204)
    @if_unchanged
    def delete(self, request: Request, rule_id: int) -> Response:
        require_known(request, ())
        read(Nothing, request.data)
        services.remove_rule(access.rule(request.user, rule_id, Verb.REMOVE))
        return Response(status=status.HTTP_204_NO_CONTENT)


class DeliveryList(View):
    """GET: what went out, or waits to, the newest first."""

    @described_list(DELIVERIES)
    def get(self, request: Request) -> Response:
        rows = access.rows(request.user, Verb.VIEW, deliveries_for_list())
        return DELIVERIES.answer(request, rows)


def _save_rule(request: Request, wanted: dict[str, Any], rule: Rule | None) -> Rule:
    """What is not given stays as the rule has it."""
    before: dict[str, Any] = {}
    if rule is not None:
        before = {
            "channel_id": rule.channel_id,
            "kinds": [each.kind for each in rule.kinds.all()],
            "vcenter_id": rule.vcenter_id,
            "policy_id": rule.policy_id,
            "context_id": rule.vm_context_id,
            "even_when_quiet": rule.even_when_quiet,
            "enabled": rule.enabled,
        }
    values = before | wanted
    vcenter_id, context_id = values.get("vcenter_id"), values.get("context_id")
    policy_id = values.get("policy_id")
    return services.save_rule(
        access.channel(request.user, values["channel_id"], Verb.CHANGE),
        values.get("kinds", []),
        rule=rule,
        vcenter=access.vcenter(request.user, vcenter_id, Verb.VIEW) if vcenter_id else None,
        policy=access.policy(request.user, policy_id, Verb.VIEW) if policy_id else None,
        vm_context=access.context(request.user, context_id, Verb.VIEW) if context_id else None,
        even_when_quiet=values.get("even_when_quiet", False),
        enabled=values.get("enabled", True),
    )


def _channel(request: Request, channel_id: int) -> Any:
    among: QuerySet[Channel] = channels_for_list()
    return ChannelSerializer(access.channel(request.user, channel_id, Verb.VIEW, among=among)).data
