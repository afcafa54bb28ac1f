"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

from vmrep.client.calls import Calls, Page
from vmrep.client.generated import models


class RepositoriesFilter(TypedDict, total=False):
    fields: Sequence[str] | None
    kind: Sequence[str] | None
    ordering: Sequence[str] | None
    search: str | None


class RepositoriesQuery(RepositoriesFilter, Page, total=False):
    pass


class RepositoryPointsFilter(TypedDict, total=False):
    damaged: bool | None
    fields: Sequence[str] | None
    ordering: Sequence[str] | None
    period: str | None
    quiesced: bool | None
    state: Sequence[str] | None
    vm: str | None


class RepositoryPointsQuery(RepositoryPointsFilter, Page, total=False):
    pass


class RepositorySpaceFilter(TypedDict, total=False):
    fields: Sequence[str] | None
    ordering: Sequence[str] | None
    period: str | None


class RepositorySpaceQuery(RepositorySpaceFilter, Page, total=False):
    pass


class RepositoryVmsFilter(TypedDict, total=False):
    fields: Sequence[str] | None
    managed: bool | None
    ordering: Sequence[str] | None
    search: str | None


class RepositoryVmsQuery(RepositoryVmsFilter, Page, total=False):
    pass


class Repositories(Calls):
    def get_repositories(self, **query: Unpack[RepositoriesQuery]) -> models.RepositoryPage:
        """All repositories."""
        return self._get("/api/v1/repositories/", query=query)

    def all_repositories(self, **query: Unpack[RepositoriesFilter]) -> Iterator[models.Repository]:
        """All rows of `get_repositories`, page by page."""
        return self._rows("/api/v1/repositories/", query=query)

    def post_repositories(self, body: models.NewRepository) -> models.RepositoryDetailAnswer:
        """What a folder is, and with that confirmed make it one."""
        return self._send("POST", "/api/v1/repositories/", body=body)

    def get_repository(self, repository_id: int) -> models.RepositoryDetailAnswer:
        """One repository."""
        return self._get("/api/v1/repositories/{}/", repository_id)

    def patch_repository(
        self,
        repository_id: int,
        body: models.ChangedRepository | None = None,
        *,
        if_match: str | None = None,
    ) -> models.RepositoryDetailAnswer:
        """Its name, its reserve."""
        return self._send(
            "PATCH", "/api/v1/repositories/{}/", repository_id, body=body, if_match=if_match
        )

    def delete_repository(self, repository_id: int, *, if_match: str | None = None) -> None:
        """Remove it, if nothing is kept there any more; its folder stays."""
        self._send("DELETE", "/api/v1/repositories/{}/", repository_id, if_match=if_match)

    def get_repository_points(
        self, repository_id: int, **query: Unpack[RepositoryPointsQuery]
    ) -> models.RecoveryPointPage:
        """The recovery points that are there, newest first."""
        return self._get("/api/v1/repositories/{}/recovery-points/", repository_id, query=query)

    def all_repository_points(
        self, repository_id: int, **query: Unpack[RepositoryPointsFilter]
    ) -> Iterator[models.RecoveryPoint]:
        """All rows of `get_repository_points`, page by page."""
        return self._rows("/api/v1/repositories/{}/recovery-points/", repository_id, query=query)

    def get_repository_space(
        self, repository_id: int, **query: Unpack[RepositorySpaceQuery]
    ) -> models.RepositorySpacePage:
        """How full it was, hour by hour, newest first."""
        return self._get("/api/v1/repositories/{}/space/", repository_id, query=query)

    def all_repository_space(
        self, repository_id: int, **query: Unpack[RepositorySpaceFilter]
    ) -> Iterator[models.RepositorySpace]:
        """All rows of `get_repository_space`, page by page."""
        return self._rows("/api/v1/repositories/{}/space/", repository_id, query=query)

    def get_repository_vms(
        self, repository_id: int, **query: Unpack[RepositoryVmsQuery]
    ) -> models.VMInRepositoryPage:
        """The VMs that are kept there, or left something there."""
        return self._get("/api/v1/repositories/{}/vms/", repository_id, query=query)

    def all_repository_vms(
        self, repository_id: int, **query: Unpack[RepositoryVmsFilter]
    ) -> Iterator[models.VMInRepository]:
        """All rows of `get_repository_vms`, page by page."""
        return self._rows("/api/v1/repositories/{}/vms/", repository_id, query=query)
