"""The audit: everything that is stored twice is recomputed, orphans are looked for both ways.

`findings.py` has the words, each other module a few checks, `look.py` carries them out (and looks
twice, since vmrep goes on working meanwhile), `mend.py` repairs what has one safe meaning, and
`runs.py` keeps what each run found. docs/operations.md tells what operators need to know.
"""
