"""What the files of lists have that are about vmrep itself: whom it tells, how fast it may read,
its processes, and a user's own sessions, tokens and views."""

from __future__ import annotations

from typing import Any

from replication.selectors.usage import Reading
from vmrep.notifications.models import Rule
from vmrep.web.csv_cells import Cells, at
from vmrep.web.looks import LOOKS
from vmrep.web.templatetags.accounts import browser
from vmrep.web.templatetags.vmrep import clock, hours


def _clock(field: str) -> Any:
    def read(row: Any) -> str:
        minute = getattr(row, field)
        return "" if minute is None else clock(minute)

    return read


CHANNELS: Cells = {
    "ID": at("pk"),
    "Name": at("name"),
    "Kind": at("get_kind_display"),
    "Address": at("address_shown"),
    "In use": at("enabled"),
    "Rules": at("rule_count"),
    "Quiet from": _clock("quiet_from_minute"),
    "Quiet until": _clock("quiet_to_minute"),
    "Time zone": at("time_zone"),
    "Daily report at": _clock("report_at_minute"),
    "Waiting": at("open_count"),
    "Last sent": at("last_ok_at"),
    "Last problem": at("last_problem"),
}


def _kinds(rule: Rule) -> str:
    return ", ".join(each.get_kind_display() for each in rule.kinds.all()) or "Everything"


def _about(rule: Rule) -> str:
    if rule.vcenter:
        return f"vCenter {rule.vcenter.name}"
    if rule.policy:
        return f"VMs of policy {rule.policy.name}"
    if rule.vm_context:
        return rule.vm_context.vm_name or rule.vm_context.pk
    return "all VMs, vCenters and repositories"


RULES: Cells = {
    "ID": at("pk"),
    "Tells of": _kinds,
    "By": at("channel__name"),
    "About": _about,
    "Context ID": at("vm_context_id"),
    "Even in quiet hours": at("even_when_quiet"),
    "In use": at("enabled"),
}


def _windows(row: Reading) -> str:
    return "; ".join(f"{each.bytes_per_second} bytes/s, {hours(each)}" for each in row.windows)


BANDWIDTH: Cells = {
    "vCenter": at("name"),
    "Limited to": _windows,
    "Limit now (bytes/s)": at("bytes_per_second"),
    "Reading now (bytes/s)": at("reading_bytes_per_second"),
    "Jobs that read now": at("reading_jobs"),
}

PROCESSES: Cells = {
    "Kind": at("sign__get_kind_display"),
    "Name": at("sign__name"),
    "Queues": at("sign__queues"),
    "Tasks at once": at("sign__slots"),
    "State": lambda process: LOOKS["life"][process.state].word,
    "Last sign of life": at("sign__seen_at"),
    "Redis last answered it": at("sign__broker_at"),
    "Running since": at("sign__started_at"),
    "Version": at("sign__version"),
}

NEEDED: Cells = {
    "Needed": lambda row: row[0],
    "State": lambda row: LOOKS["life"][row[1]].word,
    "Last answer": lambda row: row[2],
    "What is wrong": lambda row: row[3],
}

SESSIONS: Cells = {
    "Browser": lambda session: browser(session.user_agent),
    "Address": at("address"),
    "Logged in": at("signed_in_at"),
    "Last used": at("last_seen_at"),
}

TOKENS: Cells = {
    "Name": at("name"),
    "Begins with": at("prefix"),
    "May": at("get_scope_display"),
    "Made": at("created_at"),
    "Expires": at("expires_at"),
    "Last used": at("last_used_at"),
    "Last used from": at("last_used_from"),
}

VIEWS: Cells = {
    "Page": at("get_page_display"),
    "Name": at("name"),
    "Query": at("query"),
    "Shared": at("is_shared"),
    "Default": at("is_default"),
}
