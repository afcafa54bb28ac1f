"""Hints to workers that there is work in the database."""

from __future__ import annotations

from contexts.messages import send


def hint_job() -> None:
    """A job can be run: the next free worker takes it."""
    send("replication.tasks.run_next_job")


def hint_clean_up(context_id: str) -> None:
    send("replication.tasks.clean_up", context_id)


def hint_retention() -> None:
    """Recovery points are to be removed."""
    send("replication.tasks.remove_points")


def hint_verify() -> None:
    """A recovery point is to be read back."""
    send("replication.tasks.verify_points")


def hint_bulk() -> None:
    """Something is to be done with many VMs."""
    send("replication.tasks.act_in_bulk")


def hint_look_at_repositories() -> None:
    """It is time to see which repositories can be used."""
    send("replication.tasks.look_at_repositories")


def hint_manifests() -> None:
    """Repositories are to be told what changed."""
    send("replication.tasks.write_manifests")


def hint_ask_vcenters() -> None:
    """It is time to see which vCenters answer."""
    send("replication.tasks.ask_vcenters")


def hint_integrity() -> None:
    """An integrity check was requested."""
    send("replication.tasks.check_integrity")
