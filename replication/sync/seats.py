"""The places on ESXi hosts that one attempt of a job holds, one for each disk that it reads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from replication.errors import ResourceFull
from replication.models import ReplicationJob
from replication.selectors import limits
from replication.selectors.limits import Resource
from replication.services import places
from replication.services.leases import Lease
from replication.services.places import Place
from replication.states import LimitKind

ASK_EVERY_SECONDS = 5.0


class Seat:
    """One disk session's place. It follows the disk to another host."""

    def __init__(self, seats: Seats, place: Place | None = None) -> None:
        self._seats = seats
        self.place = place
        self.more: list[Place] = []

    def require(self, host: str, name: str = "") -> None:
        """Take a place on this host (address:port), from any thread; `name` is for people.

        Raises ResourceFull when all are taken, LeaseLost.
        """
        if self.place is None or self.place.resource.key != host:
            self._seats.move(self, host, name)

    def add(self, count: int) -> int:
        """Take up to so many more places on the same host, for further sessions of this disk, where
        they are free and no other job waits for them. Returns how many; they go with the seat."""
        if self.place is None:
            return 0
        while len(self.more) < count and (place := self._seats.take_extra(self.place.resource)):
            self.more.append(place)
        return len(self.more)


class Seats:
    """A job that reads has at least one place, from before its snapshot to the end of its copy: it
    never waits for a place while it has a snapshot, unless its VM is moved. It takes more as its
    disks begin, and continues without if there are none.
    """

    def __init__(self, lease: Lease, job: ReplicationJob) -> None:
        self._lease, self._job = lease, job
        # The queue may have taken the place that the job waited for.
        held = places.held(lease, LimitKind.HOST_SESSIONS)
        self._idle = [Seat(self, place) for place in held]
        self._thread = threading.current_thread()
        self._moving = threading.Lock()
        self._host = held[0].resource if held else None
        self._asked_at = float("-inf")

    def next(self) -> Seat | None:
        """A seat for one more disk; None while there is none. Then the job has another one in use.

        The seat has no place yet where no host was seen to need one.
        """
        if self._idle:
            return self._idle.pop()
        if self._host is None:
            return Seat(self)
        if time.monotonic() - self._asked_at < ASK_EVERY_SECONDS:
            return None
        self._asked_at = time.monotonic()
        place = self.take_extra(self._host)
        return Seat(self, place) if place else None

    def take_extra(self, host: Resource) -> Place | None:
        """A place that the job can do without."""
        return places.take(self._lease, self._job.pk, host, is_extra=True)

    @contextmanager
    def one(self) -> Iterator[Seat]:
        """A seat for a while; its place is kept."""
        seat = self.next() or Seat(self)
        try:
            yield seat
        finally:
            self.give_back(seat, wanted=True)

    def give_back(self, seat: Seat, *, wanted: bool) -> None:
        """A disk is done. `wanted`: others of the job are still to be read."""
        if seat.more:
            places.release(self._lease, *seat.more)
            seat.more = []
        if wanted or seat.place is None:
            self._idle.append(seat)
        else:
            places.release(self._lease, seat.place)

    def need_no_place(self) -> None:
        """The disks are not read from the hosts: give all places back."""
        places.release(self._lease, *places.held(self._lease, LimitKind.HOST_SESSIONS))
        self._idle, self._host = [], None

    def move(self, seat: Seat, host: str, name: str) -> None:
        """Give the seat a place on this host instead of the one that it has."""
        try:
            with self._moving:
                resource = limits.host_sessions(host)
                place = places.take(self._lease, self._job.pk, resource)
                if place is None:
                    words = limits.sentence(resource, name)
                    raise ResourceFull(words, resource=resource)
                if seat.place is not None:
                    places.release(self._lease, seat.place)
                seat.place, self._host = place, resource
        finally:
            if threading.current_thread() is not self._thread:
                connection.close()
