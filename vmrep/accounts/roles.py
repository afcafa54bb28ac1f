"""The roles that a user can have. What each may do stands in `vmrep.access`, and nowhere else."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """The name of the role's group. Each role may do all that the one before it may.

    A superuser is an admin, whatever the groups say. Whoever has no role sees nothing."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        return list(Role).index(self)
