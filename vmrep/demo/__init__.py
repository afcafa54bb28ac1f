"""vmrep on one machine: its processes, the lab, and a first replication to look at.

`script/demo` runs this package. It starts what an installation starts, and nothing else: the
demo uses the services that the pages and the API use.
"""
