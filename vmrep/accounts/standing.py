"""What is known of a user when a request asks what the user may do: the role, and of which VMs."""

from __future__ import annotations

from typing import NamedTuple

from django.contrib.auth.models import AbstractUser, User
from django.db.models import Q

from vmrep.accounts.models import Scope
from vmrep.accounts.roles import Role

_KEPT = "_standing"


class Place(NamedTuple):
    """A vCenter (`folder` is empty), or a folder in it and all below: an inventory path."""

    vcenter_id: int
    folder: str


class Standing(NamedTuple):
    """`role`: None, and the user may do nothing. `places`: None, and the user sees all VMs."""

    role: Role | None
    places: frozenset[Place] | None


NOBODY = Standing(None, frozenset())


def standing_of(user: object) -> Standing:
    """Two queries, once for each user that a request reads; none for a superuser."""
    if not isinstance(user, AbstractUser) or not user.is_active:
        return NOBODY
    if user.is_superuser:
        return Standing(Role.ADMIN, None)
    if _KEPT not in user.__dict__:
        user.__dict__[_KEPT] = _read(user)
    kept: Standing = user.__dict__[_KEPT]
    return kept


def reader_of_all(name: str) -> User:
    """Somebody who is in no table, and may see what a viewer of all VMs sees."""
    reader = User(username=name)
    reader.__dict__[_KEPT] = Standing(Role.VIEWER, None)
    return reader


def _read(user: AbstractUser) -> Standing:
    of_user = user.groups.filter(name__in=list(Role)).values_list("name", flat=True)
    roles = set(of_user)
    role = next((role for role in reversed(Role) if role in roles), None)
    if role is None:
        return NOBODY
    mine = Scope.objects.filter(Q(user=user.pk) | Q(group__user=user.pk)).order_by()
    rows = list(mine.values_list("vcenter", "folder"))
    if not rows:
        return Standing(role, None)
    return Standing(role, frozenset(Place(*row) for row in rows if row[0] is not None))
