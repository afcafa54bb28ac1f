"""Template tags: formats, icons, states. Everything is escaped; a VM's texts are hostile input."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django import template
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_filters import FilterSet

from contexts import selectors, text
from contexts.clock import about_now
from contexts.folders import shown_folder
from contexts.models import VMContext
from contexts.models.specs import VMSpecs
from contexts.vsphere.specs import SpecField
from contexts.vsphere.transports import TRANSPORTS
from replication.hours import in_words as hours_in_words
from replication.models import BandwidthWindow, JobStep, ReplicationJob, VMSchedule
from replication.selectors import progress, schedules
from replication.selectors.jobs import newest_steps
from replication.selectors.protection import Protection, over_by_seconds
from replication.states import FIRST_SYNC, JobStatus, Trigger
from vmrep import __version__
from vmrep.web import formats, job_words, rpo
from vmrep.web.charts import Touched
from vmrep.web.looks import LOOKS, WITH_WARNINGS
from vmrep.web.steps import Mark, strip, warnings
from vmrep.web.untold import untold

if TYPE_CHECKING:
    from replication.selectors.contexts import ContextInList

register = template.Library()

SPRITE = "vendor/tabler-icons-3.51.0/sprite.svg"

register.filter("binary", formats.binary)
register.filter("rate", formats.rate)
register.filter("duration", formats.duration)
register.filter("absolute", formats.absolute)
register.filter("plural", text.plural)
register.filter("about", formats.about)
register.filter("done_bytes", progress.done_bytes)
register.filter("percent", progress.percent)
register.filter("eta_seconds", progress.eta_seconds)
register.filter("image_percent", progress.percent_of_disk)
register.filter("newest_steps", newest_steps)
register.filter("doing", job_words.doing)
register.filter("is_held_up", job_words.is_held_up)
register.filter("seconds_until_attempt", job_words.seconds_until_attempt)
register.filter("without_name", job_words.without_name)

register.filter("readings", selectors.readings)


@register.filter
def hours(window: BandwidthWindow) -> str:
    return hours_in_words(window.days, window.from_minute, window.to_minute, window.time_zone)


UNKNOWN = format_html('<span class="unknown">{}</span>', "unknown")


@register.filter
def read_over(transport: str) -> str:
    """ "over NFC" and so on."""
    return f"over {TRANSPORTS[transport].place}"


@register.filter
def or_unknown(value: object) -> object:
    """The value; "unknown" for what vSphere did not say. 0, False and empty lists are values."""
    return UNKNOWN if value is None or value == "" else value


@register.filter
def words(value: object) -> object:
    """Any value as people write it: yes and no, lists with commas, unknown."""
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value) or "none"
    return value


@register.simple_tag
@lru_cache(maxsize=512)  # a page has 130 of them, few of which are different
def icon(name: str, extra: str = "") -> SafeString:
    """An icon of the sprite. The word that it illustrates is next to it."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#{}"></use></svg>',
        extra,
        static(SPRITE),
        name,
    )


@register.simple_tag
@lru_cache(maxsize=512)
def state(kind: str, value: str, title: str = "") -> SafeString:
    """{% state "job" job.status %}: icon, colour and word."""
    look = LOOKS[kind][str(value)]
    return format_html(
        '<span class="state tone-{}" title="{}">{}<span>{}</span></span>',
        look.tone,
        title or look.word,
        icon(look.icon),
        look.word,
    )


@register.simple_tag
def job_state(job: ReplicationJob) -> SafeString:
    """A job's status; a completed job says so if its `has_warnings` is known and true."""
    warned = job.status == JobStatus.COMPLETED and getattr(job, "has_warnings", False)
    return state("job", WITH_WARNINGS if warned else job.status)


@register.simple_tag
def state_icon(kind: str, value: str) -> SafeString:
    """Only the icon and the colour; the word is in the title."""
    look = LOOKS[kind][str(value)]
    return format_html(
        '<span class="tone-{}" title="{}">{}<span class="visually-hidden">{}</span></span>',
        look.tone,
        look.word,
        icon(look.icon),
        look.word,
    )


