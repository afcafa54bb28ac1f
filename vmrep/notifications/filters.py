"""How deliveries are found: for page and API alike."""

from __future__ import annotations

import django_filters

from vmrep.notifications.models import Channel, Delivery
from vmrep.notifications.states import DeliveryState, Purpose


class DeliveryFilter(django_filters.FilterSet):
    channel = django_filters.ModelChoiceFilter(queryset=Channel.objects.all())
    state = django_filters.ChoiceFilter(choices=DeliveryState.choices)
    purpose = django_filters.ChoiceFilter(choices=Purpose.choices)

    class Meta:
        model = Delivery
        fields = ("channel", "state", "purpose")
