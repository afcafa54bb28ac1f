"""The trail, and its head: the newest row's number and digest."""

from __future__ import annotations

import json

from django.db import models
from django.db.models import Q

from contexts.chain import BEGINNING, DIGEST_LENGTH
from contexts.constraints import ColumnTypes
from contexts.trail import Kind, Outcome, Verb, Via

ONLY_ID = 1


class Event(models.Model):
    """One act. Nothing in it is a foreign key: it outlives whatever it names. `old` and `new` are
    JSON objects, as text, so that the digest is over what was written."""

    number = models.BigIntegerField(
        primary_key=True, help_text="From 1, without gaps, in the order of the commits."
    )
    at = models.DateTimeField(verbose_name="time")
    verb = models.CharField(max_length=32, verbose_name="act", help_text="One of `Verb`.")
    outcome = models.CharField(max_length=16, choices=Outcome.choices)
    actor = models.CharField(max_length=255)
    user_id = models.BigIntegerField(null=True, blank=True, verbose_name="user ID")
    via = models.CharField(max_length=16, choices=Via.choices)
    address = models.CharField(max_length=64, blank=True, default="")
    request_id = models.CharField(max_length=128, blank=True, default="", verbose_name="request ID")
    kind = models.CharField(
        max_length=32, verbose_name="kind of object", help_text="One of `Kind`."
    )
    object_id = models.CharField(max_length=255, verbose_name="ID of the object")
    object_name = models.CharField(max_length=255, blank=True, default="")
    vm_context_id = models.CharField(max_length=120, blank=True, default="", verbose_name="VM")
    vcenter_id = models.BigIntegerField(null=True, blank=True, verbose_name="vCenter")
    folder = models.TextField(blank=True, default="")
    job_id = models.CharField(max_length=64, blank=True, default="", verbose_name="job")
    old = models.TextField(default="{}", verbose_name="old values")
    new = models.TextField(default="{}", verbose_name="new values")
    previous_digest = models.CharField(max_length=DIGEST_LENGTH)
    digest = models.CharField(
        max_length=DIGEST_LENGTH,
        help_text="SHA-256 of the previous digest and of all that is told.",
    )
    seal = models.CharField(
        max_length=DIGEST_LENGTH,
        help_text="HMAC-SHA-256 of the digest: nobody makes it without a key of this installation.",
    )

    class Meta:
        db_table = "audit_events"
        ordering = ["-number"]
        verbose_name = "audit event"
        constraints = [
            ColumnTypes(name="audit_event_column_types"),
            models.CheckConstraint(
                condition=~Q(actor="") & ~Q(verb="") & ~Q(kind=""),
                name="audit_event_says_who_and_what",
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=Outcome.values), name="audit_event_outcome_known"
            ),
            models.CheckConstraint(condition=Q(via__in=Via.values), name="audit_event_via_known"),
            models.UniqueConstraint(fields=["previous_digest"], name="audit_event_followed_by_one"),
        ]
        indexes = [
            models.Index(fields=["at"], name="audit_by_time"),
            models.Index(fields=["actor", "-number"], name="audit_by_actor"),
            models.Index(fields=["kind", "object_id", "-number"], name="audit_by_object"),
            models.Index(fields=["verb", "-number"], name="audit_by_verb"),
            models.Index(fields=["via", "-number"], name="audit_by_via"),
            models.Index(fields=["vcenter_id", "-number"], name="audit_by_vcenter"),
            models.Index(
                fields=["vm_context_id", "-number"],
                name="audit_by_vm",
                condition=~Q(vm_context_id=""),
            ),
            models.Index(
                fields=["outcome", "-number"],
                name="audit_not_done",
                condition=~Q(outcome=Outcome.DONE),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.actor} {self.verb_label.lower()} {self.object_name}"

    @property
    def changes(self) -> list[tuple[str, object, object]]:
        """By name: what was there before, and what is there now."""
        old, new = self.old_values, self.new_values
        return [(name, old.get(name), new.get(name)) for name in {**old, **new}]

    @property
    def verb_label(self) -> str:
        return _label(Verb, self.verb)

    @property
    def kind_label(self) -> str:
        return _label(Kind, self.kind)

    @property
    def old_values(self) -> dict[str, object]:
        values: dict[str, object] = json.loads(self.old)
        return values

    @property
    def new_values(self) -> dict[str, object]:
        values: dict[str, object] = json.loads(self.new)
        return values


_LABELS: dict[type[models.TextChoices], dict[str, str]] = {
    words: {str(value): str(label) for value, label in words.choices} for words in (Verb, Kind)
}


def _label(words: type[models.TextChoices], value: str) -> str:
    """Also of a word that a later version has written."""
    return _LABELS[words].get(value, value)


class Head(models.Model):
    """The one row that every writer locks: the newest event, and up to which one the oldest were
    pruned. The database moves it with each event, and refuses an event that does not follow it."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY_ID)
    number = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=DIGEST_LENGTH, default=BEGINNING)
    pruned_through = models.BigIntegerField(
        default=0, help_text="The events up to this one were exported and removed."
    )
    pruned_digest = models.CharField(
        max_length=DIGEST_LENGTH, default=BEGINNING, help_text="The digest of the last of them."
    )

    class Meta:
        db_table = "audit_head"
        verbose_name = "head of the audit trail"
        constraints = [
            ColumnTypes(name="audit_head_column_types"),
            models.CheckConstraint(condition=Q(id=ONLY_ID), name="audit_head_only_one"),
        ]

    def __str__(self) -> str:
        return f"event {self.number}"
