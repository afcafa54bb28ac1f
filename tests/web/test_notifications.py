"""Channels, rules and the last messages on their page."""

from __future__ import annotations

import pytest

from replication.policies import services as policies
from replication.services import occurrences
from replication.states import OccurrenceKind
from tests import factories
from tests.notifications.servers import SECRET, Certificates
from tests.web.conftest import text
from tests.web.test_polling import Poller
from vmrep.notifications import services
from vmrep.notifications.fan_out import fan_out
from vmrep.notifications.models import Channel, Delivery, Rule
from vmrep.web import versions

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
HABITS = {"time_zone": "UTC", "digest_after": 5, "digest_seconds": 60, "enabled": "on"}
HOOK = {"url": "https://hooks.example.org/secret-path", "secret": SECRET}
MAIL = {
    **{"name": "ops", "recipients": "a@example.org, b@example.org", "sender": "vmrep@example.org"},
    **{"host": "mx.example.org", "security": "starttls", "username": "vmrep", "password": "s3cret"},
}


def hook(name: str = "hook") -> Channel:
    return services.add_channel(name, "webhook", HOOK)


def test_an_empty_page_leads_to_the_first_channel_and_that_to_its_first_rule(web):
    page = web.get("/notifications/").content.decode()
    assert "Nobody is told anything yet" in page
    for kind in ("email", "webhook", "apprise"):
        assert f"/notifications/channels/add/{kind}/" in page
    form = web.get("/notifications/channels/add/webhook/").content.decode()
    assert 'value="whsec_' in form
    made = web.post("/notifications/channels/add/webhook/", HABITS | HOOK | {"name": "hook"})
    assert (made.status_code, made.url) == (302, "/notifications/")
    page = web.get("/notifications/").content.decode()
    assert "https://hooks.example.org/…" in page
    assert "secret-path" not in page
    assert "No rule: it tells nothing" in page
    vm = factories.context("web")
    rule = {"channel": Channel.objects.get().pk, "kinds": ["broken"], "vm": "web", "enabled": "on"}
    assert web.post("/notifications/rules/add/", rule).status_code == 302
    saved = Rule.objects.get()
    assert (saved.scope, saved.vm_context) == ("vm", vm)
    assert [each.kind for each in saved.kinds.all()] == ["broken"]


def test_what_is_secret_is_kept_when_it_is_left_empty_and_never_shown(web):
    web.post("/notifications/channels/add/email/", HABITS | MAIL)
    channel = Channel.objects.get()
    address = f"/notifications/channels/{channel.pk}/"
    form = web.get(address).content.decode()
    assert "s3cret" not in form
    assert 'value="a@example.org b@example.org"' in form
    changed = {
        **{"password": "", "sender": "vms@example.org", "port": ""},
        **{"quiet_from": "22:00", "quiet_to": "06:30", "time_zone": "Europe/Berlin"},
    }
    assert web.post(address, HABITS | MAIL | changed).status_code == 302
    channel.refresh_from_db()
    config = services.config_of(channel)
    assert (config["password"], config["sender"], config["port"]) == (
        "s3cret",
        "vms@example.org",
        587,
    )
    assert (channel.quiet_from_minute, channel.quiet_to_minute) == (22 * 60, 6 * 60 + 30)
    assert "22:00–06:30" in web.get("/notifications/").content.decode()
    assert 'value="22:00"' in web.get(address).content.decode()


@pytest.mark.parametrize(
    "other",
    [
        {"host": "mx.evil.example"},
        {"port": "2525"},
        {"security": "tls", "port": "587"},
        {"username": "another"},
    ],
)
def test_a_stored_password_goes_to_nobody_for_whom_it_was_not_entered(web, other):
    """Whoever may edit a channel, or finds a session open, could have it sent to themselves."""
    web.post("/notifications/channels/add/email/", HABITS | MAIL)
    channel = Channel.objects.get()
    address = f"/notifications/channels/{channel.pk}/"
    page = web.post(address, HABITS | MAIL | other | {"password": ""})
    assert "enter “Password” again" in page.content.decode()
    body = {"settings": other | ({"port": int(other["port"])} if "port" in other else {})}
    refused = web.patch(f"/api/v1/notification-channels/{channel.pk}/", body, "application/json")
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["password"])
    channel.refresh_from_db()
    assert services.config_of(channel)["host"] == "mx.example.org"
    assert web.post(address, HABITS | MAIL | other).status_code == 302
    channel.refresh_from_db()
    assert services.config_of(channel)["password"] == "s3cret"


@pytest.mark.parametrize(
    ("kind", "wrong", "told"),
    [
        ("email", {"security": "none"}, "sends no password"),
        ("email", {"recipients": "nobody"}, "no e-mail address"),
        ("email", {"quiet_from": "22:00"}, "a beginning and an end"),
        ("email", {"time_zone": "Berlin"}, "no such time zone"),
        ("email", {"name": "taken"}, "Another channel has this name"),
        ("email", {"ca_certificate": "x"}, "not a certificate"),
        ("webhook", HOOK | {"url": "http://x.org/"}, "begins with https://"),
        ("apprise", {"url": "dbus://"}, "does not send to"),
    ],
)
def test_what_cannot_work_is_refused_beside_its_field(web, kind, wrong, told):
    hook("taken")
    page = web.post(f"/notifications/channels/add/{kind}/", HABITS | MAIL | wrong)
    assert page.status_code == 200
    assert told in page.content.decode()
    assert Channel.objects.count() == 1


