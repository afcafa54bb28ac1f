"""What pages and API show."""

from __future__ import annotations

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from vmrep.notifications.models import Channel, Delivery, Rule
from vmrep.notifications.states import OPEN_STATES


def channels_for_list() -> QuerySet[Channel]:
    """With `rule_count` and `open_count`, what waits."""
    rules = Rule.objects.filter(channel=OuterRef("pk")).order_by().values("channel")
    open_ones = Delivery.objects.filter(channel=OuterRef("pk"), state__in=OPEN_STATES)
    return Channel.objects.annotate(
        rule_count=Coalesce(Subquery(rules.annotate(n=Count("pk")).values("n")), 0),
        open_count=Coalesce(
            Subquery(open_ones.order_by().values("channel").annotate(n=Count("pk")).values("n")), 0
        ),
    ).order_by("name")


def rules_for_list() -> QuerySet[Rule]:
    return Rule.objects.select_related(
        "channel", "vcenter", "policy", "vm_context__vcenter"
    ).prefetch_related("kinds")


def deliveries_for_list() -> QuerySet[Delivery]:
    """The newest first; with `member_count`, what a digest tells of."""
    members = Delivery.objects.filter(digest=OuterRef("pk")).order_by().values("digest")
    return Delivery.objects.select_related("channel", "occurrence__vm_context").annotate(
        member_count=Coalesce(Subquery(members.annotate(n=Count("pk")).values("n")), 0)
    )
