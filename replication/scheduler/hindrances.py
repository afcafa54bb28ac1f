"""What keeps VMs from being replicated by themselves, and how long it is expected to."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q

from contexts.models import VCenter
from replication.models import Pause, Repository
from replication.scheduler.foresight import NEVER, outage_ends_at
from replication.selectors import health, protection
from replication.selectors.pauses import open_pauses, words
from replication.states import PauseKind

NO_WORKER = "no worker that copies is alive"
NO_REPOSITORY = "it has no repository: choose one for it"
IDENTITY_ASKED = "its vCenter was rebuilt: somebody has to confirm that it is the same VM"


class VM(NamedTuple):
    """What concerns a VM. `policy_id`: the nearest one."""

    context_id: str
    vcenter_id: int
    repository_id: int | None
    policy_id: int | None
    identity_is_asked: bool = False
    failing_since: datetime | None = None


class Hindrance(NamedTuple):
    """`why`: the rest of a sentence. `until`: when it is expected to be over."""

    why: str
    until: datetime
    is_pause: bool = False


class Hindrances:
    """All of them at a moment. Few rows each."""

    def __init__(self, now: datetime) -> None:
        """Seven queries, or nine."""
        self._now = now
        self._of_all: list[Hindrance] = []
        self._of: defaultdict[tuple[str, object], list[Hindrance]] = defaultdict(list)
        self._workers()
        self._vcenters()
        self._repositories()
        for pause in open_pauses().select_related("vcenter", "policy", "vm_context"):
            self._pause(pause)

    def _workers(self) -> None:
        if not health.live_slots(health.COPIES, self._now):
            since = health.last_seen(health.COPIES, self._now)
            self._of_all.append(Hindrance(NO_WORKER, outage_ends_at(since, self._now)))

    def _vcenters(self) -> None:
        away = dict(health.vcenters_away_since())
        refused = VCenter.objects.filter(Q(pk__in=away) | Q(login_refused_at__isnull=False))
        for vcenter in refused.only("name", "login_refused_at"):
            if vcenter.login_refused_at is not None:
                why = f"vCenter {vcenter.name} refused the password"
                self._of["vcenter", vcenter.pk].append(Hindrance(why, NEVER))
            else:
                until = outage_ends_at(away[vcenter.pk], self._now)
                why = f"vCenter {vcenter.name} does not answer"
                self._of["vcenter", vcenter.pk].append(Hindrance(why, until))

    def _repositories(self) -> None:
        away = dict(protection.repositories_away_since())
        away |= dict(health.repositories_without_worker(self._now))
        for key, name in Repository.objects.filter(pk__in=away).values_list("pk", "name"):
            until = outage_ends_at(away[key], self._now)
            why = f"no worker can use the repository {name}"
            self._of["repository", key].append(Hindrance(why, until))

    def _pause(self, pause: Pause) -> None:
        found = Hindrance(words(pause), pause.until or NEVER, is_pause=True)
        if pause.kind == PauseKind.ALL:
            self._of_all.append(found)
        else:
            key = pause.vcenter_id or pause.policy_id or pause.vm_context_id
            self._of[pause.kind, key].append(found)

    def of_vm(self, vm: VM, *, pauses: bool = True) -> Hindrance | None:
        """The one that lasts longest. `pauses`: whether they concern it: not a job that has begun,
        or that somebody asked for."""
        found = [
            *self._of_all,
            *self._of.get(("vcenter", vm.vcenter_id), ()),
            *self._of.get(("repository", vm.repository_id), ()),
            *self._of.get(("policy", vm.policy_id), ()),
            *self._of.get(("vm", vm.context_id), ()),
        ]
        if vm.repository_id is None:
            found.append(Hindrance(NO_REPOSITORY, NEVER))
        if vm.identity_is_asked:
            found.append(Hindrance(IDENTITY_ASKED, NEVER))
        if vm.failing_since is not None:
            until = outage_ends_at(vm.failing_since, self._now)
            found.append(Hindrance("its last replications have failed", until))
        concerning = (each for each in found if pauses or not each.is_pause)
        return max(concerning, key=lambda each: each.until, default=None)

    def too_long(self) -> Q:
        """Of contexts: those that can begin too late for their targets, as `of_vm` says; besides
        what is only of that VM."""
        columns = {
            "vcenter": "vcenter",
            "repository": "repository",
            "policy": "effective_policy__policy",
            "vm": "pk",
        }
        found = Q(pk__in=[])
        for hindrance in self._of_all:
            found |= _begins_before(hindrance.until)
        by_end: defaultdict[tuple[str, datetime], list[object]] = defaultdict(list)
        for (kind, key), hindrances in self._of.items():
            by_end[kind, max(each.until for each in hindrances)].append(key)
        for (kind, until), keys in by_end.items():
            found |= Q(**{f"{columns[kind]}__in": keys}) & _begins_before(until)
        return found


def _begins_before(until: datetime) -> Q:
    """They would have to begin before that."""
    if until == NEVER:
        return Q(schedule__latest_start_at__isnull=False)
    return Q(schedule__latest_start_at__lt=until)
