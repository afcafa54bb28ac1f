"""How deliveries are found: for page and API alike."""

from __future__ import annotations

import django_filters

from contexts.filters import Choices, Filters, Search
from vmrep.notifications.models import Channel, Delivery, Rule
from vmrep.notifications.states import ChannelKind, DeliveryState, Purpose


class ChannelFilter(Filters):
    search = Search(texts=("name", "address_shown"), identifiers=())
    kind = Choices(choices=ChannelKind.choices)
    enabled = django_filters.BooleanFilter()

    class Meta:
        model = Channel
        fields: list[str] = []


class RuleFilter(Filters):
    channel = django_filters.ModelChoiceFilter(queryset=Channel.objects.all())
    enabled = django_filters.BooleanFilter()

    class Meta:
        model = Rule
        fields: list[str] = []


class DeliveryFilter(django_filters.FilterSet):
    channel = django_filters.ModelChoiceFilter(queryset=Channel.objects.all())
    state = django_filters.ChoiceFilter(choices=DeliveryState.choices)
    purpose = django_filters.ChoiceFilter(choices=Purpose.choices)

    class Meta:
        model = Delivery
        fields = ("channel", "state", "purpose")
