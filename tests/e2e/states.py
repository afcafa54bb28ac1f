"""Every page and state that people can see, as one table: it is tested, and it is drawn.

tests/e2e/test_accessibility.py asks axe about each of them, script/screenshots draws them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from playwright.sync_api import Page, expect

from replication.selectors.limits import Resource
from replication.services import limits
from replication.states import LimitKind

PATIENCE = 20_000  # milliseconds

Names = Mapping[str, object]
Act = Callable[[Page, Names], object]


@dataclass(frozen=True)
class State:
    """`name` is "<page>-<state>"; `address` has names of the scene in braces.

    act: what is done on the page until it is in this state.
    shows: a selector of what makes it this state; without it, it would be another one.
    status: what the server answers.
    anonymous: nobody is logged in.
    part: a selector of what is not the same in another state: colours and sizes are
        looked at there.
    """

    name: str
    address: str
    act: Act | None = None
    shows: str = "h1"
    status: int = 200
    anonymous: bool = False
    part: str = "body"

    @property
    def page(self) -> str:
        return self.name.partition("-")[0]


def button(name: str) -> Act:
    return lambda page, _: page.get_by_role("button", name=name).first.click()


def link(name: str) -> Act:
    return lambda page, _: page.get_by_role("link", name=name).first.click()


def menu(selector: str) -> Act:
    return lambda page, _: page.locator(f"{selector} > summary").first.click()


def filled(**typed: str) -> Act:
    """Fill in the fields of the page's form (their values may have names in braces), send it."""

    def act(page: Page, names: Names) -> None:
        form = page.locator("main form[method=post]").last
        for field, value in typed.items():
            form.locator(f"[name={field}]").fill(value.format(**names))
        form.locator(f"[name={field}]").press("Enter")

    return act


def ticked(page: Page, _: Names) -> None:
    page.get_by_role("checkbox", name="Select all shown").check()


def cancelling(page: Page, names: Names) -> None:
    ticked(page, names)
    page.locator("#bulk-bar").get_by_role("button", name="Cancel…").click()


def more_acts(page: Page, names: Names) -> None:
    ticked(page, names)
    menu("#more-acts")(page, names)


def everything(page: Page, names: Names) -> None:
    """All that match, on however many pages, and what else can be done with them."""
    ticked(page, names)
    page.get_by_role("checkbox", name="that match").check()
    menu("#more-acts")(page, names)


def without_its_token(page: Page, names: Names) -> None:
    page.context.clear_cookies()
    LOGIN_REFUSED(page, names)


def certificate(page: Page, names: Names) -> None:
    """The second step of adding a vCenter: who is there."""
    filled(name="Graz", host="{host}", port="{port}")(page, names)
    expect(page.locator("[name=username]")).to_be_visible(timeout=PATIENCE)


def login_refused(page: Page, names: Names) -> None:
    certificate(page, names)
    filled(username="ops", password="not the password")(page, names)


def a_weak_password(page: Page, names: Names) -> None:
    filled(username="new", password="short")(page, names)


def overtaken(page: Page, names: Names) -> None:
    """Somebody else saves first."""
    limits.set_limit(Resource(LimitKind.VCENTER_JOBS), 7, actor="somebody else")
    filled(limit="9")(page, names)
    expect(page.locator("#overtaken")).to_be_visible(timeout=PATIENCE)


LOGIN_REFUSED = filled(username="ops", password="not the password")
VM = "/virtual-machines/?vm="


def in_panel(name: str, address: str, act: Act | None = None, shows: str = "#panel") -> State:
    """Beside a short table, as that is looked at in other states."""
    return State(name, f"{address}&search=web", act, shows, part="#panel")


EMPTY = (
    State("login-form", "/login/", shows="#id_username", anonymous=True),
    State("login-refused", "/login/", LOGIN_REFUSED, "[role=alert]", anonymous=True),
    State("login-locked", "/broken/locked/", status=429, anonymous=True),
    State("login-provider", "/broken/provider/", shows="a[href^='/oidc/']", anonymous=True),
    State("login-nobody-yet", "/broken/nobody-yet/login/", anonymous=True),
    State("login-set-up", "/broken/nobody-yet/set-up/", shows="#id_password1", anonymous=True),
    State("home-empty", "/virtual-machines/", shows=".is-next"),
    State("discovery-empty", "/discovery/", shows=".empty-state"),
    State("jobs-empty", "/jobs/", shows=".empty-state"),
    State("vcenters-empty", "/vcenters/", shows=".empty-state"),
    State("repositories-empty", "/repositories/", shows=".empty-state"),
    State("integrity-unknown", "/integrity/"),
    State("notifications-empty", "/notifications/", shows=".empty-state"),
    State("error-403", "/broken/403/", shows=".plain-code", status=403),
    State("error-403-csrf", "/login/", without_its_token, ".plain-code", 403, anonymous=True),
    State("error-404", "/jobs/job-nobody/", shows=".plain-code", status=404),
    State("error-409", "/broken/409/", shows=".plain-code", status=409),
    State("error-500", "/broken/500/", shows=".plain-code", status=500),
)

