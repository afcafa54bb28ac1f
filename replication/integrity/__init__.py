"""The integrity check: recomputes everything that is stored twice, and looks for orphans both ways.

`findings.py` defines codes and findings, each other module some checks. `look.py` runs the checks
(each twice, since vmrep keeps working meanwhile), `mend.py` repairs what has only one safe repair,
and `runs.py` stores what each run found. docs/operations.md tells operators what they need to know.
"""
