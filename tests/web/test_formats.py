"""Sizes, rates, times as people write them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from contexts import text
from vmrep.web import formats

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@pytest.mark.parametrize(
    ("size", "written"),
    [
        (None, "unknown"),
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (32 * MIB, "32 MiB"),
        (int(1.3 * GIB), "1.3 GiB"),
        (500 * GIB, "500 GiB"),
        (1024 * GIB - 1, "1 TiB"),
        (int(99.9 * MIB), "99.9 MiB"),
        (int(99.97 * MIB), "100 MiB"),
        (5 << 60, "5 EiB"),
        (5000 << 60, "5000 EiB"),
    ],
)
def test_sizes_are_binary(size, written):
    assert formats.binary(size) == written


def test_rates_are_sizes_per_second():
    assert formats.rate(112 * MIB) == "112 MiB/s"
    assert formats.rate(None) == "unknown"


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (None, "unknown"),
        (0, "0 s"),
        (-1, "0 s"),
        (0.04, "0 s"),
        (1.25, "1.2 s"),
        (9.96, "10 s"),
        (59, "59 s"),
        (60, "1 m"),
        (200, "3 m 20 s"),
        (3600, "1 h"),
        (7500, "2 h 5 m"),
        (86_400, "1 d"),
        (3 * 86_400 + 4 * 3600 + 59, "3 d 4 h"),
    ],
)
def test_durations_have_their_two_largest_units(seconds, written):
    assert formats.duration(seconds) == written


@pytest.mark.parametrize(
    ("ago", "written"),
    [(0, "now"), (5, "5 s"), (59, "59 s"), (720, "12 m"), (3 * 3600, "3 h"), (200_000, "2 d")],
)
def test_ages_have_their_largest_unit(ago, written):
    now = timezone.now()
    assert formats.age(now - timedelta(seconds=ago), now) == written


def test_a_moment_ahead_of_the_clock_is_now():
    now = timezone.now()
    assert formats.age(now + timedelta(seconds=5), now) == "now"


def test_what_never_happened_is_never():
    assert formats.age(None) == "never"


def test_plurals():
    assert text.plural(1, "disk") == "1 disk"
    assert text.plural(0, "disk") == "0 disks"
    assert text.plural(1200, "VM is", "VMs are") == "1,200 VMs are"
    assert text.plural(1, "repository") == "1 repository"
    assert text.plural(2, "repository") == "2 repositories"
    assert text.plural(2, "day") == "2 days"
