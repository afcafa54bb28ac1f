"""How well targets were kept: of one VM, and of all VMs of a policy."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from contexts.clock import about_now
from replication.selectors import rpo_history
from replication.selectors.rpo_history import History, Kept
from vmrep import access
from vmrep.access import Verb
from vmrep.api.lists import require_known
from vmrep.api.schema.operations import described
from vmrep.api.serializers.answers import ContextHistoryAnswer, PolicyHistoryAnswer
from vmrep.api.views.base import View


class ContextHistory(View):
    """GET: shares of time within the target, and the VM's spells of the last 30 days."""

    @described(ContextHistoryAnswer)
    def get(self, request: Request, context_id: str) -> Response:
        require_known(request, set())
        context = access.context(request.user, context_id, Verb.VIEW)
        now = about_now()
        spells = rpo_history.spells_of(context, now - max(rpo_history.PERIODS))
        found = rpo_history.history(rpo_history.of_vm(context), now)
        return Response({**_shown(found), "spells": [each._asdict() for each in spells]})


class PolicyHistory(View):
    """GET: shares of time within the target of the VMs for which the policy says when."""

    @described(PolicyHistoryAnswer)
    def get(self, request: Request, policy_id: int) -> Response:
        require_known(request, set())
        policy = access.policy(request.user, policy_id, Verb.VIEW)
        contexts = access.visible(request.user).contexts
        spells = rpo_history.of_policy(policy, contexts)
        return Response(_shown(rpo_history.history(spells, about_now())))


def _shown(found: History) -> dict[str, Any]:
    return {"periods": list(map(_kept, found.periods)), "days": list(map(_kept, found.days))}


def _kept(kept: Kept) -> dict[str, Any]:
    return {
        "begins_at": kept.begins_at,
        "ends_at": kept.ends_at,
        "within_target": kept.share,
    }
