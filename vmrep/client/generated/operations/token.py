"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from vmrep.client.calls import Calls
from vmrep.client.generated import models


class Token(Calls):
    def post_token(self, body: models.Login) -> models.TokenAnswer:
        """A new token, for the user's name and password. Needs no login."""
        return self._send("POST", "/api/v1/token/", body=body)
