"""A failed job says why in a code that programs can rely on."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from django.db import IntegrityError, transaction

import contexts
import replication
from contexts.error_codes import UNEXPECTED, WORKER_LOST, code_of
from contexts.errors import ContextError
from contexts.vsphere.errors import CbtFault, CertificateNotTrusted, NotVSphere, VSphereError
from replication.engine.errors import EngineError, RepositoryFull
from replication.errors import OthersAtWork, PreflightRefused, RemovalUnfinished, TryAgain
from replication.models import ReplicationJob
from replication.reports.failures import WORDS
from replication.scheduler.next_job import FOR_A_PERSON
from replication.services import finish
from replication.states import ReplicationType, type_of
from tests import error_codes, factories
from vmrep import api, notifications

pytestmark = pytest.mark.any_database

# Whose failures the API answers, or jobs have: those of other modules only pages and commands tell.
ANSWERED = ("contexts.", "replication.", "vmrep.notifications.", "vmrep.web.saved_views")
ANSWERED += ("vmrep.accounts.tokens", "vmrep.accounts.users")


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


def import_everything() -> None:
    """A class is known once its module is."""
    for package in (contexts, replication, notifications, api):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" not in module.name:
                importlib.import_module(module.name)


def classes(base: type[Exception]) -> Iterator[type[Exception]]:
    for kind in base.__subclasses__():
        if kind.__module__.startswith(ANSWERED):
            yield kind
            yield from classes(kind)


def code_of_class(kind: type[Exception]) -> str:
    return code_of(kind.__new__(kind))


def test_every_expected_failure_has_a_code_that_is_documented():
    """A class that is renamed changes what programs compare with: the list must say so."""
    import_everything()
    documented = error_codes.documented()
    known = {UNEXPECTED, WORKER_LOST, *error_codes.of_requests()}
    known |= {code_of_class(kind) for kind in (TryAgain, OthersAtWork, RemovalUnfinished)}
    for base in (VSphereError, EngineError, ContextError):
        known |= {code_of_class(kind) for kind in classes(base)}
    assert {code for code in known if len(code) > 60} == set()
    assert sorted(known - documented) == []
    assert sorted(documented - known) == []


def test_every_code_that_a_job_fails_with_by_itself_has_words():
    import_everything()
    codes = {UNEXPECTED, WORKER_LOST, *FOR_A_PERSON}
    for base in (VSphereError, EngineError):
        codes |= {code_of_class(kind) for kind in classes(base)}
    codes |= {code_of_class(kind) for kind in (TryAgain, OthersAtWork, RemovalUnfinished)}
    assert sorted(codes - set(WORDS)) == []
    assert sorted(set(WORDS) - error_codes.documented()) == []


def test_a_code_is_what_the_class_says_or_its_name():
    assert code_of_class(CertificateNotTrusted) == "certificate_not_trusted"
    assert code_of_class(PreflightRefused) == "preflight_refused"
    assert code_of_class(CbtFault) == "cbt_fault"
    assert code_of_class(NotVSphere) == "not_vsphere"


@pytest.mark.django_db
def test_a_failed_job_keeps_it():
    job = factories.running_job(factories.context())
    finish.failed(job.pk, "Full.", code=code_of(RepositoryFull("Full.")))
    job.refresh_from_db()
    assert (job.status, job.error_code) == ("failed", "repository_full")


@pytest.mark.django_db
def test_a_job_that_is_tried_again_has_none_until_it_is_given_up(monkeypatch):
    job = factories.running_job(factories.context())
    finish.try_again(job.pk, "Away.", code="connection_lost")
    job.refresh_from_db()
    assert (job.status, job.error_code) == ("pending", None)
    monkeypatch.setattr(finish, "MAX_ATTEMPTS", 0)
    finish.try_again(job.pk, "Away.", code="connection_lost")
    job.refresh_from_db()
    assert (job.status, job.error_code) == ("failed", "connection_lost")


@pytest.mark.django_db
def test_only_a_failed_job_can_have_one():
    job = factories.pending_job(factories.context())
    with pytest.raises(IntegrityError), transaction.atomic():
        ReplicationJob.objects.filter(pk=job.pk).update(error_code="x")
    failed = factories.failed_job(factories.context())
    assert failed.error_code == UNEXPECTED
    with pytest.raises(IntegrityError), transaction.atomic():
        ReplicationJob.objects.filter(pk=failed.pk).update(error_code="")


@pytest.mark.parametrize(
    ("sync_types", "kind"),
    [
        (["initial", "checksum", "incremental"], ReplicationType.INITIAL),
        (["checksum", "incremental"], ReplicationType.CHECKSUM),
        (["checksum"], ReplicationType.CHECKSUM),
        (["incremental"], ReplicationType.INCREMENTAL),
    ],
)
def test_a_job_that_compared_whole_disks_is_not_called_initial(sync_types, kind):
    assert type_of(sync_types) == kind
