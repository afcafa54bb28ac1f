"""What every view of the API has in common."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from vmrep.api.bodies import JSONParser
from vmrep.api.etags import Editable, tagged
from vmrep.api.lists import require_known


class View(APIView):
    """Login is required (the settings' default); bodies are JSON."""

    parser_classes = [JSONParser]
    editable: Editable = ()
    """What of its GET's answer can be changed at this address: `If-Match` compares it."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """A POST has its values in the body: parameters in its address would be ignored. So would
        headers be that mean something elsewhere."""
        super().initial(request, *args, **kwargs)
        if request.method == "POST":
            require_known(request, ())
        method = getattr(self, str(request.method).lower(), None)
        for header, mark in (("Idempotency-Key", "is_idempotent"), ("If-Match", "is_versioned")):
            if header in request.headers and not hasattr(method, mark):
                raise ValidationError({header: f"{request.method} does not take it here."})

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        if request.method == "GET" and answer.status_code == status.HTTP_200_OK:
            tagged(answer, request, self.editable)
        return answer


def username(request: Request) -> str:
    return str(request.user.get_username())


def address(request: Request, name: str, *args: Any) -> str:
    """The full address of a view of this API."""
    return str(request.build_absolute_uri(reverse(f"api:{name}", args=args)))


def see(request: Request, body: Any, code: int, name: str, *args: Any) -> Response:
    """An answer with a Location header."""
    return Response(body, status=code, headers={"Location": address(request, name, *args)})
