"""What pages offer where somebody says what is wanted: one set, for every face. Any other duration
can be typed."""

from __future__ import annotations

from replication.policies.durations import words

MINUTE, HOUR, DAY = 60, 3_600, 86_400

TARGETS = (5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR, DAY)
"""The RPO targets on offer, in seconds."""

TARGET_WORDS = tuple(words(seconds) for seconds in TARGETS)
