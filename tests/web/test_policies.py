"""The pages of policies: what would change is shown before it is saved."""

from __future__ import annotations

import re

import pytest

from contexts.models import VMContext
from replication.models import Policy, PolicyScope
from replication.policies import services
from replication.policies.services import Where
from replication.policies.values import KEEP
from tests import factories
from tests.web.conftest import notices, text

EMPTY = dict.fromkeys(
    [
        *("rpo_kind", "target", "cron", "latest_start", "time_zone", "hours", "retention_kind"),
        *(
            *KEEP,
            "quiesce",
            "most_running",
            "give_up_after",
            "compare_every",
            "verify_every",
            "priority",
        ),
        *("repository", "previewed"),
    ],
    "",
)
TARGET = {"rpo_kind": "target", "rpo_target_seconds": 900}


@pytest.fixture
def vm(db) -> VMContext:
    return factories.context("db-01", vm_path="/Bonn/vm/Prod/db-01")


@pytest.fixture
def gold(vm) -> Policy:
    policy = services.add("Gold", TARGET, actor="x")
    services.assign(policy, Where("folder", vm.vcenter, "/Bonn/vm/Prod"), actor="x")
    return policy


def target(vm: VMContext) -> int | None:
    vm.refresh_from_db()
    return vm.rpo_target_seconds


def shown_digest(answer) -> str:
    return re.search(r'name="previewed" value="([0-9a-f]+)"', text(answer))[1]


def test_the_list_says_what_each_says_and_where(web, gold):
    page = text(web.get("/policies/"))
    assert "within 15 m" in page
    assert f"folder /Bonn/vm/Prod in {gold.scopes.get().vcenter.name}" in page
    assert "Default" in page
    assert "all VMs" in page


def test_a_policy_is_added_given_to_a_folder_and_removed(web, vm):
    values = EMPTY | {
        **{"name": "Nights", "rpo_kind": "calendar", "cron": "0 1 * * *", "latest_start": "2 h"},
        **{"hours": "mon-fri 22:00-06:00\nSat, Sun 0:00 to 24:00", "compare_every": "30 d"},
        **{"retention_kind": "rules", "keep_last": "3", "keep_daily": "7"},
    }
    answer = web.post("/policies/add/", values, follow=True)
    assert notices(answer) == ["Policy Nights was added. Now say where it applies."]
    policy = Policy.objects.get(name="Nights")
    assert (policy.latest_start_minutes, policy.compare_every_days) == (120, 30)
    assert list(policy.windows.values_list("days", flat=True)) == [31, 96]
    assert "Mon to Fri 22:00 to 06:00" in text(answer)

    here = f"/policies/{policy.pk}/"
    place = {"kind": "folder", "vcenter": vm.vcenter_id, "folder": "/Bonn/vm/Prod", "pattern": ""}
    assert '<option value="/Bonn/vm/Prod">' in text(web.get(f"{here}scopes/add/"))
    answer = web.post(f"{here}scopes/add/", place)
    assert "Something else would be in effect for 1 VM" in text(answer)
    assert target(vm) is None
    answer = web.post(f"{here}scopes/add/", place | {"confirmed": "1"}, follow=True)
    assert "Something else is in effect for 1 VM now." in notices(answer)[0]
    assert target(vm) == (24 + 2) * 3600

    assert "It still applies" in text(web.get(f"{here}remove/"))
    scope = f"{here}scopes/{policy.scopes.get().pk}/remove/"
    assert "would be in effect for 1 VM" in text(web.get(scope))
    web.post(scope)
    assert target(vm) is None
    answer = web.post(f"{here}remove/", follow=True)
    assert notices(answer)[-1] == "Policy Nights was removed."


