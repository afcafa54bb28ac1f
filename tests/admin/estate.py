"""Rows of every model that the admin shows, and the addresses of its pages."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.contrib import admin as django_admin
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone

from contexts.models import VCenter
from replication.models import (
    BandwidthWindow,
    IntegrityRun,
    Limit,
    Pause,
    Place,
    Policy,
    RecoveryPointHold,
    Repository,
)
from replication.policies import services, settle
from replication.scheduler import dates
from replication.services import occurrences
from replication.states import OccurrenceKind
from tests import factories
from tests.factories import HOSTILE_NAME
from vmrep.notifications import services as notifications
from vmrep.notifications.fan_out import fan_out
from vmrep.notifications.models import Channel

MODELS: list[type[Model]] = [
    model
    for model in django_admin.site._registry
    if model._meta.app_label in ("contexts", "replication", "notifications")
]
HAND_MADE: list[type[Model]] = [VCenter, Repository, Policy]
KEPT = [model for model in MODELS if model not in HAND_MADE]


def name_of(model: type[Model]) -> str:
    return model.__name__


def address(model: type[Model], page: str, *args: Any) -> str:
    names = f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
    return reverse(names, args=args)


def grow(count: int = 1) -> None:
    """For each of `count` VMs with hostile texts: a row or more of every model."""
    for _ in range(count):
        vcenter = factories.vcenter(f"{HOSTILE_NAME} {VCenter.objects.count()}")
        context = factories.context(
            HOSTILE_NAME,
            at=vcenter,
            annotation=HOSTILE_NAME,
            networks=[factories.nic_record(network_name=HOSTILE_NAME)],
            disks=[factories.disk_record(label=HOSTILE_NAME)],
        )
        settle.settle([context.pk])
        dates.work_out([context.pk], timezone.now())
        Pause.objects.create(
            kind="vm", vm_context=context, reason=HOSTILE_NAME, paused_by=HOSTILE_NAME
        )
        services.add(f"{HOSTILE_NAME} {context.pk}"[:100], {}, actor="x")
        factories.discovery(vcenter, error_message=HOSTILE_NAME)
        factories.group_run(factories.group(f"{HOSTILE_NAME} {context.pk}"[:100], context), 0.0)
        factories.failed_job(context, HOSTILE_NAME)
        point = factories.recovery_point(context)
        RecoveryPointHold.objects.create(
            recovery_point=point,
            kind="pin",
            owner=HOSTILE_NAME,
            expires_at=timezone.now() + timedelta(days=1),
        )
        Place.objects.create(
            job=factories.running_job(context),
            **{"kind": "host_sessions", "resource": HOSTILE_NAME, "holder": "vm:1"},
            number=Place.objects.count() + 1,
            **{"token": uuid.uuid4(), "acquired_at": timezone.now(), "expires_at": timezone.now()},
        )
        Limit.objects.create(
            kind="datastore_snapshots",
            resource=f"{vcenter.pk}:{HOSTILE_NAME}",
            vcenter=vcenter,
            value=3,
            set_by=HOSTILE_NAME,
        )
        BandwidthWindow.objects.create(
            vcenter=vcenter, bytes_per_second=1 << 20, time_zone=HOSTILE_NAME, set_by=HOSTILE_NAME
        )
        run = IntegrityRun.objects.create(
            requested_by=HOSTILE_NAME, outcome="findings", completed_at=timezone.now()
        )
        run.findings.create(
            code="counters_differ",
            severity="error",
            vm_name=HOSTILE_NAME,
            what=HOSTILE_NAME,
            remedy=HOSTILE_NAME,
            repairable=True,
        )
        settings = {"url": "https://hooks.example.org/", "secret": f"whsec_{'a' * 40}"}
        name = f"{HOSTILE_NAME} {Channel.objects.count()}"
        notifications.save_rule(notifications.add_channel(name, "webhook", settings), [])
        occurrences.tell(OccurrenceKind.BROKEN, name, what=HOSTILE_NAME, context_id=context.pk)
        fan_out()
