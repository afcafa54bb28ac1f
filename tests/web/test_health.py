"""What pages tell of who is alive: the page, the banner and marks on every page, what is said after
an act, and two addresses for machines."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client, RequestFactory

from contexts.clock import database_now
from contexts.models import VCenter
from replication.health import broker, watch
from replication.models import Incident, RepositorySign, SignOfLife
from replication.selectors import health as selector
from tests import factories
from tests.web.conftest import HTMX, notices, text
from vmrep import database_away
from vmrep.web.versions import STATUS_POLL_SECONDS

WHAT_IS_MISSING = selector.what_is_missing


@pytest.fixture(autouse=True)
def nobody_is_told_otherwise(no_broker: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is outside of the other tests of pages; Redis answers."""
    monkeypatch.setattr(selector, "what_is_missing", WHAT_IS_MISSING)


@pytest.fixture
def alive(db: None) -> None:
    factories.everything_lives()


def copies_die() -> None:
    SignOfLife.objects.filter(queues="copies").update(seen_at=Now() - timedelta(seconds=31))


def redis_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "problem", lambda **_: "Connection refused.")


def test_every_page_has_a_banner_when_something_needed_is_dead(web, alive):
    for address in ("/virtual-machines/", "/jobs/", "/vcenters/add/", "/health/"):
        page = text(web.get(address))
        assert "No worker of the queue" not in page
        assert "Health: all is well" in page
    copies_die()
    for address in ("/virtual-machines/", "/jobs/", "/vcenters/add/", "/health/"):
        page = text(web.get(address))
        assert "No worker of the queue “copies” is alive." in page, address
        assert "Health: 1 problem" in page


def test_the_polled_part_has_nothing_new_until_something_dies(web, alive):
    page = web.get("/jobs/").content.decode()
    version = page.split('id="status"')[1].split('data-version="')[1].split('"')[0]

    def poll():
        return web.get("/status/", headers=HTMX | {"X-Vmrep-Version": version})

    assert poll().status_code == 204
    copies_die()
    answer = poll()
    assert answer.status_code == 200
    assert "<html" not in text(answer)
    assert 'id="banner" role="status" hx-swap-oob="true"' in text(answer)
    assert "Integrity:" in text(answer)
    assert "No worker of the queue “copies”" in text(answer)


def test_a_death_is_on_every_open_page_within_half_a_minute():
    """The last sign may be from just before the death; the page asked just before it counts."""
    assert selector.DEAD_AFTER.total_seconds() + STATUS_POLL_SECONDS <= 30


def test_a_new_result_of_the_integrity_check_is_news_for_the_polled_part(web, alive):
    from replication.integrity import runs
    from replication.integrity.findings import Scope

    before = web.get("/status/", headers=HTMX)
    version = before.content.decode().split('data-version="')[1].split('"')[0]
    runs.run_now(Scope(), actor="schedule")
    answer = web.get("/status/", headers=HTMX | {"X-Vmrep-Version": version})
    assert "Integrity: ok" in text(answer)


def test_many_problems_are_counted(web, db):
    page = text(web.get("/jobs/"))
    assert "And 2 more problems." in page
    assert "Health: 5 problems" in page


def test_the_page_shows_each_process_what_it_needs_and_incidents(web, alive):
    factories.sign_of_life("worker", "copies", name="stopped:9", ended_at=Now())
    factories.vcenter("Graz").signs.create(
        host="x", looked_at=Now(), problem=f"{factories.HOSTILE_NAME} refused"
    )
    copies_die()
    watch.look()
    page = text(web.get("/health/"))
    for told in ("copies:1", "Dead", "stopped:9", "Ended", "vCenter Graz", "Incidents", "so far"):
        assert told in page, told
    assert factories.HOSTILE_NAME not in page
    assert Incident.objects.count() == 2


def test_a_repository_that_is_short_of_room_is_not_called_dead_nor_said_to_be_well(web, alive):
    now = database_now()
    RepositorySign.objects.create(
        repository=factories.repository("nfs-01"),
        host="a",
        looked_at=now,
        reached_at=now,
        free_bytes=9,
        total_bytes=100,
    )
    page = web.get("/health/").content.decode()
    assert "nfs-01 is nearly full" in page
    row = page.partition("Repository nfs-01</span>")[2]
    assert "Short of room" in page.partition("<h1>")[2].partition("Processes")[0]
    assert "Short of room" in row
    assert "Less than a tenth of its room is free." in row
    assert "Dead" not in page
    file = b"".join(web.get("/health/?format=csv&list=needed").streaming_content).decode()
    (line,) = [line for line in file.splitlines() if "nfs-01" in line]
    assert "Short of room" in line


def test_after_an_act_nothing_green_is_said_while_no_worker_lives(web, alive):
    context = factories.context("pgtest1")
    copies_die()
    answer = web.post(f"/virtual-machines/{context.pk}/replicate/", follow=True)
    (message,) = answer.context["messages"]
    assert message.level_tag == "warning"
    assert str(message).startswith(
        "Replication of pgtest1 is waiting: No worker of the queue “copies” is alive."
    )
    panel = text(web.get(f"/virtual-machines/?vm={context.pk}"))
    assert "The replication is waiting: No worker" in panel
    assert "a replication is under way" not in panel


ACTS = {
    "one": ("/virtual-machines/{vm}/replicate/", {}),
    "bulk": ("/virtual-machines/bulk/", {"vm": "{vm}", "action": "start"}),
    "compare": ("/virtual-machines/{vm}/sync/", {"requested_sync": "checksum"}),
    "check": ("/integrity/check/", {}),
    "discover": ("/discovery/{vcenter}/start/", {}),
}


