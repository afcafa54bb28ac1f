"""A refused login is remembered: jobs, discoveries and clean-ups do not lock the account."""

import threading

import pytest

from contexts.models import VCenter
from contexts.services import connections, logins, vcenters
from contexts.vsphere.errors import ConnectionLost, LoginRefused
from replication.scheduler import tick
from replication.states import JobStatus
from replication.sync import cleanup, runner


@pytest.fixture
def ready(estate, small1):
    return small1


def refused(estate) -> int:
    return estate.control.logins()["refused"]


@pytest.mark.slow
def test_no_number_of_jobs_locks_the_account(estate, ready):
    estate.control.limit_logins(lock_after=4)
    estate.control.set_password("another")
    for _ in range(7):
        job = estate.run_job(ready)
        assert (job.status, job.error_code) == (JobStatus.FAILED, "login_refused")
        assert "administrator@vsphere.local" in job.error_message
        assert "incorrect user name or password" in job.error_message
        tick.tick()
        cleanup.clean_context(ready.pk)
    run = estate.discover()
    assert run.status == "failed"
    assert "does not try again by itself" in run.error_message.replace("\n", " ")
    assert refused(estate) == 1
    vcenter = VCenter.objects.get()
    assert vcenter.login_refused_at is not None

    # By hand it is tried once, and found out when the vCenter is put right.
    assert connections.test(vcenter).outcome == connections.FAILED
    assert refused(estate) == 2
    with pytest.raises(LoginRefused):
        vcenters.update(vcenter, password="still wrong")
    vcenters.update(VCenter.objects.get(), password="another")
    assert VCenter.objects.get().login_refused_at is None
    assert not estate.control.logins()["locked"]
    estate.replicate(ready)


def test_a_connection_test_that_works_ends_it(estate, ready):
    estate.control.set_password("another")
    estate.run_job(ready)
    estate.control.set_password(estate.lab.password)
    assert estate.run_job(ready).error_code == "login_refused"
    assert connections.test(VCenter.objects.get()).outcome == connections.OK
    assert VCenter.objects.get().login_refused_why == ""
    estate.replicate(ready)


def test_of_many_workers_at_once_one_tries(estate):
    estate.control.set_password("another")
    vcenter = VCenter.objects.get()
    begin = threading.Barrier(7)
    told: list[Exception] = []

    def log_in() -> None:
        session = vcenters.session(vcenter)
        session._decides._owner = 0  # its connection to the database is closed with the thread
        begin.wait(10)
        try:
            session.connect()
        except LoginRefused as problem:
            told.append(problem)
        finally:
            session.close()

    threads = [threading.Thread(target=log_in) for _ in range(7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(told) == 7
    assert refused(estate) == 1


def test_a_password_that_changes_in_mid_job_is_tried_once(estate, ready, monkeypatch):
    make_plan = runner.make_plan

    def expire_and_plan(attempt):
        estate.control.set_password("another")
        estate.control.expire_sessions()
        make_plan(attempt)

    monkeypatch.setattr(runner, "make_plan", expire_and_plan)
    assert estate.run_job(ready).error_code == "login_refused"
    assert refused(estate) == 1
    monkeypatch.undo()
    estate.control.set_password(estate.lab.password)
    vcenters.update(VCenter.objects.get(), password=estate.lab.password)
    cleanup.clean_context(ready.pk)
    estate.assert_nothing_left_over(ready)


def test_an_old_password_says_nothing_of_the_new_one(estate):
    old = VCenter.objects.get()
    estate.control.set_password("another")
    vcenters.update(VCenter.objects.get(), password="another")
    with pytest.raises(ConnectionLost, match="has been changed"):
        vcenters.session(old).connect()
    logins.refused(old, LoginRefused("no"))
    assert VCenter.objects.get().login_refused_at is None
    assert refused(estate) == 0


@pytest.mark.parametrize(
    ("fault", "is_remembered", "code"),
    [
        ("InvalidLogin", True, "login_refused"),
        ("PasswordExpired", True, "login_refused"),
        ("NoPermission", False, "privilege_missing"),
        ("SystemError", False, "vsphere_fault"),
    ],
)
def test_only_what_may_lock_an_account_is_remembered(estate, ready, fault, is_remembered, code):
    estate.control.fail("Login", fault=fault, message="said the vCenter")
    job = estate.run_job(ready)
    assert "said the vCenter" in job.error_message
    assert (VCenter.objects.get().login_refused_at is not None) is is_remembered
    if job.status == JobStatus.FAILED:
        assert job.error_code == code
    assert VCenter.objects.get().login_tried_until is None


def test_a_worker_that_died_while_it_logged_in_holds_nobody_up_for_good(estate, monkeypatch):
    vcenter = VCenter.objects.get()
    logins.Logins(vcenter).begin()
    monkeypatch.setattr(logins, "WAIT_SECONDS", 0.2)
    with pytest.raises(ConnectionLost, match="Other workers"):
        logins.Logins(vcenter).begin()
    monkeypatch.setattr(logins, "TRIES_FOR", logins.TRIES_FOR * 0)
    VCenter.objects.update(login_tried_until=None)
    logins.Logins(vcenter).begin()
    logins.Logins(vcenter).begin()


def test_who_took_too_long_does_not_end_the_turn_of_the_next(estate, monkeypatch):
    vcenter = VCenter.objects.get()
    slow, next_one = logins.Logins(vcenter), logins.Logins(vcenter)
    with monkeypatch.context() as patch:
        patch.setattr(logins, "TRIES_FOR", logins.TRIES_FOR * 0)
        slow.begin()
    next_one.begin()
    slow.end(None)
    assert VCenter.objects.get().login_tried_until is not None
    next_one.end(None)
    assert VCenter.objects.get().login_tried_until is None
