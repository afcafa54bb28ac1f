"""What is told, by which channels, and what went out. Nothing is changed here: pages and API go
through the services, which encrypt what is secret."""

from __future__ import annotations

from django.contrib import admin

from replication.models import Occurrence
from vmrep.notifications.models import Channel, Delivery, Rule
from vmrep.web.admin.base import KeptByVmrep

OF_VM = ("vm_context__vm_name", "vm_context__pk")


@admin.register(Occurrence)
class OccurrenceAdmin(KeptByVmrep):
    list_display = ("kind", "what", "vm_context", "vcenter", "at", "fanned_out_at")
    list_filter = ("kind",)
    list_select_related = ("vm_context", "vcenter")
    search_fields = ("key", "what", *OF_VM)


@admin.register(Channel)
class ChannelAdmin(KeptByVmrep):
    hidden = ("config_encrypted",)
    list_display = ("name", "kind", "address_shown", "enabled", "last_ok_at", "last_problem")
    list_filter = ("kind", "enabled")
    search_fields = ("name", "address_shown")


@admin.register(Rule)
class RuleAdmin(KeptByVmrep):
    list_display = (
        *("channel", "scope", "vcenter", "policy", "vm_context"),
        *("even_when_quiet", "enabled"),
    )
    list_filter = ("scope", "enabled")
    list_select_related = ("channel", "vcenter", "policy", "vm_context")
    search_fields = ("channel__name", *OF_VM)


@admin.register(Delivery)
class DeliveryAdmin(KeptByVmrep):
    list_display = ("channel", "purpose", "occurrence", "state", "attempts", "sent_at", "answer")
    list_filter = ("state", "purpose")
    list_select_related = ("channel", "occurrence")
    search_fields = ("message_id", "answer", "occurrence__what")
