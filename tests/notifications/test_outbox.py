"""From what happened to what arrives: at least once, and told once."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from contexts import crypto
from contexts.models import VMContext
from replication.health import watch
from replication.models import Incident, Occurrence, PointRemoval, ProtectionSpell, RecoveryPoint
from replication.policies import services as policies
from replication.policies import settle, taking_new
from replication.retention import services as retention
from replication.retention import telling
from replication.scheduler import spells
from replication.selectors.health import EXPECTED
from replication.services import occurrences
from replication.states import OccurrenceKind
from tests import factories
from tests.notifications.servers import drop, status
from tests.notifications.test_channels import mail_settings
from vmrep.notifications import deliver, services
from vmrep.notifications.courier import PATIENCE, Courier
from vmrep.notifications.errors import ChannelRefused
from vmrep.notifications.fan_out import fan_out, plan_reports
from vmrep.notifications.models import Channel, Delivery, Rule
from vmrep.notifications.services import Habits

HOUR = timedelta(hours=1)
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
own_transactions = pytest.mark.django_db(transaction=True)


def tell(count: int = 1, kind: OccurrenceKind = OccurrenceKind.BROKEN, **about: Any) -> None:
    first = Occurrence.objects.count()
    for number in range(first, first + count):
        occurrences.tell(kind, str(number), what=f"This is number {number}.", **about)


def go(patience: timedelta = timedelta(0)) -> None:
    """A round of a courier, without what it does to its connection."""
    fan_out()
    plan_reports()
    deliver.deliver_due(patience)


def pass_time(much: timedelta) -> None:
    """Everything has happened so much earlier."""
    for name in ("created_at", "next_attempt_at", "claimed_at", "sent_at"):
        Delivery.objects.exclude(**{name: None}).update(**{name: F(name) - much})


def states() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


@pytest.mark.any_database
def test_every_kind_arrives(webhook, web_server):
    vm = factories.context("web")
    Channel.objects.update(digest_after=100)
    for kind in OccurrenceKind:
        tell(kind=kind, context_id=vm.pk)
    go()
    go()
    sent = Delivery.objects.order_by("pk").select_related("occurrence")
    for kind, posted, delivery in zip(OccurrenceKind, web_server.posted, sent, strict=True):
        assert posted.headers["webhook-id"] == str(delivery.message_id)
        assert posted.json["type"] == f"vmrep.{kind}"
        assert posted.json["data"] == {
            **{"occurrence_id": delivery.occurrence_id, "kind": kind, "vm_name": "web"},
            **{"at": delivery.occurrence.at.isoformat(), "what": delivery.occurrence.what},
            **{"context_id": vm.pk, "vcenter": vm.vcenter.name},
            **{"repository": None, "job_id": None},
            "link": f"https://vmrep.example.org/virtual-machines/?vm={vm.pk}",
        }
        assert (delivery.state, delivery.attempts) == ("sent", 1)
        assert delivery.answer == "The server answered 200 OK. {}"
    webhook.refresh_from_db()
    assert webhook.last_ok_at is not None


@pytest.mark.any_database
def test_a_rule_tells_of_its_kinds_and_its_vms(webhook, web_server):
    here, there = factories.context("here"), factories.context("there")
    Rule.objects.all().delete()
    services.save_rule(webhook, ["broken"], vcenter=here.vcenter)
    services.save_rule(webhook, ["recovered"], vm_context=there)
    services.save_rule(webhook, [], vm_context=here, enabled=False)
    for kind in (OccurrenceKind.BROKEN, OccurrenceKind.RECOVERED):
        for vm in (here, there):
            tell(kind=kind, context_id=vm.pk)
    tell(kind=OccurrenceKind.BROKEN, vcenter_id=here.vcenter_id)
    tell(kind=OccurrenceKind.BROKEN)
    go()
    told = [(each.json["data"]["vm_name"], each.json["data"]["kind"]) for each in web_server.posted]
    assert told == [("here", "broken"), ("there", "recovered"), (None, "broken")]
    assert not Occurrence.objects.filter(fanned_out_at=None).exists()
    Channel.objects.update(enabled=False)
    tell(context_id=here.pk)
    go()
    assert len(web_server.posted) == 3


@pytest.mark.any_database
def test_a_rule_of_a_policy_tells_of_the_vms_that_it_is_nearest_to(webhook, web_server):
    gold = policies.add("Gold", policies.target(900), actor="ops")
    here, there = factories.context("here"), factories.context("there")
    policies.give(here, gold, actor="ops")
    policies.set_own(here, {"priority": "high"}, actor="ops")
    settle.settle([there.pk])
    Rule.objects.all().delete()
    services.save_rule(webhook, [], policy=gold)
    tell(context_id=here.pk)
    tell(context_id=there.pk)
    tell(kind=OccurrenceKind.TAKEN_BY_POLICY, policy_id=gold.pk)
    tell(kind=OccurrenceKind.TAKEN_BY_POLICY, policy_id=policies.default_policy().pk)
    tell()
    go()
    told = [(each.json["data"]["vm_name"], each.json["data"]["kind"]) for each in web_server.posted]
    assert told == [("here", "broken"), (None, "taken_by_policy")]
    with pytest.raises(ChannelRefused, match="one vCenter, one policy or one VM"):
        services.save_rule(webhook, [], policy=gold, vm_context=here)


@pytest.mark.any_database
def test_what_a_policy_took_is_told_by_mail(db, mail_server, certificates):
    mail = mail_settings(mail_server, certificates)
    services.save_rule(services.add_channel("mail", "email", mail), ["taken_by_policy"])
    vcenter, keep_in = factories.vcenter("Bonn"), factories.repository()
    gold = policies.add("Gold", {"repository_id": keep_in.pk}, actor="ops")
    place = policies.Where("vcenter", vcenter, takes_new=True)
    policies.assign(gold, place, actor="ops")
    for number in range(7):
        factories.discovered_vm(f"vm{number}", at=vcenter)
    factories.discovery(vcenter)
    taking_new.tick()
    taking_new.tick()
    go()
    (sent,) = mail_server.mails
    assert "Policy Gold took 7 VMs" in sent.get_body(("plain",)).get_content()
    told = Occurrence.objects.get()
    assert told.what == (
        "Policy Gold took 7 VMs of vCenter Bonn under management: vm0, vm1, vm2, vm3, vm4 and 2"
        " more."
    )
    assert (told.policy, told.vcenter, told.vm_context) == (gold, vcenter, None)


@pytest.mark.any_database
def test_a_removal_that_does_not_end_is_told_once_with_what_it_waits_for(webhook, web_server):
    vm = factories.context("web")
    points = [factories.recovery_point(vm) for _ in range(3)]
    for point in points[:2]:
        retention.delete(point, actor="ops")
    hours = timedelta(hours=1)
    PointRemoval.objects.update(created_at=Now() - 23 * hours, problem="An image is damaged.")
    telling.tell_of_stuck()
    assert not Occurrence.objects.exists()
    PointRemoval.objects.update(created_at=Now() - 25 * hours)
    for _ in range(2):
        telling.tell_of_stuck()
        go()
    (posted,) = web_server.posted
    assert posted.json["type"] == "vmrep.retention_stuck"
    assert "The recovery point of web from" in posted.json["data"]["what"]
    assert posted.json["data"]["what"].endswith("is still there. An image is damaged.")
    PointRemoval.objects.filter(recovery_point=points[0]).update(
        state="done", started_at=Now(), ended_at=Now()
    )
    telling.tell_of_stuck()
    assert Occurrence.objects.count() == 1


@pytest.mark.any_database
def test_a_message_that_is_not_taken_is_sent_again_under_the_same_id(webhook, web_server):
    web_server.answer = drop
    tell(2)
    go()
    assert len(web_server.posted) == 1, "a server that does not answer is not asked for each"
    assert states() == ["waiting", "waiting"]
    go()
    assert len(web_server.posted) == 1
    webhook.refresh_from_db()
    assert webhook.last_problem
    for attempt in range(2, 10):
        pass_time(HOUR)
        web_server.answer = status(500) if attempt < 9 else status(200)
        go()
    assert states() == ["sent", "sent"]
    ids = [each.headers["webhook-id"] for each in web_server.posted]
    assert set(ids) == {str(each) for each in Delivery.objects.values_list("message_id", flat=True)}
    assert [deliver.back_off(n).total_seconds() for n in (1, 2, 3, 7, 8, 500)] == [
        *(30, 60, 120, 1920, 3600, 3600)
    ]


@pytest.mark.any_database
def test_after_a_day_it_is_given_up_and_its_record_says_why(webhook, web_server):
    web_server.answer = status(500)
    tell()
    go()
    pass_time(timedelta(hours=25))
    go()
    assert states() == ["given_up"]
    assert Delivery.objects.get().answer.startswith("The server answered 500")


class _Dies:
    """Kills this process before its write of that number."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)
            self.left -= 1
        return execute(sql, *rest)


