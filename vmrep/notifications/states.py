"""Every state of this app."""

from __future__ import annotations

from django.db.models.enums import TextChoices


class ChannelKind(TextChoices):
    EMAIL = "email", "E-mail"
    WEBHOOK = "webhook", "Signed webhook"
    APPRISE = "apprise", "Chat or push service (apprise)"


class RuleScope(TextChoices):
    """Of which occurrences a rule tells."""

    ALL = "all", "Everything"
    VCENTER = "vcenter", "One vCenter and its VMs"
    POLICY = "policy", "The VMs of one policy"
    VM = "vm", "One VM"


class Purpose(TextChoices):
    """What a delivery tells of: one occurrence; several, which were gathered; a day; or nothing, to
    try the channel."""

    OCCURRENCE = "occurrence", "Occurrence"
    DIGEST = "digest", "Digest"
    REPORT = "report", "Daily report"
    TEST = "test", "Test"


class DeliveryState(TextChoices):
    WAITING = "waiting", "Waiting"
    HELD = "held", "Held until the quiet hours end"
    SENDING = "sending", "Being sent"
    SENT = "sent", "Sent"
    IN_DIGEST = "in_digest", "Told in a digest"
    GIVEN_UP = "given_up", "Given up"


DUE_STATES = (DeliveryState.WAITING.value, DeliveryState.HELD.value)
OPEN_STATES = (*DUE_STATES, DeliveryState.SENDING.value)