@register.simple_tag
def protection(vm: ContextInList) -> SafeString:
    """A VM's state of protection, in the same words everywhere: with by how much it is over its
    target."""
    look = LOOKS["protection"][vm.protection]
    over_by = over_by_seconds(vm.newest_point_at, vm.rpo_target_seconds, about_now())
    word = look.word
    if vm.protection == Protection.OVER_TARGET and over_by is not None:
        word = f"Over by {formats.duration(over_by)}"
    target = "none" if not vm.rpo_target_seconds else formats.duration(vm.rpo_target_seconds)
    return format_html(
        '<span class="state tone-{}" title="{}; RPO target: {}">{}<span>{}</span></span>',
        look.tone,
        look.word,
        target,
        icon(look.icon),
        word,
    )


@register.simple_tag
def ago(moment: datetime | None, suffix: str = " ago") -> SafeString:
    """12 m ago, with the absolute time for people who point at it."""
    if moment is None:
        return format_html('<span class="text-secondary">{}</span>', "never")
    written = formats.age(moment)
    return format_html(
        '<time datetime="{}" title="{}" data-ago="{}">{}</time>',
        moment.isoformat(),
        formats.absolute(moment),
        suffix,
        "just now" if written == "now" else written + suffix,
    )


register.filter("share", rpo.share_words)
register.filter("untold", untold)


@register.filter
def due_in(moment: datetime) -> SafeString:
    """In 12 m, with the absolute time for people who point at it; due, if it is past."""
    left = (moment - about_now()).total_seconds()
    written = f"in {' '.join(formats.duration(left).split()[:2])}"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        formats.absolute(moment),
        written if left > 0 else "due",
    )


@register.filter
def next_run(vm: ContextInList) -> VMSchedule | None:
    """See `selectors.schedules.next_run`."""
    return schedules.next_run(vm)


@register.filter
def status_word(value: str) -> str:
    """Of what an event was before or after: a VM's status as the pages have it, or as it stands."""
    look = LOOKS["context"].get(value)
    return look.word if look else value


@register.filter
def asked_by(job: ReplicationJob) -> str:
    """By whom a job was asked for, and how: by ops (manual)."""
    if job.trigger == Trigger.SCHEDULE:
        return "by the schedule"
    return f"by {job.requested_by} ({job.get_trigger_display().lower()})"


@register.filter
def is_scheduled(vm: ContextInList) -> bool:
    """Whether the tick has looked at it: before, nothing can be said of its next run."""
    return schedules.schedule_of(vm) is not None


@register.filter
def is_foretold(vm: ContextInList) -> bool:
    """Whether a VM that is within its target is expected to go over it."""
    return schedules.breach_expected(vm, about_now()) is not None


@register.filter
def took(start: datetime | None, end: datetime | None = None) -> str:
    """How long from start to end, or until now while there is no end yet."""
    if start is None:
        return "–"
    return formats.duration(((end or about_now()) - start).total_seconds())


@register.simple_tag
def present() -> str:
    """The time by the clock that all times on the page are of."""
    return about_now().isoformat()


@register.inclusion_tag("base.html#nav-link", takes_context=True)
def nav_link(context: template.Context, name: str, label: str, icon_name: str) -> dict[str, object]:
    url = reverse(name)
    return {
        "url": url,
        "label": label,
        "icon_name": icon_name,
        "current": context["request"].path.startswith(url),
    }


@register.filter
def binary_or_unknown(value: int | None) -> object:
    return UNKNOWN if value is None else formats.binary(value)


@register.filter
def mebibytes(value: int | None) -> object:
    return UNKNOWN if value is None else formats.binary(value << 20)


@register.filter
def total_capacity(disks: list[dict[str, Any]]) -> int | None:
    """The capacity of a discovered VM's disks; unknown if that of any disk is."""
    sizes: list[int | None] = [disk.get("capacity_bytes") for disk in disks]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


@register.filter
def steps_strip(job: ReplicationJob) -> list[Mark]:
    return strip(job)


@register.filter
def step_warnings(job: ReplicationJob) -> list[JobStep]:
    return warnings(job)


POWER = {"poweredOn": "On", "poweredOff": "Off", "suspended": "Suspended"}


@register.filter
def power(value: str | None) -> object:
    """vSphere's word for a power state, in plain words; a word that is new stays as it is."""
    return UNKNOWN if value is None else POWER.get(value, value)


