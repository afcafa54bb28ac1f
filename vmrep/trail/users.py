"""What becomes of users, their roles and scopes, whoever changes them and by what: Django tells of
it by signals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save

from contexts import trail
from contexts.trail import Kind, Verb

_TOLD = ("username", "email", "is_active", "is_superuser", "is_staff")
_BEFORE = "_before_for_audit_trail"


def connect() -> None:
    from vmrep.accounts.models import Scope

    user: Any = get_user_model()
    for signal, receiver in ((pre_save, _before), (post_save, _saved), (post_delete, _removed)):
        signal.connect(receiver, sender=user, dispatch_uid=f"audit trail {receiver.__name__}")
    m2m_changed.connect(_roles, sender=user.groups.through, dispatch_uid="audit trail roles")
    post_save.connect(_scope_saved, sender=Scope, dispatch_uid="audit trail scope saved")
    post_delete.connect(_scope_removed, sender=Scope, dispatch_uid="audit trail scope removed")


def _before(sender: Any, instance: Any, raw: bool = False, **signal: object) -> None:
    """What the row says, and whether somebody has given a new password: Django itself only makes
    the hash of the old one anew."""
    known = sender._default_manager.filter(pk=instance.pk).values(*_TOLD).first()
    has_new = getattr(instance, "_password", None) is not None
    setattr(instance, _BEFORE, (known, has_new))


def _saved(sender: Any, instance: Any, created: bool, **signal: object) -> None:
    known, has_new_password = instance.__dict__.pop(_BEFORE, (None, False))
    old, new = trail.changes(known or {}, trail.values_of(instance, *_TOLD))
    if has_new_password:
        new["password"] = trail.CHANGED
    if created:
        _tell(Verb.ADD, instance, {}, new)
    elif new:
        _tell(Verb.CHANGE, instance, old, new)


def _removed(sender: Any, instance: Any, **signal: object) -> None:
    _tell(Verb.REMOVE, instance, trail.values_of(instance, *_TOLD), {})


def _roles(sender: Any, instance: Any, action: str, reverse: bool, **signal: Any) -> None:
    """Of a user, or (reverse) of a role to which users are added. What Django is asked to remove
    may not have been there: so the roles are read before and after."""
    if action.startswith("pre_"):
        keys = signal.get("pk_set")
        if not reverse:
            keys = {instance.pk}
        elif keys is None:  # all of them
            keys = set(instance.user_set.values_list("pk", flat=True))
        setattr(instance, _BEFORE, _roles_of(keys))
        return
    before: dict[int, list[str]] = instance.__dict__.pop(_BEFORE, {})
    now = _roles_of(before)
    for user in get_user_model()._default_manager.filter(pk__in=before).order_by("pk"):
        if before[user.pk] != now[user.pk]:
            _tell(Verb.CHANGE, user, {"roles": before[user.pk]}, {"roles": now[user.pk]})


def _roles_of(keys: Iterable[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {key: [] for key in keys}
    pairs = get_user_model().groups.through.objects.filter(user__in=list(found))
    for key, name in pairs.order_by("group__name").values_list("user", "group__name"):
        found[key].append(name)
    return found


def _scope_saved(sender: Any, instance: Any, **signal: object) -> None:
    _tell_of_scope(Verb.ADD, instance)


def _scope_removed(sender: Any, instance: Any, **signal: object) -> None:
    _tell_of_scope(Verb.REMOVE, instance)


def _tell(verb: Verb, user: Any, old: dict[str, Any], new: dict[str, Any]) -> None:
    with transaction.atomic(), trail.gathered():
        trail.tell(verb, trail.subject(Kind.USER, user.pk, user.get_username()), old=old, new=new)


def _tell_of_scope(verb: Verb, scope: Any) -> None:
    told = {"user": _whose(scope), "folder": scope.folder}
    told["vcenter"] = scope.vcenter_name
    about = trail.subject(Kind.SCOPE, scope.pk, scope.vcenter_name)
    old, new = (told, {}) if verb == Verb.REMOVE else ({}, told)
    with transaction.atomic(), trail.gathered():
        trail.tell(verb, about, old=old, new=new)


def _whose(scope: Any) -> str:
    """A scope goes with its user, who is gone by then."""
    if scope.user_id is None:
        return str(scope.group)
    user = get_user_model()._default_manager.filter(pk=scope.user_id).first()
    return str(user) if user else f"user {scope.user_id}"
