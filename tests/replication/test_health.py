"""Who is alive, from the rows and the clock."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from celery import current_app
from django.db.models.functions import Now

from contexts.clock import database_now
from replication.health import broker, signs, vcenters, watch
from replication.models import Incident, Occurrence, RepositorySign, SignOfLife, VCenterSign
from replication.scheduler import tick
from replication.selectors.health import Parts, health, live_slots, what_is_missing
from replication.services.leases import this_worker
from tests import factories
from tests.labs import lab, lab_cache  # noqa: F401
from tests.redis_server import running_redis

pytestmark = pytest.mark.any_database


@pytest.fixture(autouse=True)
def redis_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "problem", lambda **_: "")
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


def seen(now=None):
    rows = (model.objects.all() for model in (SignOfLife, VCenterSign, RepositorySign))
    return health(now or database_now(), Parts(*rows))


def dead(now=None) -> list[tuple[str, str]]:
    return [(str(each.kind), each.subject) for each in seen(now).troubles]


def last_seen(seconds_ago: float, **which: object) -> None:
    SignOfLife.objects.filter(**which).update(seen_at=Now() - timedelta(seconds=seconds_ago))


def test_what_never_gave_a_sign_is_missed(db):
    assert dead() == [
        *(("worker_dead", queue) for queue in ("copies", "storage", "control", "tick")),
        ("beat_dead", ""),
    ]
    assert "“copies”" in what_is_missing("copies", database_now())


@pytest.mark.parametrize(
    ("which", "told"),
    [
        ({"queues": "copies"}, ("worker_dead", "copies")),
        ({"queues": "storage"}, ("worker_dead", "storage")),
        ({"queues": "control"}, ("worker_dead", "control")),
        ({"queues": "tick"}, ("worker_dead", "tick")),
        ({"kind": "beat"}, ("beat_dead", "")),
        ({"kind": "tick"}, ("tick_late", "")),
    ],
)
def test_whoever_gives_no_sign_for_half_a_minute_is_dead_and_nothing_else(db, which, told):
    factories.everything_lives()
    assert dead() == []
    last_seen(25, **which)
    assert dead() == []
    last_seen(31, **which)
    assert dead() == [told]


def test_time_alone_kills_everything_but_web_servers_are_not_missed(db):
    factories.everything_lives()
    assert dead(database_now() + timedelta(seconds=32)) == [
        *(("worker_dead", queue) for queue in ("copies", "storage", "control", "tick")),
        ("beat_dead", ""),  # and not the tick, which is late because of them
    ]


def test_one_live_worker_of_a_queue_is_enough_and_its_tasks_count(db):
    factories.everything_lives()
    factories.sign_of_life("worker", "copies", name="other:2", seconds_ago=60, slots=5)
    factories.sign_of_life("worker", "control,copies", name="both:3", slots=3)
    now = database_now()
    assert dead() == []
    assert live_slots("copies", now) == 5
    assert {p.sign.name: p.state for p in seen().processes}["other:2"] == "dead"
    last_seen(31, queues__contains="copies")
    assert live_slots("copies", now) == 0
    assert "“copies”" in what_is_missing("copies", now)
    assert what_is_missing("control", now) == ""


def test_a_queue_is_not_served_by_one_whose_name_only_contains_it(db):
    factories.everything_lives()
    SignOfLife.objects.filter(queues="copies").update(queues="more-copies")
    assert ("worker_dead", "copies") in dead()


def test_incidents_begin_once_with_the_last_sign_and_end(db):
    factories.everything_lives()
    watch.look()
    assert not Incident.objects.exists()
    last_seen(40, queues="copies")
    watch.look()
    watch.look()
    incident = Incident.objects.get()
    assert (incident.kind, incident.subject) == ("worker_dead", "copies")
    assert incident.began_at == SignOfLife.objects.get(queues="copies").seen_at
    last_seen(1, queues="copies")
    watch.look()
    incident.refresh_from_db()
    assert incident.ended_at is not None
    last_seen(40, queues="copies")
    watch.look()
    assert Incident.objects.count() == 2


def test_the_tick_gives_its_own_sign_and_forgets_old_ones(db, monkeypatch):
    monkeypatch.setattr(tick, "FORGET_WITHIN_SECONDS", 60)  # else one tick of a minute does
    factories.sign_of_life("worker", "copies", seconds_ago=86_500)
    factories.sign_of_life("worker", "copies", name="young:1", seconds_ago=86_000)
    tick.tick()
    assert set(SignOfLife.objects.values_list("kind", "name")) == {
        ("tick", "tick"),
        ("worker", "young:1"),
    }
    assert seen().tick_is_alive


@pytest.mark.django_db(transaction=True)
def test_a_heart_gives_signs_of_its_process_and_says_when_it_ends():
    queues = ["copies"]
    heart = signs.Heart("worker", lambda: queues, 4)
    heart._beat()
    assert not Incident.objects.exists()  # what it misses may be starting, too
    heart._started_at = database_now() - timedelta(seconds=21)
    heart._beat()
    sign = SignOfLife.objects.get()
    assert (sign.name, sign.queues, sign.slots) == (this_worker(), "copies", 4)
    assert sign.name.endswith(f":{os.getpid()}")
    assert Incident.objects.filter(subject="control").exists()  # whoever lives writes it down
    last_seen(40)
    queues.clear()
    heart._beat()  # it consumes nothing: it is of no use to whoever waits
    assert ("worker_dead", "copies") in dead()
    queues.append("copies")
    heart._beat()
    assert SignOfLife.objects.get().started_at == sign.started_at
    assert ("worker_dead", "copies") not in dead()
    heart.stop()
    assert [process.state for process in seen().processes] == ["ended"]
    assert ("worker_dead", "copies") in dead()


def test_redis_that_is_stopped_is_told_at_once_and_by_name(db, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(broker, "_last", None)
    monkeypatch.setattr(broker, "KEPT_SECONDS", 600)  # however slow this machine is
    factories.everything_lives()
    with running_redis() as url:
        monkeypatch.setattr(current_app.conf, "broker_url", url)
        assert broker.problem() == ""
        assert what_is_missing("copies", database_now()) == ""
    assert broker.problem() == "", "for a while it is not asked again"
    assert broker.problem(fresh=True)
    assert dead() == [("redis_dead", "")]
    assert what_is_missing("copies", database_now()).startswith("Redis does not answer (")


def test_a_vcenter_is_asked_without_a_login_and_is_away_after_some_silence(db, lab):  # noqa: F811
    vcenter = factories.vcenter(
        "Graz", host=lab.host, port=lab.port, trust_mode="insecure", username="nobody"
    )
    other = factories.vcenter("Turin", host="127.0.0.1", port=1)
    factories.everything_lives()
    vcenters.ask()
    sign = VCenterSign.objects.get(vcenter=vcenter)
    assert (sign.problem, sign.reached_at) == ("", sign.looked_at)
    assert dead() == [("vcenter_away", str(other.pk))]
    (trouble,) = seen().troubles
    assert "Turin does not answer" in trouble.what

    type(vcenter).objects.filter(pk=vcenter.pk).update(port=2)
    vcenters.ask()
    assert ("vcenter_away", str(vcenter.pk)) not in dead(), "one question may get lost"
    VCenterSign.objects.update(reached_at=Now() - timedelta(seconds=21))
    assert ("vcenter_away", str(vcenter.pk)) in dead()
    VCenterSign.objects.create(
        vcenter=vcenter, host="other", looked_at=sign.looked_at, reached_at=database_now()
    )
    assert ("vcenter_away", str(vcenter.pk)) not in dead(), "another machine reaches it"


def test_a_repository_that_no_worker_can_use_is_told_of(db):
    factories.everything_lives()
    repository = factories.repository("nfs-01")
    now = database_now()
    sign = RepositorySign.objects.create(
        repository=repository, host="a", looked_at=now, reached_at=now - timedelta(seconds=19)
    )
    assert dead() == []
    RepositorySign.objects.filter(pk=sign.pk).update(
        reached_at=now - timedelta(seconds=21), problem="It is not mounted."
    )
    assert dead() == [("repository_away", str(repository.pk))]
    watch.look()
    assert Incident.objects.get().repository == repository


def test_incidents_are_told_of_once_when_they_begin_and_once_when_they_are_over(db):
    factories.everything_lives()
    last_seen(40, queues="copies")
    for _ in range(2):
        watch.look()
    last_seen(1, queues="copies")
    for _ in range(2):
        watch.look()
    SignOfLife.objects.filter(queues="copies").update(ended_at=Now())
    watch.look()  # it is being started anew
    begun, over = Occurrence.objects.order_by("pk")
    assert (begun.kind, over.kind) == ("worker_dead", "trouble_over")
    assert over.what == f"This is over: {begun.what}"
    last_seen(21, queues="copies")
    watch.look()
    assert Occurrence.objects.count() == 3


def test_what_comes_up_while_vmrep_is_being_started_was_not_dead(db):
    """The first process that started saw all others dead, and told of each."""
    for is_first_start in (True, False):
        if not is_first_start:
            factories.everything_lives(seconds_ago=3600)
        factories.sign_of_life("worker", "tick")
        _started(5)
        watch.look()
        assert not Incident.objects.exists()
    _started(21)
    watch.look()
    told = set(Incident.objects.values_list("kind", "subject"))
    assert told == {*(("worker_dead", each) for each in ("copies", "storage", "control")), BEAT}
    seen_at = SignOfLife.objects.get(queues="copies").seen_at
    assert Incident.objects.get(subject="copies").began_at == seen_at


NEEDED_BY_THE_TICK = ({"kind": "beat"}, {"queues": "tick"})


@pytest.mark.parametrize("which", NEEDED_BY_THE_TICK)
def test_a_tick_is_not_told_of_before_the_death_that_stopped_it_is_seen(db, which):
    """Its last run is older than the last sign of what died: for seconds it alone looked dead."""
    factories.everything_lives()
    last_seen(27, kind="tick")
    seen_at = Now() - timedelta(seconds=18)
    SignOfLife.objects.filter(**which).update(seen_at=seen_at, broker_at=seen_at)
    assert dead() == []
    SignOfLife.objects.update(broker_at=Now() - timedelta(seconds=18))
    SignOfLife.objects.exclude(kind="tick").update(seen_at=Now())
    assert dead() == [], "Redis hangs, and this web server asked it before"


@pytest.mark.parametrize("which", NEEDED_BY_THE_TICK)
@pytest.mark.parametrize("column", ["started_at", "back_at", "broker_since"])
def test_a_tick_has_time_to_run_after_what_it_needs_is_back(db, which, column):
    factories.everything_lives()
    last_seen(60, kind="tick")
    SignOfLife.objects.filter(**which).update(**{column: Now() - timedelta(seconds=9)})
    assert dead() == []
    SignOfLife.objects.filter(**which).update(**{column: Now() - timedelta(seconds=16)})
    assert dead() == [("tick_late", "")]


@pytest.mark.django_db(transaction=True)
def test_after_minutes_without_the_database_nobody_is_dead_before_it_could_give_a_sign(monkeypatch):
    """The first process that reached it again saw all others dead, and told of each."""
    factories.everything_lives(seconds_ago=60)
    heart = signs.Heart("worker", lambda: ["copies"], 2)
    heart._beat()
    assert SignOfLife.objects.get(name=this_worker()).back_at is None
    long_ago = database_now() - timedelta(seconds=60)
    heart._started_at = heart._seen_at = heart._broker_since = long_ago
    heart._beat()
    sign = SignOfLife.objects.get(name=this_worker())
    assert sign.back_at > long_ago
    assert (sign.started_at, sign.broker_since) == (long_ago, long_ago)
    assert not Incident.objects.exists()
    monkeypatch.setattr(broker, "problem", lambda **_: "refused")
    heart._beat()
    assert SignOfLife.objects.get(name=this_worker()).broker_since is None


BEAT = ("beat_dead", "")


def _started(seconds_ago: int) -> None:
    started_at = Now() - timedelta(seconds=seconds_ago)
    SignOfLife.objects.filter(queues="tick").update(started_at=started_at)


def test_redis_is_well_again_when_every_process_reaches_it(db, monkeypatch):
    factories.everything_lives()
    monkeypatch.setattr(broker, "problem", lambda **_: "refused")
    SignOfLife.objects.update(broker_at=Now() - timedelta(seconds=60))
    watch.look()
    monkeypatch.setattr(broker, "problem", lambda **_: "")
    SignOfLife.objects.exclude(kind="beat").update(broker_at=Now())
    watch.look()
    assert Incident.objects.get().ended_at is None, "beat does not reach it"
    SignOfLife.objects.update(broker_at=Now())
    watch.look()
    assert Incident.objects.get().ended_at is not None


def test_a_repository_that_is_nearly_full_is_told_of(db):
    factories.everything_lives()
    repository = factories.repository("nfs-01")
    room = {"free_bytes": 11, "total_bytes": 100, "full_in_seconds": 8 * 86_400.0}
    now = database_now()
    seen_now = {"looked_at": now, "reached_at": now}
    RepositorySign.objects.create(repository=repository, host="a", **seen_now, **room)
    assert dead() == []
    RepositorySign.objects.update(full_in_seconds=6 * 86_400.0)
    assert dead() == [("space_short", str(repository.pk))]
    RepositorySign.objects.update(full_in_seconds=None, free_bytes=9)
    watch.look()
    assert "nfs-01 is nearly full. Less than a tenth" in Occurrence.objects.get().what
    assert Occurrence.objects.get().repository == repository
    RepositorySign.objects.update(free_bytes=1)
    (trouble,) = seen().troubles
    assert trouble.what.startswith("The repository nfs-01 is full. Less is free than is to stay")
