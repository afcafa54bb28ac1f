"""vmrep on one machine: its processes, the lab, and a first replication to look at.

`script/demo` runs this package. It starts exactly what an installation starts: the
demo uses the services that the pages and the API use.
"""
