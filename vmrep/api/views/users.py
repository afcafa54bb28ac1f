"""Who uses vmrep: for admins who see all VMs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import django_filters
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.services.transactions import one_transaction
from vmrep import access
from vmrep.access import Verb
from vmrep.accounts import users
from vmrep.accounts.roles import Role
from vmrep.api.bodies import Nothing, read
from vmrep.api.etags import if_unchanged
from vmrep.api.lists import Listing, by_name, require_known
from vmrep.api.once import idempotent
from vmrep.api.schema.operations import described, described_list
from vmrep.api.serializers.users import UserSerializer
from vmrep.api.user_bodies import ChangedUser, NewPlace, NewUser
from vmrep.api.views.base import View, see, username


class UserFilter(django_filters.FilterSet):
    """`search`: a part of the name."""

    search = django_filters.CharFilter("username", lookup_expr="icontains")
    is_active = django_filters.BooleanFilter("is_active")


USERS = Listing(
    UserSerializer,
    UserFilter,
    by_name("id", "username", "is_active", "date_joined", "last_login"),
)


class UserList(View):
    """GET: all users, with their roles and places. POST: add one."""

    @described_list(USERS)
    def get(self, request: Request) -> Response:
        return USERS.answer(request, access.rows(request.user, Verb.VIEW, users.in_list()))

    @described(UserSerializer, status=201, body=NewUser)
    @idempotent
    def post(self, request: Request) -> Response:
        access.require(request.user, Verb.ADD, User)
        wanted = read(NewUser, request.data)
        name, role = wanted["username"], _role(wanted.get("role"))
        with _names_the_password():
            user = users.add(name, wanted["password"], role, actor=username(request))
        return see(request, _body(request, user.pk), status.HTTP_201_CREATED, "user", user.pk)


class UserDetail(View):
    """GET: one. PATCH: another role or password; whether the user may log in."""

    editable = ("role", "is_active")

    @described(UserSerializer)
    def get(self, request: Request, user_id: int) -> Response:
        require_known(request, ())
        return Response(_body(request, user_id))

    @described(UserSerializer, body=ChangedUser)
    @if_unchanged
    def patch(self, request: Request, user_id: int) -> Response:
        require_known(request, ())
        user = access.user(request.user, user_id, Verb.CHANGE)
        with _names_the_password():
            _change(user, read(ChangedUser, request.data), username(request))
        return Response(_body(request, user_id))


@one_transaction
def _change(user: User, wanted: dict[str, object], actor: str) -> None:
    """All of it, or nothing."""
    if "role" in wanted:
        users.set_role(user, _role(wanted["role"]), actor=actor)
    if "password" in wanted:
        users.set_password(user, str(wanted["password"]), actor=actor)
    if "is_active" in wanted:
        users.set_active(user, bool(wanted["is_active"]), actor=actor)


class UserPlaces(View):
    """POST: from now on the user sees what is there, and in the user's other places, alone. DELETE:
    the user sees all VMs."""

    @described(UserSerializer, status=201, body=NewPlace)
    @idempotent
    def post(self, request: Request, user_id: int) -> Response:
        user = access.user(request.user, user_id, Verb.CHANGE)
        wanted = read(NewPlace, request.data)
        vcenter = access.vcenter(request.user, wanted["vcenter_id"], Verb.VIEW)
        users.add_place(user, vcenter, wanted.get("folder", ""), actor=username(request))
        return see(request, _body(request, user_id), status.HTTP_201_CREATED, "user", user_id)

    @described(status=204)
    def delete(self, request: Request, user_id: int) -> Response:
        require_known(request, ())
        user = access.user(request.user, user_id, Verb.CHANGE)
        read(Nothing, request.data)
        users.let_see_all(user, actor=username(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class UserPlace(View):
    """DELETE: the user no longer sees that place; 409 for the last one."""

    @described(status=204)
    def delete(self, request: Request, user_id: int, place_id: int) -> Response:
        require_known(request, ())
        user = access.user(request.user, user_id, Verb.CHANGE)
        read(Nothing, request.data)
        users.remove_place(access.place_of(request.user, user, place_id), actor=username(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


@contextmanager
def _names_the_password() -> Iterator[None]:
    """What Django's validators say of a password names no field."""
    try:
        yield
    except DjangoValidationError as problem:
        if hasattr(problem, "error_dict"):
            raise
        raise ValidationError({"password": problem.messages}) from problem


def _role(name: object) -> Role | None:
    return Role(str(name)) if name else None


def _body(request: Request, user_id: int) -> dict[str, object]:
    return dict(UserSerializer(access.user(request.user, user_id, Verb.VIEW)).data)
