"""Who is alive."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from contexts.clock import about_now
from replication.selectors.health import Answering, health
from vmrep import access
from vmrep.api.lists import require_known
from vmrep.api.schema.operations import described
from vmrep.api.serializers.answers import HealthAnswer
from vmrep.api.serializers.health import IncidentSerializer, ProcessSerializer
from vmrep.api.views.base import View

SHOWN_INCIDENTS = 50


class Health(View):
    """GET: what lives, what is dead, and the newest incidents."""

    @described(HealthAnswer)
    def get(self, request: Request) -> Response:
        incidents = access.incidents(request.user)[:SHOWN_INCIDENTS]
        require_known(request, ())
        state = health(about_now(), access.parts(request.user))
        return Response(
            {
                "ok": state.is_well,
                "troubles": [each._asdict() for each in state.troubles],
                "processes": [
                    {"state": each.state, **ProcessSerializer(each.sign).data}
                    for each in state.processes
                ],
                "redis": {"problem": state.redis, "answered_at": state.redis_at},
                "tick": {
                    "state": "alive" if state.tick_is_alive else "dead",
                    "ran_at": state.tick_at,
                },
                "vcenters": [_answering(each) for each in state.vcenters],
                "repositories": [_answering(each) for each in state.repositories],
                "incidents": IncidentSerializer(incidents, many=True).data,
            }
        )


def _answering(each: Answering) -> dict[str, object]:
    return {
        "id": each.id,
        "name": each.name,
        "state": each.state,
        "problem": each.problem,
        "asked_at": each.looked_at,
        "answered_at": each.reached_at,
    }
