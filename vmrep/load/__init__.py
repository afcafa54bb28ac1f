"""What `script/load` runs: many clients at once, many who start the same, workers that are killed.

Everything is on this machine, at 127.0.0.1, and ends by itself (docs/testing.md).
"""
