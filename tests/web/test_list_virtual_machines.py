"""The table of VMs: what it shows, searches, filters, sorts and pages."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from contexts.models import VMContext
from replication.models import RecoveryPoint
from replication.selectors import protection
from replication.selectors.contexts import contexts_for_list
from replication.selectors.protection import Protection, facts_of, state_of
from tests import factories
from tests.web.conftest import HTMX, text

PAGE = "/virtual-machines/"


def names(answer) -> list[str]:
    return re.findall(r'data-open-link [^>]*title="([^"]*)"', text(answer))


def test_it_is_a_whole_page(web):
    factories.context("pgtest1")
    page = text(web.get(PAGE))
    assert page.startswith("<!doctype html>")
    assert "pgtest1" in page


def test_for_htmx_it_is_the_live_part_alone(web):
    factories.context("pgtest1")
    part = text(web.get(PAGE, headers=HTMX))
    assert "<html" not in part
    assert 'id="live"' in part
    assert "pgtest1" in part


def test_going_back_in_the_history_gets_the_whole_page(web):
    headers = {**HTMX, "HX-History-Restore-Request": "true"}
    assert text(web.get(PAGE, headers=headers)).startswith("<!doctype html>")


def test_a_hostile_name_is_written_as_text(web):
    context = factories.context(factories.HOSTILE_NAME)
    for address in (PAGE, f"{PAGE}?vm={context.pk}", f"{PAGE}?vm={context.pk}&tab=jobs"):
        page = text(web.get(address))
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;/../x" in page


@pytest.mark.django_db
@pytest.mark.any_database
def test_a_search_has_few_words(web):
    """The database looks for each in all texts of all VMs: a hundred would be a load."""
    factories.context("a b c d e f g h i j")
    ten = "j i h g f e d c b a a a"
    assert names(web.get(PAGE, {"search": ten})) == ["a b c d e f g h i j"]
    answer = web.get(PAGE, {"search": f"{ten} k"})
    assert "Search for at most 10 words." in text(answer)
    assert names(answer) == []
    answer = web.get("/api/v1/vm-contexts/", {"search": f"{ten} k"})
    assert (answer.status_code, answer.json()["errors"]["search"]) == (
        400,
        ["Search for at most 10 words."],
    )


def test_a_search_is_written_back_as_text(web):
    factories.context()
    page = text(web.get(PAGE, {"search": '"><script>alert(2)</script>'}))
    assert "<script>alert(2)" not in page
    assert "&quot;&gt;&lt;script&gt;alert(2)" in page


def test_what_is_unknown_is_called_unknown(web):
    factories.context("pgtest1", os_type=None, power_state=None)
    row = re.search(r'<tr id="row-.*?</tr>', text(web.get(PAGE)), re.DOTALL)
    assert row
    assert row[0].count('<span class="unknown">unknown</span>') == 2


def test_it_finds_a_name_whatever_its_unicode_form(web):
    """ "ü" is one character or two, also both in one name; in a browser it is mostly one."""
    for name in ("Bu\u0308ro-1", "B\xfcro-2", "B\xfcro-Ko\u0308ln-3", "Buro-4", "vi\u1ec7t-5"):
        factories.context(vm_name=name)
    assert len(names(web.get(PAGE, {"search": "b\xfcro"}))) == 3
    assert len(names(web.get(PAGE, {"search": "bu\u0308ro"}))) == 3
    assert names(web.get(PAGE, {"search": "B\xdcRO- k\xf6LN"})) == ["B\xfcro-Ko\u0308ln-3"]
    assert names(web.get(PAGE, {"search": "vie\u0323\u0302t"})) == ["vi\u1ec7t-5"]
    assert names(web.get(PAGE, {"search": "\xfc.*("})) == []


def test_it_searches_every_word(web):
    factories.context("pgtest1", guest_hostname="db.example.org")
    factories.context("pgtest2")
    assert names(web.get(PAGE, {"search": "pgtest db.example"})) == ["pgtest1"]


def test_nothing_found_says_so_and_leads_back(web):
    factories.context()
    page = text(web.get(PAGE, {"search": "nothing like this"}))
    assert "No VM matches" in page
    assert f'href="{PAGE}"' in page


def test_counts_are_filters(web):
    factories.context("new")
    factories.completed_job(factories.context("copied"))
    page = text(web.get(PAGE))
    assert 'href="/virtual-machines/?status=ready_for_failover"' in page
    assert names(web.get(PAGE, {"status": "ready_for_failover"})) == ["copied"]
    assert names(web.get(PAGE, {"status": ["ready_for_failover", "discovered"]})) == [
        "copied",
        "new",
    ]


def test_it_filters_by_vcenter_and_rpo(web):
    vcenter = factories.vcenter()
    factories.context("here", at=vcenter)
    factories.completed_job(factories.context("there"))
    assert names(web.get(PAGE, {"vcenter": vcenter.pk})) == ["here"]
    assert names(web.get(PAGE, {"protection": "no_target"})) == ["there"]


@pytest.mark.parametrize(
    "query", [{"vcenter": "x"}, {"status": "x"}, {"page": "x"}, {"page": "99"}, {"sort": "x"}]
)
def test_a_broken_query_string_is_no_error(web, query):
    factories.context("pgtest1")
    assert web.get(PAGE, query).status_code == 200


def test_it_sorts_with_unknown_values_last(web):
    factories.context("b", os_type="Debian")
    factories.context("a", os_type=None)
    factories.context("c", os_type="CentOS")
    assert names(web.get(PAGE)) == ["a", "b", "c"]
    assert names(web.get(PAGE, {"sort": "-name"})) == ["c", "b", "a"]
    assert names(web.get(PAGE, {"sort": "os"})) == ["c", "b", "a"]
    assert names(web.get(PAGE, {"sort": "-os"})) == ["b", "c", "a"]


def test_the_smallest_rpo_is_the_newest_recovery_point(web):
    now = timezone.now()
    factories.recovery_point(factories.context("old"), now - timedelta(hours=3))
    factories.recovery_point(factories.context("new"), now - timedelta(minutes=2))
    factories.context("none")
    assert names(web.get(PAGE, {"sort": "rpo"})) == ["new", "old", "none"]
    assert names(web.get(PAGE, {"sort": "-rpo"})) == ["old", "new", "none"]


def test_an_rpo_over_its_target_is_marked(web):
    context = factories.context("late")
    factories.recovery_point(context, timezone.now() - timedelta(hours=3))
    VMContext.objects.update(rpo_target_seconds=3600)
    page = text(web.get(PAGE))
    assert "Over by 2 h" in page
    assert "RPO target: 1 h" in page
    assert ">3 h</time>" in page


def test_only_a_list_that_nothing_filters_is_lit_as_all(web):
    factories.recovery_point(factories.context("there"))
    lit = r'<a class="chip"[^>]*aria-current="true"[^>]*>\s*<strong>1</strong> VM</a>'
    assert re.search(lit, text(web.get(PAGE)))
    assert re.search(lit, text(web.get(PAGE, {"sort": "rpo", "protection": ""})))
    for query in ({"protection": "no_target"}, {"search": "x"}, {"os": "x"}, {"status": "failed"}):
        page = text(web.get(PAGE, query))
        assert not re.search(lit, page), query
        assert re.search(r'<a class="chip" href="/virtual-machines/"', page), "all of them"


STATES = ("protected", "over_target", "no_target", "broken", "unprotected")


def test_table_panel_counts_filter_and_api_say_the_same_of_every_state(web):
    """One VM in each state."""
    hour_ago = timezone.now() - timedelta(hours=1)
    vms = {state: factories.context(state) for state in STATES}
    for state in STATES[:-1]:
        factories.recovery_point(vms[state], hour_ago)
        target = {"protected": 7200, "over_target": 1800}.get(state)
        VMContext.objects.filter(pk=vms[state].pk).update(rpo_target_seconds=target)
    RecoveryPoint.objects.filter(vm_context=vms["broken"]).update(
        damaged_at=timezone.now(), damage="The file of its disk is missing."
    )
    words = {state: Protection(state).label for state in STATES}
    page = text(web.get(PAGE))
    program = web.get("/api/v1/vm-contexts/").json()["results"]
    assert {row["vm_name"]: row["protection"] for row in program} == {s: s for s in STATES}
    for state, vm in vms.items():
        told = r"Over by 30 m( \d+ s)?" if state == "over_target" else words[state]
        row = page.partition(f'id="row-{vm.pk}"')[2].partition("</tr>")[0]
        assert re.search(f"<span>{told}</span>", row)
        panel = text(web.get(PAGE, {"vm": vm.pk})).partition('id="panel"')[2]
        assert re.search(f"<span>{told}</span>", panel)
        assert names(web.get(PAGE, {"protection": state})) == [state]
        label = f'<span class="home-label">{words[state]}</span>'
        assert re.search(rf"{label}\s*<span class=\"home-value\">.*</span>\s*1</span>", page), state
    broken = text(web.get(PAGE, {"vm": vms["broken"].pk}))
    assert "The file of its disk is missing." in broken
    assert "Copy in full into a new chain" in broken


def test_the_button_of_a_broken_vm_asks_for_a_full_copy(web, tmp_path):
    vm = factories.context("broken", keep_in=factories.repository(path=tmp_path))
    factories.recovery_point(vm)
    RecoveryPoint.objects.update(damaged_at=timezone.now(), damage="x")
    web.post(f"/virtual-machines/{vm.pk}/sync/", {"requested_sync": "initial"})
    assert vm.jobs.get(status="pending").requested_sync == "initial"


def test_it_turns_red_by_the_clock_with_nobody_at_work(web):
    """No worker, no write: only time passes."""
    vm = factories.context("web")
    VMContext.objects.update(rpo_target_seconds=3600)
    factories.recovery_point(vm, timezone.now() - timedelta(minutes=59))
    terms = protection.terms(timezone.now())
    assert state_of(facts_of(VMContext.objects.get()), terms) == "protected"
    later = terms._replace(now=terms.now + timedelta(minutes=2))
    assert names(web.get(PAGE, {"protection": "protected"})) == ["web"]
    assert contexts_for_list(later).get().protection == "over_target"


def test_it_pages_without_repeating_a_row(web):
    factories.contexts(["same-name"] * 52)
    shown = [
        set(re.findall(r'<tr id="row-([^"]+)"', text(web.get(PAGE, {"page": page}))))
        for page in (1, 2)
    ]
    assert [len(page) for page in shown] == [50, 2]
    assert not shown[0] & shown[1]
    assert "1–50 of 52" in text(web.get(PAGE))


def test_links_keep_the_rest_of_the_view(web):
    factories.context("pgtest1")
    page = text(web.get(PAGE, {"search": "pg", "sort": "-name"}))
    assert "?search=pg&amp;sort=-name&amp;vm=ctx-pgtest1" in page
    assert '<input type="hidden" name="sort" value="-name">' in page


def test_an_unmanaged_vm_is_not_listed(web):
    factories.context("pgtest1")
    factories.context("gone")
    VMContext.objects.filter(vm_name="gone").update(unmanaged_at=timezone.now())
    assert names(web.get(PAGE)) == ["pgtest1"]


def test_without_a_vcenter_it_leads_to_adding_one(web):
    assert 'href="/vcenters/add/"' in text(web.get(PAGE))


def test_without_discovered_vms_it_leads_to_the_discovery(web):
    factories.vcenter()
    assert "Discover VMs" in text(web.get(PAGE))


def test_without_managed_vms_it_leads_to_choosing_some(web):
    factories.discovered_vm()
    assert "Choose VMs" in text(web.get(PAGE))


def test_it_takes_no_post(web):
    assert web.post(PAGE).status_code == 405


def test_the_number_of_queries_does_not_grow_with_the_rows(web, queries):
    vcenter, repository = factories.vcenter(), factories.repository()

    def add(count: int) -> None:
        for _ in range(count):
            context = factories.context(at=vcenter, keep_in=repository)
            factories.completed_job(context)
            factories.running_job(context)

    add(1)
    web.get(PAGE)
    one = queries(lambda: web.get(PAGE))
    add(4)
    assert queries(lambda: web.get(PAGE)) == one
