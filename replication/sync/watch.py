"""Whether a chain is as it was committed: before anything is based on it, and before that is
committed. Reads headers and asks for times, no content."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from replication.engine.errors import ImageAltered, ImageDamaged, ImageMissing
from replication.engine.target import DOUBTED, Layer, Target
from replication.models import DiskImage
from replication.selectors.replica import watched_layers
from replication.services import damages
from replication.states import DamageFinder
from replication.storage.targets import visit
from replication.sync.job_run import JobRun

LOOK_SECONDS = 60.0


def what_is_wrong(run: JobRun, image: DiskImage) -> str:
    """Why nothing may be based on the image; empty if its chain is as it was committed. What is
    damaged is marked. Raises RepositoryUnavailable, DoesNotAnswer."""
    run.check()
    found = visit(
        run.job.repository,
        "watch",
        partial(problems, run.storage, watched_layers(image)),
        seconds=LOOK_SECONDS,
        on_wait=run.check,
    )
    for problem in found:
        if not is_doubt(problem):
            damages.mark_file(
                run.job.vm_context_id, run.job.repository_id, problem, DamageFinder.JOB
            )
    return str(found[0]) if found else ""


Problem = ImageMissing | ImageDamaged


def is_doubt(problem: Problem) -> bool:
    """Whether nothing says that the content is another one."""
    return isinstance(problem, ImageAltered) and problem.aspect == DOUBTED


def problems(storage: Target, chain: Sequence[Layer]) -> list[Problem]:
    """What is wrong with the images of a chain, doubts last."""
    found: list[Problem] = []
    for number, layer in enumerate(chain):
        try:
            found += _of_image(storage, chain[number : number + 2])
        except (ImageMissing, ImageDamaged) as problem:
            problem.locator = problem.locator or layer.locator
            found.append(problem)
    return sorted(found, key=is_doubt)


def _of_image(storage: Target, layers: Sequence[Layer]) -> list[Problem]:
    locator = layers[0].locator
    return [
        ImageAltered(f"{locator}: the file {it.words}.", locator=locator, aspect=it.aspect)
        for it in storage.differences(layers)
    ]
