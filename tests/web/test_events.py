"""What happened, across all VMs."""

from __future__ import annotations

import pytest
from django.utils import timezone

from contexts.models import ContextEvent
from contexts.services import statuses
from replication.models import Incident, Occurrence
from replication.services import occurrences
from replication.states import OccurrenceKind, TroubleKind
from tests import factories
from tests.web.test_polling import Poller
from vmrep import access

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
EVENTS, TOLD = "/events/", "/events/told/"


def page(web, address: str) -> str:
    return web.get(address).content.decode()


def test_an_empty_page_says_what_will_be_there(web):
    assert "Nothing has happened yet" in page(web, EVENTS)
    assert "Nothing to tell yet" in page(web, TOLD)


def test_events_are_found_by_vm_words_user_job_and_vcenter(web):
    one, other = factories.context("web-01"), factories.context("db-01")
    job = factories.failed_job(other, "The vCenter did not answer.")
    statuses.record_event(one.pk, why="RPO target set", actor="anna", job_id=None, new="1 h")
    for query, found in (
        (f"vm={one.pk}", "web-01"),
        ("search=anna", "web-01"),
        ("search=rpo+target", "web-01"),
        (f"search={job.pk}", "db-01"),
        (f"vcenter={other.vcenter_id}", "db-01"),
        ("search=db-0&period=hour", "db-01"),
    ):
        for address in (EVENTS,):
            shown = page(web, f"{address}?{query}")
            missing = {"web-01", "db-01"} - {found}
            assert f">{found}</a>" in shown, query
            assert f">{missing.pop()}</a>" not in shown, query
    assert f'href="/jobs/{job.pk}/"' in page(web, EVENTS)
    assert "Replicating → Failed" in page(web, EVENTS)
    told = page(web, f"{TOLD}?kind=job_failed&search=did+not+answer&vm={other.pk}")
    assert "The replication of db-01 failed: The vCenter did not answer." in told
    assert "No event" in page(web, f"{EVENTS}?search=nothing-like-this")


def test_a_vm_s_panel_leads_to_all_its_events(web):
    vm = factories.context("web-01")
    assert f'href="/events/?vm={vm.pk}"' in page(web, f"/virtual-machines/?vm={vm.pk}")


def test_both_lists_are_renewed(web):
    vm = factories.context("web-01")
    for address, change in (
        (EVENTS, lambda: statuses.record_event(vm.pk, why="seen", actor="x", job_id=None)),
        (TOLD, lambda: occurrences.tell(OccurrenceKind.BROKEN, "1", what="seen")),
    ):
        poller = Poller(web, address)
        assert poller.poll() == 204
        change()
        assert poller.poll() == 200
        assert "seen" in poller.part


def test_as_many_queries_with_many_rows(web, queries):
    def count(address: str) -> int:
        return queries(lambda: web.get(address))

    def add(number: int) -> None:
        vm = factories.context(f"vm-{number}")
        factories.failed_job(vm)
        occurrences.tell(OccurrenceKind.BROKEN, str(number), what="x", vcenter_id=vm.vcenter_id)

    add(0)
    one = [count(EVENTS), count(TOLD)]
    for number in range(1, 6):
        add(number)
    assert [count(EVENTS), count(TOLD)] == one
    assert ContextEvent.objects.count() > Occurrence.objects.count() > 5


def test_the_api_lists_the_same(web, client):
    key = factories.token(factories.user("program"))
    client.defaults["HTTP_AUTHORIZATION"] = f"Token {key}"
    vm = factories.context("web-01")
    job = factories.failed_job(vm, "The vCenter did not answer.")
    told = client.get("/api/v1/occurrences/?kind=job_failed").json()["results"]
    assert [(each["vm_name"], each["job_id"]) for each in told] == [("web-01", job.pk)]
    events = client.get(f"/api/v1/events/?vm={vm.pk}&search=did+not").json()["results"]
    assert [(each["context_id"], each["why"]) for each in events] == [
        (vm.pk, "The vCenter did not answer.")
    ]


def test_what_is_told_of_a_group_is_for_who_sees_its_whole_vcenter(db):
    """It names the group's VMs, which may be in several folders; also after the vCenter is gone."""
    vm, other = factories.context("web"), factories.vcenter("other")
    places = {"whole": (vm.vcenter, ""), "folder": (vm.vcenter, "/Lab/vm"), "other": (other, "")}
    users = {name: factories.user(name, role="viewer") for name in places}
    for name, place in places.items():
        factories.scope(users[name], *place)
    kinds = (OccurrenceKind.GROUP_APART, OccurrenceKind.TAKEN_BY_POLICY)
    for kind in kinds:
        occurrences.tell(kind, "7:1", what="web: away.", vcenter_id=vm.vcenter_id)
    occurrences.tell(OccurrenceKind.REDIS_DEAD, "1", what="Redis does not answer.")

    def seen() -> dict[str, int]:
        found = Occurrence.objects.all()
        return {
            name: access.rows(user, access.Verb.VIEW, found).count() for name, user in users.items()
        }

    assert seen() == {"whole": 3, "folder": 1, "other": 1}
    Occurrence.objects.update(vcenter=None)  # as when it is removed
    assert seen() == {"whole": 1, "folder": 1, "other": 1}


def test_that_a_removed_vcenter_answered_again_is_told_to_nobody_who_did_not_see_it(db):
    """What is left of it names it. That Redis was well again is everybody's."""
    vm, other = factories.context("web"), factories.vcenter("other")
    user = factories.user("vera", role="viewer")
    factories.scope(user, vm.vcenter)
    now = timezone.now()
    for kind, vcenter in ((TroubleKind.VCENTER, other), (TroubleKind.REDIS, None)):
        what = f"{vcenter or 'Redis'} does not answer."
        at = {"began_at": now, "ended_at": now, "what": what, "vcenter": vcenter}
        incident = Incident.objects.create(kind=kind, subject=str(vcenter), **at)
        occurrences.tell(
            OccurrenceKind.TROUBLE_OVER,
            str(incident.pk),
            what=f"This is over: {what}",
            vcenter_id=vcenter and vcenter.pk,
        )

    def seen() -> list[str]:
        rows = access.rows(user, access.Verb.VIEW, Occurrence.objects.order_by("pk"))
        return list(rows.values_list("what", flat=True))

    assert seen() == ["This is over: Redis does not answer."]
    other.delete()
    assert seen() == ["This is over: Redis does not answer."]
    assert Occurrence.objects.count() == 2