def _round_of_another_process(dies_before: int) -> bool:
    """Whether it was killed."""
    connection.close()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with connection.execute_wrapper(_Dies(dies_before)):
                fan_out()
                deliver.deliver_due()
            code = 0
        except BaseException:  # noqa: BLE001 - it goes no further than this process
            traceback.print_exc()
        finally:
            os._exit(code)
    _, ended = os.waitpid(child, 0)
    assert os.WIFSIGNALED(ended) or ended == 0, "it failed by itself: see its output"
    return os.WIFSIGNALED(ended)


@own_transactions
def test_killed_before_every_write_nothing_is_lost_and_what_is_sent_twice_has_one_id(
    webhook, web_server
):
    tell()
    kills = 0
    while _round_of_another_process(dies_before=kills):
        kills += 1
        Delivery.objects.all().delete()
        Occurrence.objects.update(fanned_out_at=None)
    assert kills >= 5
    web_server.posted.clear()
    twice = 0
    for moment in range(kills):
        Delivery.objects.all().delete()
        Occurrence.objects.update(fanned_out_at=None)
        web_server.posted.clear()
        assert _round_of_another_process(dies_before=moment)
        go()
        pass_time(deliver.CLAIMED_FOR)
        go()
        ids = [each.headers["webhook-id"] for each in web_server.posted]
        assert ids in ([str(Delivery.objects.get().message_id)] * n for n in (1, 2)), moment
        assert states() == ["sent"]
        twice += len(ids) == 2
    assert twice, "one of the moments is between sending and recording"


