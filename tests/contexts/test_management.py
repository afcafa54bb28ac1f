"""Taking VMs under management and letting them go."""

import re

import pytest
from django.utils import timezone

from contexts.errors import ContextBusy, NotManageable, NotManaged
from contexts.models import ContextEvent, VMContext
from contexts.services import management
from contexts.states import ContextStatus
from tests import factories

pytestmark = pytest.mark.django_db


def _take(*vms):
    return management.take(vms, repository=factories.repository(), actor="ops")


def test_a_context_id_bears_the_name_made_safe_and_the_time():
    (context,) = _take(factories.discovered_vm("pgtest2"))
    assert re.fullmatch(r"ctx-pgtest2-\d{8}-\d{6}", context.pk)
    assert context.current_status == ContextStatus.DISCOVERED


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("<script>alert(1)</script>/../x", "script-alert-1-script-..-x"),
        ("Ünïcode VM", "n-code-VM"),
        ("../../etc/passwd", "etc-passwd"),
        ("\u202e\n", "vm"),
        ("a" * 300, "a" * 60),
        ("", "vm"),
    ],
)
def test_hostile_names_make_harmless_ids(name, safe):
    assert re.fullmatch(rf"ctx-{re.escape(safe)}-\d{{8}}-\d{{6}}", management.new_context_id(name))


def test_two_vms_of_one_name_taken_in_one_second_get_different_ids():
    at = factories.vcenter()
    contexts = _take(*(factories.discovered_vm("web", at=at) for _ in range(3)))
    assert len({context.pk for context in contexts}) == 3


def test_taking_again_keeps_the_context():
    vm = factories.discovered_vm()
    (first,) = _take(vm)
    (again,) = _take(vm)
    assert again == first
    assert ContextEvent.objects.count() == 1


def test_a_vm_that_is_gone_or_nameless_is_refused_by_name():
    gone = factories.discovered_vm("gone-vm")
    gone.gone_at = timezone.now()
    with pytest.raises(NotManageable, match="gone-vm"):
        _take(gone)
    with pytest.raises(NotManageable, match="nameless"):
        _take(factories.discovered_vm("nameless", instance_uuid=None))


def test_one_that_is_refused_leaves_all_untaken():
    with pytest.raises(NotManageable):
        _take(factories.discovered_vm("good"), factories.discovered_vm("bad", instance_uuid=None))
    assert not VMContext.objects.exists()


def test_a_released_vm_keeps_everything_and_is_revived():
    context = factories.context()
    job = factories.completed_job(context)
    management.release(context, actor="ops")
    context.refresh_from_db()
    assert not context.is_managed
    (again,) = _take(context.vcenter.discovered_vms.get())
    assert again == context
    assert again.is_managed
    assert (again.last_successful_job, again.total_jobs_run) == (job, 1)
    assert again.recovery_points.count() == 1


def test_a_vm_that_is_being_replicated_is_not_released():
    context = factories.context()
    job = factories.pending_job(context)
    with pytest.raises(ContextBusy, match=job.pk):
        management.release(context, actor="ops")


def test_an_unmanaged_vm_cannot_be_released_again():
    context = management.release(factories.context(), actor="ops")
    with pytest.raises(NotManaged):
        management.release(context, actor="ops")
