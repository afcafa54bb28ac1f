"""What the lines of a log belong to: for collectors that look for a job's, a VM's or a vCenter's.

It is bound to what a thread does, not to its messages. Threads that are begun meanwhile have to be
given it: `copy_context().run`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from structlog.contextvars import bound_contextvars

from contexts.models import VCenter, VMContext


def of_vm(vm: VMContext, **more: object) -> AbstractContextManager[None]:
    """Every line that is written within is about this VM; `more`: and about its job."""
    about = {"vm": vm.vm_name or "", "context": vm.pk, "vcenter": vm.vcenter.name}
    return bound_contextvars(**about, **more)


def of_vcenter(vcenter: VCenter) -> AbstractContextManager[None]:
    return bound_contextvars(vcenter=vcenter.name)
