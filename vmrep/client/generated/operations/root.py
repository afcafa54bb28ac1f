"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from vmrep.client.calls import Calls
from vmrep.client.generated import models


class Root(Calls):
    def get_root(self) -> models.RootAnswer:
        """The API's addresses."""
        return self._get("/api/v1/")
