"""What every view of the API has in common."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from vmrep.api.bodies import JSONParser
from vmrep.api.lists import require_known


class View(APIView):
    """Login is required (the settings' default); bodies are JSON."""

    parser_classes = [JSONParser]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """A POST has its values in the body: parameters in its address would be ignored."""
        super().initial(request, *args, **kwargs)
        if request.method == "POST":
            require_known(request, ())


def username(request: Request) -> str:
    return str(request.user.get_username())


def address(request: Request, name: str, *args: Any) -> str:
    """The full address of a view of this API."""
    return str(request.build_absolute_uri(reverse(f"api:{name}", args=args)))


def see(request: Request, body: Any, status: int, name: str, *args: Any) -> Response:
    """An answer with a Location header."""
    return Response(body, status=status, headers={"Location": address(request, name, *args)})
