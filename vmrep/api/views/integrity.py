"""The integrity check: its last result, and requesting another run."""

from __future__ import annotations

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from replication.integrity import runs
from replication.integrity.selectors import findings_of, integrity
from replication.models import IntegrityRun
from vmrep import access
from vmrep.access import Verb
from vmrep.api.bodies import Nothing, read
from vmrep.api.lists import require_known
from vmrep.api.once import idempotent
from vmrep.api.schema.operations import described
from vmrep.api.serializers.answers import IntegrityAnswer
from vmrep.api.serializers.integrity import FindingSerializer, IntegrityRunSerializer
from vmrep.api.views.base import View, see, username


class Integrity(View):
    """GET: the last run with its findings, and the active run. POST: check now (202)."""

    @described(IntegrityAnswer)
    def get(self, request: Request) -> Response:
        visible = access.integrity_runs(request.user)
        require_known(request, set())
        state = integrity(visible)
        findings = []
        if state.last:
            findings = list(access.rows(request.user, Verb.VIEW, findings_of(state.last)))
        left = [finding for finding in findings if not finding.repaired]
        mended = [finding for finding in findings if finding.repaired]
        return Response(
            {
                "ok": state.look == "ok",
                "run": _run(state.last),
                "active_run": _run(state.active),
                "findings": FindingSerializer(left, many=True).data,
                "repaired": FindingSerializer(mended, many=True).data,
            }
        )

    @described(IntegrityRunSerializer, status=202, body=Nothing)
    @idempotent
    def post(self, request: Request) -> Response:
        access.require(request.user, Verb.CHECK, IntegrityRun)
        read(Nothing, request.data)
        run = runs.request(actor=username(request))
        return see(request, _run(run), status.HTTP_202_ACCEPTED, "integrity")


def _run(run: IntegrityRun | None) -> dict[str, object] | None:
    return dict(IntegrityRunSerializer(run).data) if run else None
