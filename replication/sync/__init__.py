"""One replication job, from claim to recovery point: the steps in their order.

docs/sync.md describes the commit point, what a crash leaves after each step, and how recovery
handles it.
"""
