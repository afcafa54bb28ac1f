"""What scripts write in a page is what the server writes there: one rule in two languages."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from vmrep.web import formats

pytestmark = pytest.mark.browser

MODULE = settings.BASE_DIR / "static/js/formats.js"
WRITE = "async ([module, name, values]) => values.map((await import(module))[name])"

# Where a unit, a digit or a rounding changes; and 119.6 s and 25 h, which were "1 m 60 s" and
# "25 h 0 m" in a page.
EDGES = (0, 0.04, 0.05, 0.25, 0.75, 1, 1.25, 9.94, 9.95, 9.96, 10.5, 11.5, 59.4, 59.5, 60, 119.6)
EDGES += (3599.4, 3599.5, 3600, 3660, 7500, 86_399.4, 86_399.5, 86_400, 90_000, 90_061, 10**7)
SIZES = (0, 1, 1023, 1024, 1536, 1280, 99.9 * 2**20, 99.95 * 2**20, 99.97 * 2**20, 1023.5 * 2**20)
SIZES += (2**30, 1024 * 2**30 - 1, 2**40, 2**50, 5 * 2**60, 5000 * 2**60)


def many(most: float) -> list[float]:
    """Numbers of every size up to `most`, many of them in the middle between two digits."""
    chance = random.Random(1)
    spread = [most ** chance.random() for _ in range(1000)]
    return spread + [round(value * 4) / 4 for value in spread] + [int(value) for value in spread]


def age(seconds: float) -> str:
    now = timezone.now()
    return formats.age(now - timedelta(seconds=seconds), now)


@pytest.mark.parametrize(
    ("name", "write", "values"),
    [
        ("duration", formats.duration, [-1, *EDGES, *many(10.0**7)]),
        ("age", age, [-1, *EDGES, *map(int, many(10.0**7))]),
        ("binary", formats.binary, [*SIZES, *many(2.0**64)]),
        ("rate", formats.rate, [*SIZES, *many(2.0**40)]),
    ],
)
def test_a_script_writes_as_the_server_does(
    browser, name: str, write: Callable[[float], str], values: list[float]
):
    module = f"data:text/javascript;base64,{base64.b64encode(MODULE.read_bytes()).decode()}"
    page = browser.new_page()
    try:
        written = page.evaluate(WRITE, [module, name, values])
    finally:
        page.close()
    other = {
        value: (here, there)
        for value, here, there in zip(values, map(write, values), written, strict=True)
        if here != there
    }
    assert other == {}
