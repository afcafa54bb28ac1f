"""One replication job, from claim to recovery point: the steps in their order.

docs/sync.md tells the whole story: the commit point, what a crash leaves after each step, and what
recovery does about it.
"""
