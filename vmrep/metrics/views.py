"""The address that Prometheus scrapes."""

from __future__ import annotations

import hmac
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.utils.cache import patch_cache_control
from django.utils.decorators import method_decorator
from prometheus_client.exposition import choose_encoder
from rest_framework import authentication, exceptions
from rest_framework.request import Request
from rest_framework.views import APIView

from vmrep import access
from vmrep.access import Verb
from vmrep.accounts.authentication import TokenAuthentication
from vmrep.accounts.standing import reader_of_all
from vmrep.metrics.collector import OneScrape, read
from vmrep.notifications.models import Delivery
from vmrep.notifications.states import OPEN_STATES


class OwnToken(authentication.BaseAuthentication):
    """The installation's token for monitoring (`VMREP_METRICS_TOKEN`): it reads this and nothing
    else, as a viewer of all VMs."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        word, _, given = request.headers.get("Authorization", "").partition(" ")
        own = settings.METRICS_TOKEN
        if not own or word not in ("Bearer", "Token"):
            return None
        if not hmac.compare_digest(given.encode(), own.encode()):
            return None
        return reader_of_all("metrics"), None

    def authenticate_header(self, request: Request) -> str:
        """Makes the answer to whoever has none a 401."""
        return "Bearer"


class BearerToken(TokenAuthentication):
    """A user's own, by the word that Prometheus sends unless it is told another."""

    keyword = "Bearer"


class Metrics(APIView):
    """GET: the metrics of what the user sees, in the format that the client asks for. With
    `?vms=no` without the series of each VM."""

    schema = None  # it is no part of the API
    authentication_classes = [
        OwnToken,
        BearerToken,
        TokenAuthentication,
        authentication.SessionAuthentication,
    ]

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Of errors: JSON. Figures come in whichever of Prometheus's formats is asked for."""
        return super().perform_content_negotiation(request, force=True)

    def get(self, request: Request) -> HttpResponse:
        wanted = request.query_params.get("vms", "yes")
        if set(request.query_params) - {"vms"} or wanted not in ("yes", "no"):
            raise exceptions.ValidationError({"vms": "The only parameter is vms=yes or vms=no."})
        seen, deliveries = access.monitored(request.user), _deliveries(request.user)
        found = read(seen, deliveries, with_vms=wanted == "yes")
        encode, kind = choose_encoder(request.headers.get("Accept", ""))
        answer = HttpResponse(encode(OneScrape(found)), content_type=kind)
        patch_cache_control(answer, no_store=True)
        return answer


def _deliveries(user: access.User) -> int | None:
    """How many messages wait; None for whoever does not see them."""
    if not access.may(user, Verb.VIEW, Delivery):
        return None
    waiting = Delivery.objects.filter(state__in=OPEN_STATES)
    return access.rows(user, Verb.VIEW, waiting).count()


metrics = method_decorator(login_not_required)(Metrics.as_view())