def test_it_says_before_what_it_would_take_and_what_no_discovery_has_seen(web, gold):
    vcenter, repository = factories.vcenter("lab"), factories.repository("nvme-01")
    factories.repository("another")
    services.change(gold, {"repository_id": repository.pk}, actor="x")
    factories.discovered_vm("db <b>1", at=vcenter, vm_path="/Bonn/vm/Prod/db <b>1")
    factories.discovery(vcenter)
    here = f"/policies/{gold.pk}/scopes/add/"
    place = {"kind": "folder", "vcenter": vcenter.pk, "folder": "/Bonn/vm/Prdo", "takes_new": "on"}
    page = text(web.post(here, place))
    assert "No discovery has seen a VM in /Bonn/vm/Prdo" in page
    assert "Did you mean /Bonn/vm/Prod?" in page
    place["folder"] = "/Bonn/vm/Prod"
    page = text(web.post(here, place))
    assert "1 VM would be taken under management" in page
    assert "db &lt;b&gt;1" in page
    assert "to be copied into nvme-01" in page
    answer = web.post(here, place | {"confirmed": "1"}, follow=True)
    assert notices(answer)[0].endswith(
        "Nothing changed for the VMs under management. It begins to take VMs under management"
        " within seconds."
    )
    services.change(gold, {"repository_id": None}, actor="x")
    page = text(web.post(here, place | {"folder": "/Bonn/vm"}))
    assert "It would take no VM: it names no repository" in page


def test_what_would_change_is_shown_before_it_is_saved(web, vm, gold):
    factories.completed_job(vm)
    here = f"/policies/{gold.pk}/"
    changed = EMPTY | {"name": "Gold", "rpo_kind": "target", "target": "1h"}
    answer = web.post(here, changed)
    page = text(answer)
    assert "Something else would be in effect for 1 VM" in page
    assert "at least 4 an hour → 1 an hour" in page
    assert "within 15 m →" in page
    assert target(vm) == 900
    digest = shown_digest(answer)
    answer = web.post(here, changed | {"target": "2 h", "previewed": digest})
    assert "was saved" not in text(answer), "only what was shown is saved"
    assert target(vm) == 900
    answer = web.post(here, changed | {"previewed": digest}, follow=True)
    assert "Policy Gold was saved" in notices(answer)[0]
    assert target(vm) == 3600


def test_a_change_that_somebody_else_made_meanwhile_is_not_overwritten_without_a_word(web, gold):
    here = f"/policies/{gold.pk}/"

    def seen(page) -> str:
        return re.search(r'name="seen" value="([^"]+)"', text(page))[1]

    opened = seen(web.get(here))
    mine = EMPTY | {"name": "Gold", "rpo_kind": "target", "target": "1h", "seen": opened}
    digest = shown_digest(web.post(here, mine))
    services.change(gold, {"quiesce": "never"}, actor="somebody else")
    answer = web.post(here, mine | {"previewed": digest})
    assert answer.status_code == 409
    assert [(each.label, each.entered) for each in answer.context["form"].overtaken] == [
        ("Quiescing", "")
    ]
    gold.refresh_from_db()
    assert (gold.rpo_target_seconds, gold.quiesce) == (900, "never")
    # Whoever goes on sees what it changes, and saves it.
    mine["seen"] = seen(answer)
    digest = shown_digest(web.post(here, mine))
    assert "was saved" in notices(web.post(here, mine | {"previewed": digest}, follow=True))[0]
    gold.refresh_from_db()
    assert gold.rpo_target_seconds == 3600