ONE_VM = (
    State("home-one-vm", "/virtual-machines/", shows=".is-next"),
    State("panel-never-replicated", VM + "{web_01}", shows="#panel"),
    State("removed-vms-none", "/virtual-machines/removed/", shows=".empty-state"),
    State("jobs-none-yet", "/jobs/", shows=".empty-state"),
)

ESTATE = (
    State("home-estate", "/virtual-machines/", shows="tr[data-open]"),
    State("home-no-result", "/virtual-machines/?search=nothing+like+this", shows=".empty-state"),
    State("home-columns", "/virtual-machines/", menu("#columns"), "#columns[open]"),
    State("home-selected", "/virtual-machines/", ticked, "#bulk-bar"),
    State("home-cancel-dialog", "/virtual-machines/", cancelling, "#cancel-dialog[open]"),
    State("home-keys-dialog", "/virtual-machines/", button("Keys of this page"), "#keys-dialog"),
    State("home-theme-menu", "/", menu("#theme-menu"), "#theme-menu[open]", part="#theme-menu"),
    State("home-user-menu", "/", menu("#user-menu"), "#user-menu[open]", part="#user-menu"),
    State("panel-running", VM + "{running_vm}", shows="#progress"),
    in_panel("panel-running-jobs", VM + "{running_vm}&tab=jobs"),
    State("panel-cancel-dialog", VM + "{running_vm}", link("Cancel…"), "dialog[open]"),
    in_panel("panel-audit", VM + "{running_vm}&tab=audit"),
    in_panel("panel-waiting", VM + "{waiting}"),
    in_panel("panel-retrying", VM + "{retrying_vm}"),
    State("panel-failed", VM + "{failed}", shows="#panel"),
    in_panel("panel-cancelled", VM + "{cancelled_vm}"),
    in_panel("panel-over-target", VM + "{over_target}"),
    in_panel("panel-no-target", VM + "{no_target}"),
    State("panel-broken", VM + "{broken}", shows="#broken"),
    State(
        "panel-rpo-menu",
        VM + "{over_target}&search=web",
        menu("#rpo-target"),
        "#rpo-target[open]",
        part="#rpo-target",
    ),
    in_panel("panel-unprotected-disk", VM + "{unprotected}&tab=disks"),
    in_panel("panel-gone", VM + "{gone}"),
    in_panel("panel-identity-changed", VM + "{changed}"),
    in_panel("panel-unreadable", VM + "{unreadable_vm}", shows="#untold-places"),
    in_panel("panel-notices", VM + "{with_notices}"),
    in_panel("panel-unmanaged", VM + "{released}"),
    in_panel("panel-hostile", VM + "{hostile}"),
    in_panel("panel-long-name", VM + "{long}"),
    in_panel("panel-overview", VM + "{web_01}"),
    in_panel("panel-jobs", VM + "{web_01}&tab=jobs"),
    in_panel("panel-disks", VM + "{web_01}&tab=disks"),
    in_panel("panel-network", VM + "{web_01}&tab=network"),
    in_panel("panel-cbt", VM + "{web_01}&tab=cbt", shows="svg.map"),
    in_panel("panel-points", VM + "{web_01}&tab=points"),
    State("removed-vms", "/virtual-machines/removed/", shows="table"),
    State("limits", "/limits/", shows="table"),
    State("limit-change", "/limits/change/?kind=vcenter_jobs", shows="[name=limit]"),
    State(*("limit-overtaken", "/limits/change/?kind=vcenter_jobs", overtaken, "#overtaken", 409)),
    State("limit-window", "/limits/bandwidth/add/", shows="[name=mebibytes]"),
    in_panel("panel-menu", VM + "{web_01}", menu("#panel-more"), "#panel-more[open]"),
    in_panel("panel-rpo", VM + "{web_01}&tab=rpo", shows="svg.strip"),
    in_panel("panel-policy", VM + "{web_01}&tab=policy", shows="#effect-when"),
    State("own-values", "/virtual-machines/{web_01}/own-values/", shows="#id_target"),
    State("pauses", "/pauses/?vm={web_01}", shows="#pause"),
    State("home-more-acts", "/virtual-machines/", more_acts, "#more-acts[open]", part="#bulk-bar"),
    State(
        "home-everything",
        "/virtual-machines/?page_size=25",
        everything,
        "#more-acts[open]",
        part="#bulk-bar",
    ),
    State("bulk-ask-policy", "/bulk/ask/?kind=policy&everything=1&view=", shows="#id_policy"),
    State("bulk-ask-pause", "/bulk/ask/?kind=pause&everything=1&view=", shows="#id_length"),
    State("bulk-ask-remove", "/bulk/ask/?kind=remove&everything=1&view=", shows=".btn-danger"),
    State("home-views-menu", "/virtual-machines/", menu("#views"), "#views[open]", part="#views"),
    State("jobs-views-menu", "/jobs/", menu("#views"), "#views[open]", part="#views"),
    State("views-list", "/views/", shows="[name=is_default]"),
    State("docs-api", "/docs/api/", shows="table"),
    State("api-reference", "/docs/api/reference/", shows="table"),
    State("api-operation", "/docs/api/reference/patch_vcenter/", shows="table"),
    State("api-object", "/docs/api/reference/JobDetail/", shows="table"),
    State("account-sessions", "/account/", shows="main table"),
    State("account-password", "/account/password/", shows="#id_old_password"),
    State("account-confirm", "/account/confirm/", shows="#id_password"),
    State("tokens-none", "/account/tokens/", shows="main form"),
    State("tokens-made", "/account/tokens/", filled(name="nightly"), "#token"),
    State("tokens-there", "/account/tokens/", shows="main table"),
    State("users-user", "/users/{user}/", shows="[name=role]"),
    State("users-list", "/users/", shows="main table"),
    State("users-add", "/users/add/", shows="#id_username"),
    State("users-refused", "/users/add/", a_weak_password, "[aria-invalid=true]"),
    State("users-disabled", "/users/{user_disabled}/", shows="[name=role]"),
    State("bulk-list", "/bulk/", shows="table"),
    State("bulk-running", "/bulk/{bulk}/", shows="progress"),
    State("bulk-cancelled", "/bulk/{bulk_cancelled}/", shows="table"),
    State("groups-list", "/groups/", shows="table"),
    State("groups-put-into", "/groups/?vm={web_01}", shows=".callout"),
    State("group-page", "/groups/{group}/", shows="#last-run"),
    State("group-empty", "/groups/{no_group_yet}/", shows="#add-member"),
    State("group-remove", "/groups/{group}/remove/"),
    in_panel("panel-in-group", VM + "{in_group}", shows="#panel"),
    State("policies-list", "/policies/", shows="table"),
    State("policy-add", "/policies/add/", shows="#id_rpo_kind"),
    State("policy-edit", "/policies/{policy}/", shows="#id_target"),
    State("policy-preview", "/policies/{policy}/", filled(target="30 m"), "#preview"),
    State("policy-too-slow", "/policies/{policy}/", filled(target="5 m"), "#too-slow"),
    State("policy-refused", "/policies/{policy}/", filled(target="30"), "[aria-invalid=true]"),
    State("policy-calendar", "/policies/{calendar}/", shows="#id_cron"),
    State("policy-apply", "/policies/{policy}/scopes/add/", shows="#id_folder"),
    State("policy-scope-remove", "/policies/{policy}/scopes/{scope}/remove/", shows="#preview"),
    State("policy-remove", "/policies/{calendar}/remove/"),
    State("compare-or-copy", "/virtual-machines/{web_01}/sync/"),
    State("removal-question", "/virtual-machines/{web_01}/remove/"),
    State("removal-data", "/virtual-machines/{web_01}/delete-replica-data/"),
    State(
        "removal-data-refused",
        "/virtual-machines/{web_01}/delete-replica-data/",
        filled(confirm_vm_name="web-1"),
        "[aria-invalid=true]",
    ),
    State("discovery-list", "/discovery/?vcenter={vcenter}", shows="table"),
    State("discovery-tree", "/discovery/?vcenter={vcenter}&view=tree", shows=".folder"),
    State("discovery-selected", "/discovery/?vcenter={vcenter}", ticked, ".take-bar"),
    State("discovery-no-result", "/discovery/?vcenter={vcenter}&search=nothing", shows="main"),
    State("discovery-disappeared", "/discovery/?vcenter={vcenter}&gone=true", shows="table"),
    State("discovery-running", "/discovery/?vcenter={reading}", shows="progress"),
    State("discovery-failed", "/discovery/?vcenter={unreadable}", shows=".tone-bad"),
    State("discovery-unread", "/discovery/?vcenter={unread}"),
    State("discovery-identity", "/discovery/{vcenter}/vms/{now}/identity/", shows="table"),
    State("jobs-list", "/jobs/", shows="table"),
    State("jobs-no-result", "/jobs/?search=nothing+like+this", shows=".empty-state"),
    State("job-running", "/jobs/{running}/", shows="#progress"),
    State("job-retrying", "/jobs/{retrying}/"),
    State("job-failed", "/jobs/{failure}/"),
    State("job-cancelled", "/jobs/{cancelled}/"),
    State("job-completed", "/jobs/{completed}/", shows="svg.map"),
    State("job-with-warnings", "/jobs/{with_warnings}/"),
    State("job-cancel-dialog", "/jobs/{running}/", link("Cancel…"), "dialog[open]"),
    State("job-cancel-question", "/jobs/{running}/cancel/confirm/"),
    State("vcenters-list", "/vcenters/", shows="table"),
    State("vcenter-add", "/vcenters/add/", shows="#id_host"),
    State(
        "vcenter-no-answer",
        "/vcenters/add/",
        filled(name="Graz", host="127.0.0.1", port="1"),
        "[aria-invalid=true]",
    ),
    State("vcenter-certificate", "/vcenters/add/", certificate, ".fingerprint"),
    State("vcenter-login-refused", "/vcenters/add/", login_refused, "[aria-invalid=true]"),
    State("vcenter-edit", "/vcenters/{vcenter}/", shows="#id_host"),
    State("vcenter-refused", "/vcenters/{unreadable}/", shows=".tone-bad"),
    State("vcenter-rebuilt", "/vcenters/{rebuilt}/", shows=".tone-warn"),
    State("vcenter-remove", "/vcenters/{unread}/remove/"),
    State("vcenter-remove-refused", "/vcenters/{vcenter}/remove/"),
    State("repositories-list", "/repositories/", shows="table"),
    State("repository-add", "/repositories/add/", shows="#id_path"),
    State(
        "repository-refused",
        "/repositories/add/",
        filled(name="new", path="relative/path"),
        "[aria-invalid=true]",
    ),
    State("repository-remove", "/repositories/{repository}/remove/"),
    State("repository-page", "/repositories/{repository}/?vm={web_01}", shows="table"),
    State(
        "repository-looked",
        "/repositories/add/",
        filled(name="Graz", path="/srv/vmrep-of-a-test"),
        "#folder-facts",
    ),
    State("repository-points", "/repositories/{repository}/vms/{web_01}/delete-points/"),
    State("vm-move", "/virtual-machines/{web_01}/move/", shows="#id_repository"),
    State("vm-retention", "/virtual-machines/{web_01}/retention/?keep_last=1", shows="table"),
    State("point-page", "/virtual-machines/{web_01}/points/{point}/", shows="#comment"),
    State("point-damaged", "/virtual-machines/{flipped}/points/{rotten}/", shows="ul.found"),
    in_panel("panel-points-damaged", VM + "{flipped}&tab=points"),
    State("point-pinned", "/virtual-machines/{web_01}/points/{pinned}/", shows="main form"),
    State("point-wanted", "/virtual-machines/{web_01}/points/{point_wanted}/"),
    State("point-going", "/virtual-machines/{web_01}/points/{point_going}/"),
    State("integrity-findings", "/integrity/", shows="table"),
    State("health-alive", "/health/", shows="table"),
    State("events-list", "/events/", shows="table"),
    State("events-told", "/events/told/", shows="table"),
    State("audit-trail", "/audit/", shows="table"),
    State("report-day", "/report/", shows="table"),
    State("notifications-list", "/notifications/", shows="table"),
    State("notifications-menu", "/notifications/", menu("#channel-menu"), "#channel-menu[open]"),
    State("channel-add-email", "/notifications/channels/add/email/", shows="#id_recipients"),
    State("channel-add-webhook", "/notifications/channels/add/webhook/", shows="#id_secret"),
    State(
        "channel-refused",
        "/notifications/channels/add/apprise/",
        filled(name="chat", url="dbus://"),
        "[aria-invalid=true]",
    ),
    State("channel-edit", "/notifications/channels/{channel}/", shows="#id_url"),
    State("channel-remove", "/notifications/channels/{channel}/remove/"),
    State("rule-add", "/notifications/rules/add/", shows="#id_channel"),
    State("rule-edit", "/notifications/rules/{rule}/", shows="#id_channel"),
)

DEAD = (
    State("health-dead", "/health/", shows="main :text('No worker of the queue')"),
    State("panel-nobody-works", VM + "{running_vm}", shows="#banner p"),
    State("job-nobody-works", "/jobs/{running}/", shows="#banner p"),
)

SCENES = {"empty": EMPTY, "one_vm": ONE_VM, "estate": ESTATE, "dead": DEAD}
"""The states of each scene of tests/e2e/scenes.py, in the order in which they build up."""


def one_of_each_page() -> list[State]:
    """With something on the page, where there is such a state."""
    chosen: dict[str, State] = {}
    for state in (*ESTATE, *EMPTY):
        chosen.setdefault(state.page, state)
    return list(chosen.values())
