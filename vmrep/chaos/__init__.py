"""Replications and removals with faults at random: `script/chaos` (docs/testing.md)."""
