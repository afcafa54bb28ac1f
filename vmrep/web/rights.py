"""What templates ask before they offer anything."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.db.models import Model
from django.http import HttpRequest

from vmrep import access
from vmrep.access import Verb
from vmrep.access.rights import OF_EVERY_USER, RIGHTS

_KINDS = {str(kind._meta.model_name): kind for kind in (*RIGHTS, *OF_EVERY_USER)}


class UnknownRight(Exception):
    """A template asks for a kind or a verb that there is not. (A template would take a KeyError for
    a "no".)"""


class May:
    """`may.vmcontext.replicate`: whether the user may do that with objects of that kind."""

    def __init__(self, user: access.User) -> None:
        self._user = user

    def __getitem__(self, name: str) -> object:
        if name == "use_admin":
            return access.may_use_admin(self._user)
        if name not in _KINDS:
            raise UnknownRight(f"There is no kind {name!r}.")
        return OfKind(self._user, _KINDS[name])


class OfKind:
    """`may.vmcontext`: what the user may do with objects of that kind."""

    def __init__(self, user: access.User, kind: type[Model]) -> None:
        self._user, self._kind = user, kind

    def __getitem__(self, verb: str) -> bool:
        if verb not in list(Verb):
            raise UnknownRight(f"There is no verb {verb!r}.")
        return access.may(self._user, Verb(verb), self._kind)


def may(request: HttpRequest) -> dict[str, object]:
    """For the context of every template. An error page may have no user."""
    return {"may": May(getattr(request, "user", AnonymousUser()))}