@own_transactions
def test_two_processes_at_once_tell_once(webhook, web_server):
    Channel.objects.update(digest_after=1000)
    tell(20)

    def round_() -> None:
        Courier().round()  # which closes its connection

    threads = [threading.Thread(target=round_) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for _ in range(3):
        pass_time(timedelta(minutes=1))  # on a busy machine one may have to be tried again
        go()
    assert states() == ["sent"] * 20
    assert len({each.headers["webhook-id"] for each in web_server.posted}) == 20
    assert len(web_server.posted) == 20


@pytest.mark.any_database
def test_a_storm_of_500_is_one_message_and_a_record_of_each(webhook, web_server):
    rows = [
        Occurrence(kind="over_target" if n % 5 else "broken", key=str(n), what=f"VM {n}")
        for n in range(500)
    ]
    occurrences.tell_all(rows)
    go()
    (posted,) = web_server.posted
    assert posted.json["type"] == "vmrep.digest"
    data = posted.json["data"]
    assert (data["count"], data["kinds"]) == (500, {"over_target": 400, "broken": 100})
    assert [each["what"] for each in data["first"]] == [f"VM {n}" for n in range(20)]
    assert len(posted.body) < 20_000
    digest = Delivery.objects.get(purpose="digest")
    assert digest.members.filter(state="in_digest").count() == 500

    tell(30)
    go()
    assert len(web_server.posted) == 1, "what follows is gathered"
    tell(5)
    pass_time(timedelta(seconds=61))
    go()
    assert [each.json["data"].get("count") for each in web_server.posted] == [500, 35]
    pass_time(timedelta(seconds=61))
    tell(3)
    go()
    assert len(web_server.posted) == 5, "a few go out by themselves"
    assert len(set(states())) == 2


@pytest.mark.any_database
def test_a_digest_that_is_not_taken_goes_out_again_as_it_is(webhook, web_server):
    web_server.answer = drop
    tell(10)
    go()
    web_server.answer = status(200)
    pass_time(HOUR)
    go()
    first, second = web_server.posted
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.json["data"] == second.json["data"]


@pytest.mark.any_database
def test_quiet_hours_hold_what_is_not_urgent_until_their_end(webhook, web_server):
    minute = timezone.now().hour * 60 + timezone.now().minute
    quiet = {"quiet_from_minute": minute, "quiet_to_minute": (minute + 120) % 1440}
    services.change_channel(webhook, habits=Habits(**quiet, digest_after=2))
    services.save_rule(webhook, ["worker_dead"], even_when_quiet=True)
    tell(7)
    tell(kind=OccurrenceKind.WORKER_DEAD)
    go()
    assert [each.json["type"] for each in web_server.posted] == ["vmrep.worker_dead"]
    assert states() == ["held"] * 7 + ["sent"]
    ends = Delivery.objects.filter(state="held").values_list("next_attempt_at", flat=True)
    assert len(set(ends)) == 1
    assert HOUR < ends[0] - timezone.now() <= 2 * HOUR
    pass_time(timedelta(minutes=121))
    services.change_channel(webhook, habits=Habits(digest_after=2))
    go()
    assert [each.json["type"] for each in web_server.posted] == [
        "vmrep.worker_dead",
        "vmrep.digest",
    ]
    assert web_server.posted[1].json["data"]["count"] == 7


@pytest.mark.any_database
def test_a_flapping_vm_is_told_of_once_per_transition(webhook, web_server, monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)
    vm = factories.context("web")
    factories.recovery_point(vm)
    VMContext.objects.update(rpo_target_seconds=3600)
    Channel.objects.update(digest_after=100)
    spells.turn()
    for _ in range(3):
        for age in (2 * HOUR, timedelta(0)):
            RecoveryPoint.objects.update(consistent_at=timezone.now() - age)
            for _ in range(3):
                spells.turn()
                go()
    told = [each.json["data"]["kind"] for each in web_server.posted]
    assert told == ["over_target", "recovered"] * 3


@pytest.mark.any_database
def test_it_is_told_that_everything_but_one_web_server_is_dead(webhook, web_server, monkeypatch):
    """Neither Redis, nor a worker, nor beat is needed to tell that they are dead."""
    monkeypatch.setattr("replication.health.broker.problem", lambda **_: "refused")
    factories.everything_lives(seconds_ago=60)
    watch.look()
    assert Incident.objects.count() == 2 + len(EXPECTED)
    Channel.objects.update(digest_after=100)
    go(PATIENCE)
    assert web_server.posted == [], "a worker would do it at once: it has some seconds"
    pass_time(PATIENCE)
    go(PATIENCE)
    told = [each.json["data"]["kind"] for each in web_server.posted]
    assert sorted(told) == ["beat_dead", "redis_dead", *["worker_dead"] * len(EXPECTED)]


@pytest.mark.any_database
def test_hostile_names_do_no_harm(db, mail_server, certificates):
    from tests.notifications.test_channels import mail_settings

    channel = services.add_channel("mail", "email", mail_settings(mail_server, certificates))
    services.save_rule(channel, [])
    name = "\u202eevil</p><script>alert(1)</script>\r\nBcc: everybody@example.org"
    vm = factories.context(name)
    tell(context_id=vm.pk)
    Occurrence.objects.update(what=f"{name} is broken.")
    go()
    (got,) = mail_server.mails
    assert got["Bcc"] is None
    assert "\\r\\nBcc" in got["Subject"]
    html = got.get_body(("html",)).get_content()
    assert "<script>" not in html
    assert "\u202e" not in html + got["Subject"] + got.get_body(("plain",)).get_content()


def test_a_message_says_which_of_the_vms_of_a_name_it_is_about(db, mail_server, certificates):
    mail = mail_settings(mail_server, certificates)
    services.save_rule(services.add_channel("mail", "email", mail), [])
    at = factories.vcenter("frankfurt")
    twins = [factories.context("web", at=at, vm_path=f"/Bonn/vm/{it}/web") for it in "ab"]
    for vm in (*twins, factories.context("db", at=at, vm_path="/Bonn/vm/a/db")):
        tell(context_id=vm.pk)
    go()
    subjects = {got["Subject"] for got in mail_server.mails}
    assert subjects == {
        "[vmrep] VM broken: web (Bonn / a)",
        "[vmrep] VM broken: web (Bonn / b)",
        "[vmrep] VM broken: db",
    }
    bodies = "".join(got.get_body(("plain",)).get_content() for got in mail_server.mails)
    for vm in twins:
        assert f"web: {vm.vm_path}, frankfurt – {vm.pk}\r\n" in bodies


@pytest.mark.any_database
def test_a_channel_is_tried_at_once_and_what_came_of_it_is_kept(webhook, web_server):
    assert services.test(webhook).state == "sent"
    assert web_server.posted[0].json["type"] == "vmrep.test"
    web_server.answer = status(500)
    refused = services.test(webhook)
    assert (refused.state, refused.answer) == (
        "given_up",
        "The server answered 500 Internal Server Error. {}",
    )
    go()
    assert len(web_server.posted) == 2
    assert [each.purpose for each in Delivery.objects.all()] == ["test", "test"]


@pytest.mark.any_database
def test_secrets_are_stored_encrypted_and_never_logged(webhook, web_server, caplog):
    stored = Channel.objects.get()
    assert "secret-path" not in stored.config_encrypted + stored.address_shown
    assert "secret-path" in crypto.unseal(stored, "config_encrypted")
    web_server.answer = status(500)
    tell()
    go()
    assert "did not go out by hook" in caplog.text
    assert "secret-path" not in caplog.text
    assert "whsec_" not in caplog.text
    Channel.objects.update(config_encrypted="written with another key")
    pass_time(HOUR)
    go()
    assert "cannot be decrypted" in Delivery.objects.get().answer


@pytest.mark.any_database
def test_what_is_long_over_is_forgotten(webhook, web_server):
    tell()
    go()
    Delivery.objects.update(created_at=Now() - timedelta(days=401))
    deliver.forget_old()
    assert not Delivery.objects.exists()


@pytest.mark.any_database
def test_the_report_of_yesterday_goes_out_once_when_its_time_has_come(
    db, mail_server, certificates
):
    from tests.notifications.test_channels import mail_settings

    now = timezone.now()
    settings = mail_settings(mail_server, certificates)
    late = now.hour * 60 + now.minute + 1
    if late < 1440:  # not in the last minute of a day
        services.add_channel("late", "email", settings, Habits(report_at_minute=late))
    services.add_channel("early", "email", settings, Habits(report_at_minute=0))
    ProtectionSpell.objects.create(
        vm_context=factories.context("web\u202e"),
        **{"state": "over_target", "target_seconds": 3600},
        began_at=now - timedelta(days=3),
        newest_point_at=now - timedelta(days=4),
    )
    go()
    go()
    (got,) = mail_server.mails
    yesterday = now.date() - timedelta(days=1)
    assert got["Subject"] == f"[vmrep] Report of {yesterday}: 0 % within target, 1 breach"
    told = got.get_body(("plain",)).get_content()
    assert "web\\u202e was over target for 1 d, its newest recovery point up to" in told
    assert f"https://vmrep.example.org/report/?day={yesterday}&time_zone=UTC" in told
    assert "<table>" in got.get_body(("html",)).get_content()
    assert Delivery.objects.get().report_day == yesterday