@pytest.mark.parametrize(
    "given",
    [
        {"compare_every": "12 h"},  # which is not “never”
        {"compare_every": "36 h"},
        {"give_up_after": "30 s"},
        {"rpo_kind": "calendar", "cron": "0 1 * * *", "latest_start": "90 s"},
    ],
)
def test_what_is_kept_in_whole_units_is_not_rounded_in_silence(web, db, given):
    answer = web.post("/policies/add/", EMPTY | {"name": "Odd"} | given)
    assert "It must be a multiple of" in text(answer)
    assert not Policy.objects.filter(name="Odd").exists()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": ""}, "name"),
        ({"rpo_kind": "target", "target": "15"}, "target"),
        ({"rpo_kind": "target", "target": "30 s"}, "target"),
        ({"rpo_kind": "target"}, "target"),
        ({"rpo_kind": "calendar", "cron": "nightly"}, "cron"),
        ({"rpo_kind": "calendar", "cron": "0 1 * * *", "time_zone": "Nowhere"}, "time_zone"),
        ({"rpo_kind": "target", "target": "1 h", "hours": "at night"}, "hours"),
        ({"retention_kind": "rules"}, "retention_kind"),
        ({"retention_kind": "rules", "keep_last": "-1"}, "keep_last"),
        ({"most_running": "x"}, "most_running"),
        ({"repository": "999"}, "repository"),
        ({"quiesce": "x"}, "quiesce"),
    ],
)
def test_what_no_policy_can_say_is_shown_at_its_field(web, gold, values, field):
    for address in ("/policies/add/", f"/policies/{gold.pk}/"):
        answer = web.post(address, EMPTY | {"name": "New"} | values)
        assert answer.status_code == 200
        assert list(answer.context["form"].errors) == [field], address
        page = answer.content.decode()
        assert page.count('id="id_name"') == 1
        if "Where it applies" in page:  # what is to be mended comes first, not below the fold
            assert page.index('id="id_name"') < page.index("Where it applies")
    assert Policy.objects.count() == 2


def test_a_place_that_is_taken_or_none_is_shown_at_the_form(web, gold):
    address = f"/policies/{gold.pk}/scopes/add/"
    place = {"kind": "folder", "vcenter": "", "folder": "", "pattern": ""}
    assert "Say where" in text(web.post(address, place))
    scope = gold.scopes.get()
    taken = place | {"vcenter": scope.vcenter_id, "folder": scope.folder, "confirmed": "1"}
    assert "Gold applies there already" in text(web.post(address, taken))
    default = PolicyScope.objects.get(kind="installation")
    answer = web.post(f"/policies/{default.policy_id}/scopes/{default.pk}/remove/", follow=True)
    assert "change its values" in notices(answer)[0]


def test_the_panel_says_where_each_value_comes_from_and_gives_a_policy(web, vm, gold):
    here = f"/virtual-machines/?vm={vm.pk}&tab=policy"
    page = text(web.get(here))
    assert "within 15 m" in page
    assert f"which applies to folder /Bonn/vm/Prod in {vm.vcenter.name}" in page
    silver = services.add("Silver", {"rpo_kind": "target", "rpo_target_seconds": 60}, actor="x")
    give = f"/virtual-machines/{vm.pk}/policy/"
    answer = web.post(give, {"policy": silver.pk, "next": here}, follow=True)
    assert notices(answer) == ["Policy Silver applies to db-01 now."]
    assert target(vm) == 60
    web.post(give, {"policy": gold.pk})
    assert target(vm) == 900
    web.post(give, {"policy": ""})
    assert PolicyScope.objects.filter(kind="vm").count() == 0
    assert "no longer there" in notices(web.post(give, {"policy": "x"}, follow=True))[-1]


def test_a_vm_s_own_values_are_a_form_of_their_own(web, vm, gold):
    own = f"/virtual-machines/{vm.pk}/own-values/"
    values = EMPTY | {"rpo_kind": "target", "target": "2h", "quiesce": "required"}
    answer = web.post(own, values, follow=True)
    assert notices(answer) == ["The own values of db-01 were saved."]
    assert "its own value" in text(answer)
    assert target(vm) == 7200
    assert 'value="2 h"' in text(web.get(own))
    assert list(web.post(own, values | {"target": ""}).context["form"].errors) == ["target"]
    web.post(own, EMPTY)
    assert target(vm) == 900


def test_the_policy_of_all_vms_does_not_offer_to_be_removed(web, gold):
    default = services.default_policy()
    assert f"/policies/{gold.pk}/remove/" in text(web.get(f"/policies/{gold.pk}/"))
    assert f"/policies/{default.pk}/remove/" not in text(web.get(f"/policies/{default.pk}/"))
