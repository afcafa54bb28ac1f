"""Notifications, views, users."""

from __future__ import annotations

from typing import Any

from tests import factories
from tests.trail.acts.register import BY, WEBHOOK, act
from vmrep.accounts import users
from vmrep.accounts.roles import Role
from vmrep.notifications import services as notifications
from vmrep.web import saved_views
from vmrep.web.models import ViewPage


def _channel() -> Any:
    return notifications.add_channel("hook", "webhook", WEBHOOK)


@act("notifications.services.add_channel", "add", "channel")
def _(world: Any) -> object:
    return _channel()


@act("notifications.services.change_channel", "change", "channel")
def _(world: Any) -> object:
    return notifications.change_channel(_channel(), name="another hook", settings=WEBHOOK)


@act("notifications.services.remove_channel", "remove", "channel")
def _(world: Any) -> None:
    notifications.remove_channel(_channel())


@act("notifications.services.test", "test", "channel")
def _(world: Any) -> object:
    return notifications.test(_channel())


@act("notifications.services.save_rule", "add", "rule")
def _(world: Any) -> object:
    return notifications.save_rule(_channel(), [])


@act("notifications.services.remove_rule", "remove", "rule")
def _(world: Any) -> None:
    notifications.remove_rule(notifications.save_rule(_channel(), []))


def _view() -> Any:
    return saved_views.save(factories.user(), ViewPage.JOBS, "mine", "", is_shared=False)


@act("saved_views.save", "add", "saved_view")
def _(world: Any) -> object:
    return _view()


@act("saved_views.change", "change", "saved_view")
def _(world: Any) -> None:
    view = _view()
    saved_views.change(view.user, view, name="ours", is_shared=True, is_default=False)


@act("saved_views.remove", "remove", "saved_view")
def _(world: Any) -> None:
    saved_views.remove(_view())


@act("saved_views.add", "add", "saved_view")
def _(world: Any) -> object:
    user = factories.user()
    return saved_views.add(user, ViewPage.JOBS, "mine", "", is_shared=False, is_default=True)


PASSWORD = "correct-horse-9-battery"


def _user() -> Any:
    return factories.user("dora", role=Role.OPERATOR)


@act("users.add", "add", "user")
def _(world: Any) -> object:
    return users.add("dora", PASSWORD, Role.VIEWER, actor=BY)


@act("users.set_role", "change", "user")
def _(world: Any) -> None:
    users.set_role(_user(), Role.VIEWER, actor=BY)


@act("users.set_password", "change", "user")
def _(world: Any) -> None:
    users.set_password(_user(), PASSWORD, actor=BY)


@act("users.set_active", "change", "user")
def _(world: Any) -> None:
    users.set_active(_user(), False, actor=BY)


@act("users.add_place", "add", "scope")
def _(world: Any) -> object:
    return users.add_place(_user(), factories.vcenter(), "", actor=BY)


def _places() -> Any:
    user = _user()
    return [users.add_place(user, factories.vcenter(), "", actor=BY) for _ in range(2)]


@act("users.remove_place", "remove", "scope")
def _(world: Any) -> None:
    users.remove_place(_places()[0], actor=BY)


@act("users.let_see_all", "remove", "scope")
def _(world: Any) -> None:
    users.let_see_all(_places()[0].user, actor=BY)