def test_a_rule_is_changed_and_removed_and_a_vm_that_is_not_there_is_refused(web):
    channel = hook()
    rule = services.save_rule(channel, ["broken", "recovered"], even_when_quiet=True)
    address = f"/notifications/rules/{rule.pk}/"
    assert "checked" in web.get(address).content.decode()
    page = web.post(address, {"channel": channel.pk, "vm": "nobody"})
    assert "nobody" in page.content.decode()
    both = {"channel": channel.pk, "vm": factories.context("web").pk}
    both["vcenter"] = factories.vcenter().pk
    assert "one vCenter, one policy or one VM" in web.post(address, both).content.decode()
    assert web.post(address, {"channel": channel.pk, "kinds": ["broken"]}).status_code == 302
    rule.refresh_from_db()
    assert not rule.even_when_quiet
    assert [each.kind for each in rule.kinds.all()] == ["broken"]
    web.post(f"{address}remove/")
    assert not Rule.objects.exists()


@pytest.mark.parametrize("about", ["vm", "policy", "vcenter"])
def test_a_rule_that_could_never_tell_of_a_kind_is_refused(web, about):
    vm, gold = factories.context("web"), policies.add("Gold", {}, actor="ops")
    subject = {"vm": vm.pk, "policy": gold.pk, "vcenter": vm.vcenter_id}[about]
    asked = {"channel": hook().pk, about: subject, "kinds": ["over_target", "redis_dead"]}
    page = text(web.post("/notifications/rules/add/", asked))
    assert "would never tell of: Redis does not answer." in page
    assert not Rule.objects.exists()
    asked["kinds"] = ["over_target"]
    assert web.post("/notifications/rules/add/", asked).status_code == 302


def test_of_vms_with_one_name_a_rule_is_told_by_which_words_they_differ(web):
    vms = [factories.context("app") for _ in range(2)]
    page = text(web.post("/notifications/rules/add/", {"channel": hook().pk, "vm": "app"}))
    assert all(vm.pk in page for vm in vms)
    assert "vmware_vm_id" not in page


def test_a_secret_that_is_wanted_again_is_called_as_its_field_is(web, tmp_path):
    channel = hook()
    asked = HABITS | {"name": channel.name, "ca_certificate": Certificates(tmp_path).ca}
    page = text(web.post(f"/notifications/channels/{channel.pk}/", asked))
    assert "To change “Your own CA”, enter “Address” again" in page


def test_a_channel_is_tested_and_the_answer_is_shown(web, settings):
    settings.NOTIFY_PRIVATE = False
    local = services.add_channel("local", "webhook", HOOK | {"url": "https://127.0.0.1:9/"})
    page = web.post(f"/notifications/channels/{local.pk}/test/", follow=True).content.decode()
    assert "No test went out by local" in page
    assert "VMREP_NOTIFY_PRIVATE" in page
    assert "The last message did not go out" in page
    assert Delivery.objects.get().state == "given_up"


def test_removing_a_channel_says_what_goes_with_it(web):
    channel = hook()
    services.save_rule(channel, [])
    address = f"/notifications/channels/{channel.pk}/remove/"
    assert "1 rule" in web.get(address).content.decode()
    web.post(address)
    assert not Channel.objects.exists()


def test_the_page_is_renewed_by_whatever_changes_on_it(web):
    channel = hook()
    page = Poller(web, "/notifications/")
    assert page.poll() == 204
    for change in (
        lambda: services.save_rule(channel, ["broken"]),
        lambda: services.save_rule(channel, ["recovered"], rule=Rule.objects.get()),
        lambda: occurrences.tell(OccurrenceKind.RECOVERED, "1", what="web is protected again."),
    ):
        change()
        fan_out()
        assert page.poll() == 200, change
        assert page.poll() == 204
    assert "web is protected again." in page.part
    Delivery.objects.update(state="given_up", answer="No such user")
    assert page.poll() == 200
    assert "No such user" in page.part
    assert versions.of_notifications().facts


def test_as_many_queries_with_many_rows(web, queries):
    def count() -> int:
        return queries(lambda: web.get("/notifications/"))

    def add(number: int) -> None:
        channel = hook(f"hook-{number}")
        vm = factories.context(f"vm-{number}")
        services.save_rule(channel, ["broken"], vm_context=vm)
        services.save_rule(channel, [], vcenter=vm.vcenter)
        occurrences.tell(OccurrenceKind.BROKEN, str(number), what="x", context_id=vm.pk)
        fan_out()

    add(0)
    web.get("/notifications/")
    one = count()
    for number in range(1, 5):
        add(number)
    assert count() == one