@pytest.mark.parametrize("act", ACTS)
def test_after_an_act_nothing_green_is_said_while_redis_is_down(web, alive, act, monkeypatch):
    context = factories.context("pgtest1")
    names = {"vm": context.pk, "vcenter": context.vcenter_id}
    redis_dies(monkeypatch)
    address, values = ACTS[act]
    values = {name: value.format(**names) for name, value in values.items()}
    answer = web.post(address.format(**names), values, follow=True)
    (message,) = answer.context["messages"]
    assert message.level_tag == "warning"
    assert "waiting: Redis does not answer (Connection refused.)" in str(message)


@pytest.mark.parametrize("act", ACTS)
def test_after_an_act_it_is_green_when_all_that_it_needs_lives(web, alive, act):
    context = factories.context("pgtest1")
    names = {"vm": context.pk, "vcenter": context.vcenter_id}
    address, values = ACTS[act]
    values = {name: value.format(**names) for name, value in values.items()}
    answer = web.post(address.format(**names), values, follow=True)
    assert {each.level_tag for each in answer.context["messages"]} <= {"success"}


def test_a_running_job_without_any_worker_is_not_said_to_go_on(web, alive):
    context = factories.context("pgtest1")
    job = factories.running_job(context)
    assert "Nothing to do: a replication is under way" in text(
        web.get(f"/virtual-machines/?vm={context.pk}")
    )
    copies_die()
    for address in (f"/virtual-machines/?vm={context.pk}", f"/jobs/{job.pk}/"):
        assert "Replications wait until one is started." in text(web.get(address)).split("<main")[1]
    answer = web.post(f"/jobs/{job.pk}/cancel/", follow=True)
    assert "will be cancelled as soon as its worker can: No worker" in notices(answer)[0]


def test_alive_needs_no_login_and_no_database(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = Client().get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok")


def test_ready_needs_database_migrations_and_keys(db, settings):
    assert Client().get("/readyz").json() == {
        "database": "ok",
        "migrations": "ok",
        "secrets": "ok",
    }
    factories.vcenter()
    VCenter.objects.update(password_encrypted="written with another key")
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["secrets"]) == (503, "unreadable")
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM django_migrations WHERE app = 'replication' AND name ="
            " (SELECT max(name) FROM django_migrations WHERE app = 'replication')"
        )
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["migrations"]) == (503, "missing")


@pytest.mark.django_db(transaction=True)
def test_without_its_database_a_web_server_is_alive_but_not_ready(monkeypatch, tmp_path):
    monkeypatch.setattr(database_away, "TRY_AGAIN_SECONDS", 0.0)
    client = Client(raise_request_exception=False)
    client.force_login(factories.user())  # whose session is in the database
    connection.close()
    nowhere = str(tmp_path / "nowhere")
    where = "NAME" if connection.vendor == "sqlite" else "HOST"
    with monkeypatch.context() as patched:
        patched.setitem(connection.settings_dict, where, f"{nowhere}/database")
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["database"]) == (503, "unreachable")
        assert "nowhere" not in answer.content.decode()
        assert client.get("/healthz").status_code == 200
        page = client.get("/jobs/")
        assert page.status_code == 503
        assert "The database does not answer" in page.text
        assert "nowhere" not in page.text
        assert "Try again in a minute" in page.text
        # It may have been the answer to COMMIT that did not come.
        for changes in ("/jobs/", "/api/v1/vm-contexts/"):
            patched.setattr(database_away, "_tried_at", None)  # nobody knows yet
            said = text(client.post(changes))
            assert "Whether your change was made is not known" in said
            assert "Nothing was changed" not in said
        answer = client.get("/api/v1/health/")
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unreachable")
        connection.close()
    assert client.get("/readyz").status_code == 200
    assert client.get("/jobs/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_while_the_database_is_away_not_every_request_waits_for_it(monkeypatch, tmp_path):
    monkeypatch.setattr(database_away, "TRY_AGAIN_SECONDS", 3600.0)
    monkeypatch.setattr(database_away, "_tried_at", None)
    connection.close()
    where = "NAME" if connection.vendor == "sqlite" else "HOST"
    with monkeypatch.context() as patched:
        patched.setitem(connection.settings_dict, where, str(tmp_path / "nowhere" / "database"))
        assert Client().get("/readyz").status_code == 503
        connection.close()
    # It is back, but nobody asks it yet; that would have been a wait of many seconds for each.
    assert Client().get("/readyz").status_code == 503
    assert Client().get("/login/").status_code == 503
    assert "Nothing was changed" in Client().post("/login/").text
    monkeypatch.setattr(database_away, "TRY_AGAIN_SECONDS", 0.0)
    assert Client().get("/login/").status_code == 200
    monkeypatch.setattr(database_away, "TRY_AGAIN_SECONDS", 3600.0)
    assert Client().get("/readyz").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_web_server_gives_signs_from_its_first_request_on(monkeypatch):
    from replication.health import signs
    from vmrep.notifications import courier
    from vmrep.wsgi import application

    begun = []  # no thread stays behind in the tests' process
    monkeypatch.setattr(signs, "begin", begun.append)
    monkeypatch.setattr(courier, "begin", begun.append)
    for _ in range(2):
        environ = RequestFactory().get("/healthz").environ
        answer = application(environ, lambda *_: None)
        answer.close()
    assert begun == ["web", courier.PATIENCE]
