"""Telling people what happened: channels, rules, and what became of the last messages."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from vmrep import access
from vmrep.access import Verb
from vmrep.notifications import services
from vmrep.notifications.models import Channel, Rule
from vmrep.notifications.selectors import channels_for_list, deliveries_for_list, rules_for_list
from vmrep.notifications.states import DeliveryState
from vmrep.web import csv_cells, csv_files, csv_settings, live, versions
from vmrep.web.notification_forms import FORMS, RuleForm

SHOWN_DELIVERIES = 50


@require_safe
def index(request: HttpRequest) -> HttpResponseBase:
    version = versions.of_notifications()
    if live.is_current(request, version):
        return live.nothing_new()
    deliveries = access.rows(request.user, Verb.VIEW, deliveries_for_list())
    channels = access.rows(request.user, Verb.VIEW, channels_for_list())
    rules = access.rows(request.user, Verb.VIEW, rules_for_list())
    match csv_files.wanted(request):
        case "channels":
            return csv_files.of_rows("channels", csv_settings.CHANNELS, channels)
        case "rules":
            return csv_files.of_rows("rules", csv_settings.RULES, rules)
        case str():
            return csv_files.of_rows("messages", csv_cells.DELIVERIES, deliveries)
    content = {
        "channels": list(channels),
        "rules": list(rules),
        "deliveries": list(deliveries[:SHOWN_DELIVERIES]),
        "kinds": [form.kind for form in FORMS.values()],
    }
    return live.respond(request, "notifications/index.html", version, content)


@require_http_methods(["GET", "HEAD", "POST"])
def add_channel(request: HttpRequest, kind: str) -> HttpResponse:
    access.require(request.user, Verb.ADD, Channel)
    if kind not in FORMS:
        raise Http404(f"There is no kind of channel {kind!r}.")
    form = FORMS[kind](request.POST or None)
    if form.is_valid() and (channel := form.save()):
        messages.success(
            request, f"{channel.name} was added. Test it, then add a rule of what it tells."
        )
        return redirect("notifications")
    return render(request, "notifications/channel.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
def edit_channel(request: HttpRequest, channel_id: int) -> HttpResponse:
    channel = access.channel(request.user, channel_id, Verb.CHANGE)
    form = FORMS[channel.kind](
        request.POST or None,
        channel=channel,
        reread=lambda: access.channel(request.user, channel_id, Verb.CHANGE),
    )
    if form.is_valid() and (saved := form.save()):
        messages.success(request, f"{saved.name} was saved.")
        return redirect("notifications")
    # The form may have changed its own copy: the page shows what is stored.
    stored = access.channel(request.user, channel_id, Verb.CHANGE)
    content = {"form": form, "channel": stored}
    return render(request, "notifications/channel.html", content, status=form.status)


@require_POST
def test_channel(request: HttpRequest, channel_id: int) -> HttpResponse:
    channel = access.channel(request.user, channel_id, Verb.TEST)
    delivery = services.test(channel)
    if delivery.state == DeliveryState.SENT:
        messages.success(request, f"A test went out by {channel.name}. {delivery.answer}")
    else:
        messages.error(request, f"No test went out by {channel.name}. {delivery.answer}")
    return redirect("notifications")


@require_http_methods(["GET", "HEAD", "POST"])
def remove_channel(request: HttpRequest, channel_id: int) -> HttpResponse:
    """The page says what goes with it; its button does it."""
    channel = access.channel(request.user, channel_id, Verb.REMOVE, among=channels_for_list())
    if request.method == "POST":
        services.remove_channel(channel)
        messages.success(request, f"{channel.name} was removed.")
        return redirect("notifications")
    return render(request, "notifications/remove.html", {"channel": channel})


@require_http_methods(["GET", "HEAD", "POST"])
def add_rule(request: HttpRequest) -> HttpResponse:
    access.require(request.user, Verb.ADD, Rule)
    return _rule(request, None)


@require_http_methods(["GET", "HEAD", "POST"])
def edit_rule(request: HttpRequest, rule_id: int) -> HttpResponse:
    return _rule(request, access.rule(request.user, rule_id, Verb.CHANGE))


@require_POST
def remove_rule(request: HttpRequest, rule_id: int) -> HttpResponse:
    services.remove_rule(access.rule(request.user, rule_id, Verb.REMOVE))
    messages.success(request, "The rule was removed.")
    return redirect("notifications")


def _rule(request: HttpRequest, rule: Rule | None) -> HttpResponse:
    form = RuleForm(
        request.POST or None,
        channels=access.rows(request.user, Verb.VIEW, Channel.objects.order_by("name")),
        vcenters=access.vcenters(request.user),
        policies=access.policies(request.user),
        among=access.findable(request.user, Verb.VIEW, Verb.VIEW),
        rule=rule,
        reread=(lambda: access.rule(request.user, rule.pk, Verb.CHANGE)) if rule else None,
    )
    if form.is_valid() and form.save():
        messages.success(request, "The rule was saved.")
        return redirect("notifications")
    content = {"form": form, "rule": rule}
    return render(request, "notifications/rule.html", content, status=form.status)
