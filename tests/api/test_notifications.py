"""Channels, rules and deliveries in the API: secrets go in and never come out."""

from __future__ import annotations

import pytest

from replication.policies import services as policies
from replication.services import occurrences
from replication.states import OccurrenceKind
from tests import factories
from tests.notifications.servers import SECRET
from vmrep.notifications import services
from vmrep.notifications.fan_out import fan_out
from vmrep.notifications.models import Channel, Delivery, Rule

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
CHANNELS, RULES = "/api/v1/notification-channels/", "/api/v1/notification-rules/"
HOOK = {"url": "https://hooks.example.org/secret-path", "secret": SECRET}


def send(api, method: str, address: str, body: object = None):
    return getattr(api, method)(address, body, content_type="application/json")


def test_a_channel_is_added_changed_and_removed(api):
    made = send(
        api,
        "post",
        CHANNELS,
        {"name": "hook", "kind": "webhook", "settings": HOOK, "digest_after": 9},
    )
    assert made.status_code == 201
    body = made.json()
    assert made.headers["Location"].endswith(f"{CHANNELS}{body['id']}/")
    assert (body["address_shown"], body["digest_after"]) == ("https://hooks.example.org/…", 9)
    address = f"{CHANNELS}{body['id']}/"
    changed = send(
        api,
        "patch",
        address,
        {"settings": {"url": "https://other.example.org/x"}, "enabled": False},
    )
    assert changed.json()["address_shown"] == "https://other.example.org/…"
    assert changed.json()["digest_after"] == 9
    assert services.config_of(Channel.objects.get())["secret"] == SECRET
    everything = made.content + changed.content + api.get(CHANNELS).content
    assert SECRET.encode() not in everything
    assert b"secret-path" not in everything
    assert send(api, "delete", address).status_code == 204
    assert api.get(address).json()["code"] == "unknown_channel"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"settings": HOOK | {"url": "http://x.org/"}}, "url"),
        ({"settings": HOOK | {"colour": "red"}}, "settings"),
        ({"settings": {"url": [1], "secret": {}}}, "url"),
        ({"kind": "pigeon"}, "kind"),
        ({"quiet_from_minute": 60}, "quiet_from_minute"),
        ({"quiet_from_minute": 1440, "quiet_to_minute": 1}, "quiet_from_minute"),
        ({"time_zone": "x"}, "time_zone"),
        ({"colour": "red"}, "colour"),
        ({"name": "a\nb"}, "name"),
    ],
)
def test_what_cannot_work_is_refused_with_its_field(api, wrong, field):
    body = {"name": "hook", "kind": "webhook", "settings": HOOK} | wrong
    answer = send(api, "post", CHANNELS, body)
    assert answer.status_code == 400
    assert field in answer.json()["errors"]
    assert not Channel.objects.exists()


def test_a_rule_is_added_changed_and_removed(api):
    channel = services.add_channel("hook", "webhook", HOOK)
    vm = factories.context("web")
    made = send(
        api,
        "post",
        RULES,
        {
            "channel_id": channel.pk,
            "kinds": ["broken"],
            "context_id": vm.pk,
            "even_when_quiet": True,
        },
    )
    assert made.status_code == 201
    body = made.json()
    assert (body["scope"], body["context_id"], body["kinds"]) == ("vm", vm.pk, ["broken"])
    address = f"{RULES}{body['id']}/"
    changed = send(api, "patch", address, {"context_id": None, "kinds": []}).json()
    assert (changed["scope"], changed["kinds"], changed["even_when_quiet"]) == ("all", [], True)
    gold = policies.add("Gold", {}, actor="x")
    changed = send(api, "patch", address, {"policy_id": gold.pk}).json()
    assert (changed["scope"], changed["policy_id"]) == ("policy", gold.pk)
    assert send(api, "post", RULES, {"channel_id": 999}).json()["code"] == "unknown_channel"
    assert send(api, "post", RULES, {"channel_id": channel.pk, "kinds": ["x"]}).status_code == 400
    unknown = {"channel_id": channel.pk, "vcenter_id": 999}
    assert send(api, "post", RULES, unknown).json()["code"] == "unknown_vcenter"
    assert send(api, "delete", address).status_code == 204
    assert not Rule.objects.exists()


def test_deliveries_are_listed_and_filtered(api):
    channel = services.add_channel("hook", "webhook", HOOK)
    services.save_rule(channel, [])
    vm = factories.context("web")
    occurrences.tell(OccurrenceKind.BROKEN, "1", what="web is broken.", context_id=vm.pk)
    fan_out()
    (row,) = api.get("/api/v1/notification-deliveries/").json()["results"]
    assert (row["kind"], row["what"], row["state"]) == ("broken", "web is broken.", "waiting")
    assert (row["context_id"], row["message_id"]) == (vm.pk, str(Delivery.objects.get().message_id))
    assert api.get("/api/v1/notification-deliveries/?state=sent").json()["count"] == 0
    assert api.get("/api/v1/notification-deliveries/?state=odd").status_code == 400
    assert api.get("/api/v1/notification-deliveries/?colour=red").status_code == 400


def test_a_channel_is_tried_and_says_what_came_of_it(api, settings):
    settings.NOTIFY_PRIVATE = False
    local = services.add_channel("local", "webhook", HOOK | {"url": "https://127.0.0.1:9/"})
    answer = api.post(f"{CHANNELS}{local.pk}/test/", content_type="application/json").json()
    assert (answer["purpose"], answer["state"]) == ("test", "given_up")
    assert "VMREP_NOTIFY_PRIVATE" in answer["answer"]
