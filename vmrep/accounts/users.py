"""Managing users: their roles, of which VMs they see anything, and whether they may log in.

There is always an active admin who sees all VMs: whatever would take the last one's rights away is
refused.
"""

from __future__ import annotations

import logging

from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from contexts.errors import ContextError
from contexts.models import VCenter
from contexts.services.transactions import one_transaction
from vmrep.accounts.models import Scope
from vmrep.accounts.roles import Role

log = logging.getLogger(__name__)

LONGEST_FOLDER = 4000
MOST_PLACES = 100
"""Of one user."""


class UserRefused(ContextError):
    """What cannot be done with a user, or not by this one."""

    code = "user_refused"


def in_list() -> QuerySet[User]:
    """All users with their places and roles (`role_of`); those of groups count, too."""
    roles = Group.objects.filter(name__in=list(Role))
    return User.objects.prefetch_related(Prefetch("groups", roles), "scopes__vcenter").order_by(
        "username"
    )


def role_of(user: User) -> Role | None:
    """Of one of `in_list`; what counts when something is asked is `standing.standing_of`."""
    if user.is_superuser:
        return Role.ADMIN
    names = {group.name for group in user.groups.all()}
    return next((role for role in reversed(Role) if role in names), None)


@one_transaction
def add(username: str, password: str, role: Role | None, *, actor: str) -> User:
    """Raises ValidationError for a name that is taken or impossible, and for a weak password."""
    user = User(username=User.normalize_username(username))
    user.set_password(password)
    user.full_clean()
    validate_password(password, user)
    user.save()
    _give(user, role)
    log.info("%s added the user %s as %s", actor, user.pk, role or "nobody")
    return user


@one_transaction
def set_role(user: User, role: Role | None, *, actor: str) -> None:
    """Instead of what the user was before, a superuser, too. Raises UserRefused."""
    user = _locked(user)
    if role != Role.ADMIN:
        _require_another_admin(user)
    _give(user, role)
    user.is_superuser = user.is_staff = False
    _save(user, "is_superuser", "is_staff")
    log.info("%s made the user %s %s", actor, user.pk, role or "nobody")


@one_transaction
def set_password(user: User, password: str, *, actor: str) -> None:
    """Ends the user's sessions. Raises ValidationError."""
    user = _locked(user)
    validate_password(password, user)
    user.set_password(password)
    _save(user, "password")
    log.info("%s set a new password of the user %s", actor, user.pk)


@one_transaction
def set_active(user: User, is_active: bool, *, actor: str) -> None:
    """Whether the user may log in, and use tokens; of one who may not, the sessions end. Raises
    UserRefused."""
    user = _locked(user)
    if not is_active:
        if user.get_username() == actor:
            raise UserRefused("You cannot disable yourself. Let another admin do it.")
        _require_another_admin(user)
    user.is_active = is_active
    _save(user, "is_active")
    log.info("%s %s the user %s", actor, "enabled" if is_active else "disabled", user.pk)


@one_transaction
def add_place(user: User, vcenter: VCenter, folder: str, *, actor: str) -> Scope:
    """From now on the user sees what is there, and in the user's other places, alone. `folder`:
    empty, or an inventory path. Raises UserRefused."""
    user = _locked(user)
    path = "/" + folder.strip().strip("/") if folder.strip().strip("/") else ""
    if len(path) > LONGEST_FOLDER:
        raise UserRefused("This folder is too long to be one.")
    if user.is_superuser:
        raise UserRefused("A superuser sees all VMs. Give the user a role first.")
    if user.scopes.count() >= MOST_PLACES:
        raise UserRefused(f"A user has at most {MOST_PLACES} places.")
    if user.scopes.filter(vcenter=vcenter, folder=path).exists():
        raise UserRefused("The user sees that place already.")
    _require_another_admin(user)
    log.info("%s lets the user %s see vCenter %s%s", actor, user.pk, vcenter.pk, path)
    return Scope.objects.create(
        user=user, vcenter=vcenter, vcenter_name=vcenter.name, folder=path, created_by=actor
    )


@one_transaction
def remove_place(scope: Scope, *, actor: str) -> None:
    """Raises UserRefused for the last one: without any, the user would see all VMs."""
    others = Scope.objects.select_for_update().filter(user=scope.user).exclude(pk=scope.pk)
    if not others.exists():
        raise UserRefused(
            "Without this place the user would see all VMs. If that is meant, let the user see all."
        )
    scope.delete()
    log.info("%s removed the place %s of the user %s", actor, scope, scope.user_id)


@one_transaction
def let_see_all(user: User, *, actor: str) -> None:
    """The user has no places of its own any more; those of the user's groups stay."""
    Scope.objects.filter(user=user).delete()
    log.info("%s lets the user %s see all VMs", actor, user.pk)


def _give(user: User, role: Role | None) -> None:
    user.groups.remove(*Group.objects.filter(name__in=list(Role)))
    if role is not None:
        user.groups.add(Group.objects.get(name=role))


def _save(user: User, *columns: str) -> None:
    """Not by an UPDATE of rows: the audit trail and the user's sessions wait for Django's signals,
    which it sends for a user alone."""
    user.save(update_fields=columns)


def _locked(user: User) -> User:
    """The user as it is now. One at a time changes who is an admin, or two of them could disable
    each other."""
    Group.objects.select_for_update().get(name=Role.ADMIN)
    return User.objects.get(pk=user.pk)


def _require_another_admin(user: User) -> None:
    if user in _admins_of_all() and not _admins_of_all().exclude(pk=user.pk).exists():
        raise UserRefused(
            f"{user.get_username()} is the only admin who sees all VMs. Make somebody else one"
            " first."
        )


def _admins_of_all() -> QuerySet[User]:
    """Those who may manage users."""
    scopes = Scope.objects.order_by()
    has_places = Exists(scopes.filter(user=OuterRef("pk"))) | Exists(
        scopes.filter(group__user=OuterRef("pk"))
    )
    is_admin = Exists(Group.objects.filter(name=Role.ADMIN, user=OuterRef("pk")))
    return User.objects.filter(Q(is_superuser=True) | Q(is_admin) & ~Q(has_places), is_active=True)
