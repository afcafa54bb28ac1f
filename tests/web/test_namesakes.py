"""VMs of one name can be told apart on every page that shows them side by side."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from contexts.models import VMContext
from contexts.services import management
from replication.integrity import runs
from replication.integrity.findings import Scope
from replication.models import BulkAction, ProtectionSpell
from replication.policies import services as policies
from replication.services import bulk_acts, occurrences, pauses
from replication.services.pauses import Subject
from replication.states import BulkKind, OccurrenceKind, PauseKind, Trigger
from tests import factories
from tests.web.conftest import text
from tests.web.test_notifications import hook
from vmrep.notifications import services as notifications

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
Pages = dict[str, str]


def prepared(vms: list[VMContext], repository: factories.RepositoryModel) -> Pages:
    """What happened to each of these VMs, and where it is shown."""
    now = timezone.now()
    channel = hook("hook")
    for vm in vms:
        factories.completed_job(vm)
        factories.failed_job(vm)
        occurrences.tell(OccurrenceKind.BROKEN, vm.pk, what="It broke.", context_id=vm.pk)
        pauses.pause(Subject(PauseKind.VM, vm_context=vm), until=None, reason="", actor="ops")
        notifications.save_rule(channel, [OccurrenceKind.BROKEN], vm_context=vm)
        ProtectionSpell.objects.create(
            vm_context=vm, state="broken", began_at=now - timedelta(seconds=2), target_seconds=3600
        )
    group = factories.group("shop", *vms)
    rows = VMContext.objects.filter(pk__in=[vm.pk for vm in vms])
    bulk_acts.ask(
        BulkKind.PAUSE,
        rows,
        bulk_acts.Arguments(until=None, reason=""),
        trigger=Trigger.MANUAL,
        actor="ops",
    )
    gold = policies.add("Gold", policies.target(900), actor="ops")
    for vm in vms:
        policies.assign(gold, policies.Where("vm", vm_context=vm), actor="ops")
    asked = "&".join(f"vm={vm.pk}" for vm in vms)
    return {
        "table": "/virtual-machines/",
        "jobs": "/jobs/",
        "events": "/events/",
        "told": "/events/told/",
        "bulk action": f"/bulk/{BulkAction.objects.get().pk}/",
        "bulk question": f"/bulk/ask/?kind=pause&{asked}",
        "pauses": "/pauses/",
        "rules": "/notifications/",
        "group": f"/groups/{group.pk}/",
        "repository": f"/repositories/{repository.pk}/",
        "report": "/report/",
        "policies": "/policies/",
        "policy": f"/policies/{gold.pk}/",
    }


@pytest.fixture
def shown(web: Client, tmp_path) -> Callable[[str, str], Pages]:
    def show(*names: str) -> Pages:
        keep_in = factories.repository(path=tmp_path)
        at = factories.vcenter("frankfurt")
        vms = []
        for number, name in enumerate(names):
            vm = factories.context(
                name, at=at, keep_in=keep_in, vm_path=f"/Bonn/vm/<i>{number}/{name}"
            )
            vms.append(vm)
        pages = prepared(vms, keep_in)
        return {name: text(web.get(address)) for name, address in pages.items()}

    return show


def test_names_that_repeat_come_with_what_differs(shown):
    for name, page in shown("web", "web").items():
        for number in (0, 1):
            assert f"Bonn / &lt;i&gt;{number}" in page, (name, number)
        assert "<i>0" not in page, name


def test_names_that_do_not_repeat_stand_alone(shown):
    for name, page in shown("web", "db").items():
        seen = re.sub(r'title="[^"]*"', "", page)
        assert name == "table" or "Bonn / " not in seen, name


def test_every_link_to_a_vm_says_where_it_is(shown):
    pages = shown("web", "db")
    for name in ("events", "told", "bulk action", "report", "group"):
        assert 'title="/Bonn/vm/&lt;i&gt;0/web, frankfurt – ctx-' in pages[name], name


def test_removed_vms_and_findings(web):
    at = factories.vcenter("frankfurt")
    twins = [factories.context("web", at=at, vm_path=f"/Bonn/vm/{it}/web") for it in "ab"]
    VMContext.objects.update(failed_jobs=0, total_jobs_run=0)
    for vm in twins:
        factories.failed_job(vm)
    VMContext.objects.update(failed_jobs=0, total_jobs_run=0)
    runs.run_now(Scope(), actor="schedule")
    page = text(web.get("/integrity/"))
    assert "Bonn / a" in page
    assert "Bonn / b" in page
    for vm in twins:
        management.release(VMContext.objects.get(pk=vm.pk), actor="ops")
    page = text(web.get("/virtual-machines/removed/"))
    assert "Bonn / a" in page
    assert "Bonn / b" in page
