"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from vmrep.client.generated.models.shared import RecoveryPoint


class ChangedRepository(TypedDict):
    """Changes to a repository; fields that are not given stay unchanged."""

    name: NotRequired[str]
    reserve_bytes: NotRequired[int | None]


class Forecast(TypedDict):
    """How full a repository is, and will be, as its page says it."""

    free_bytes: int | None
    total_bytes: int | None
    reserved_bytes: int | None
    under_way_bytes: int
    steady_bytes: int | None
    levels_off: bool
    full_in_seconds: float | None


class NewRepository(TypedDict):
    """A folder to become a repository. `device` and `on_system_disk` confirm what the first
    answer said of it."""

    name: str
    path: str
    device: NotRequired[int]
    on_system_disk: NotRequired[bool]


class RecoveryPointPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[RecoveryPoint]


class Repository(TypedDict):
    id: int
    name: str
    kind: Literal["directory"]
    uuid: str
    config: NotRequired[dict[str, object]]
    reserve_bytes: int | None
    context_count: int
    point_count: int
    stored_bytes: int
    created_at: str
    updated_at: str


class RepositoryDetailAnswer(TypedDict):
    id: int
    name: str
    kind: Literal["directory"]
    uuid: str
    config: NotRequired[dict[str, object]]
    reserve_bytes: int | None
    context_count: int
    point_count: int
    stored_bytes: int
    created_at: str
    updated_at: str
    forecast: Forecast
    signs: list[RepositorySign]


class RepositoryPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Repository]


class RepositorySign(TypedDict):
    """What the workers of one machine last saw of it."""

    host: str
    looked_at: str
    reached_at: str | None
    problem: str
    free_bytes: int | None
    total_bytes: int | None
    full_in_seconds: float | None


class RepositorySpace(TypedDict):
    hour: str
    free_bytes: int
    total_bytes: int
    stored_bytes: int


class RepositorySpacePage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[RepositorySpace]


class VMInRepository(TypedDict):
    """A VM that has something in a repository, or is kept there."""

    context_id: str
    vm_name: str | None
    repository_id: int | None
    unmanaged_at: str | None
    point_count: int
    going_count: int
    oldest_at: str | None
    newest_at: str | None
    stored_bytes: int


class VMInRepositoryPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[VMInRepository]