@register.filter
def spec_value(value: object, spec: SpecField) -> object:
    """A spec, shown as its field requires."""
    if value is None:
        return UNKNOWN
    if spec.unit == "MiB" and isinstance(value, int):
        return formats.binary(value << 20)
    return power(str(value)) if spec.name == "power_state" else words(value)


@register.filter
def spec(record: VMSpecs, field: SpecField) -> object:
    """What is known about a VM in this field, shown as the field requires; or None."""
    value = getattr(record, field.name)
    return None if value is None else spec_value(value, field)


@register.filter
def place(context: VMContext) -> str:
    """Datacenter and folder: with them, VMs of the same name can be told apart."""
    return shown_folder(context.vm_path) or str(context.pk)


@register.filter
def touched_words(touched: Touched) -> str:
    """A map of changes in words, for people who cannot see it."""
    if not touched.areas:
        return "nothing"
    where = [
        f"from {formats.binary(begin)} to {formats.binary(end)}" for begin, end in touched.pieces
    ]
    pieces = "piece" if len(where) == 1 else "pieces"
    areas = f"{touched.areas} of {touched.of_areas} areas are touched"
    return f"{areas}, the longest {pieces} {', '.join(where)}"


@register.filter
def note_tone(note: str) -> str:
    """A plan's note is a warning, unless it only says that there was nothing before."""
    return "muted" if note == FIRST_SYNC else "warn"


def _with_query(context: template.Context, changes: dict[str, object]) -> str:
    """This page's address with other parameters; None leaves one out."""
    request = context["request"]
    query = request.GET.copy()
    for name, value in changes.items():
        if value is None:
            query.pop(name, None)
        else:
            query[name] = str(value)
    return f"{request.path}?{query.urlencode()}" if query else request.path


@register.simple_tag
def state_word(kind: str, value: str) -> str:
    return LOOKS[kind][str(value)].word


@register.simple_tag(takes_context=True)
def go(context: template.Context, **changes: object) -> SafeString:
    """<a {% go tab="jobs" page=None %}>: a link to this page with other parameters.

    With htmx only the live part is fetched, and the address changes as with the plain link.
    """
    return format_html(
        'href="{0}" hx-get="{0}" hx-push-url="true" hx-target="#live"'
        ' hx-swap="morph:outerHTML" hx-sync="#live:replace"',
        _with_query(context, changes),
    )


@register.simple_tag(takes_context=True)
def go_unfiltered(context: template.Context, filters: FilterSet) -> SafeString:
    """As `go`: this page without any of its filters."""
    return go(context, page=None, **dict.fromkeys(filters.filters))


@register.simple_tag
def version() -> str:
    """The version of vmrep, which a fault report must name."""
    return __version__


@register.simple_tag
def post_to(name: str, *arguments: object) -> SafeString:
    """<form {% post_to "vm-replicate" vm.pk %}>: sends the form to the address of that name.

    With htmx the answer replaces the live part, as it would with the whole page.
    """
    return format_html(
        'method="post" action="{0}" hx-post="{0}" hx-target="#live"'
        ' hx-swap="morph:outerHTML" hx-sync="#live:replace"',
        reverse(name, args=arguments),
    )


@register.inclusion_tag("partials/filters.html#select", takes_context=True)
def filter_select(
    context: template.Context, filters: FilterSet, name: str, everything: str
) -> dict[str, object]:
    """A drop-down of one filter; `everything` is its first entry, which filters nothing."""
    field = filters.form.fields[name]
    return {
        "name": name,
        "label": field.label,
        "everything": everything,
        "choices": [(str(value), label) for value, label in field.choices if str(value)],
        "chosen": context["request"].GET.get(name, ""),
    }


@register.inclusion_tag("partials/filters.html#kept", takes_context=True)
def keep_parameters(context: template.Context, *names: str) -> dict[str, object]:
    """Hidden inputs that carry parameters of this page through a form that filters."""
    query = context["request"].GET
    return {"pairs": [(name, value) for name in names for value in query.getlist(name)]}


@register.filter
def as_told(value: object) -> str:
    """A value of the audit trail."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value) if value != "" else "empty"


@register.filter
def clock(minute: int) -> str:
    """A minute of the day: 22:00."""
    return f"{minute // 60:02}:{minute % 60:02}"
