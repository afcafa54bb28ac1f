"""vmrep's settings with the bench's command, manage.py generate_estate.

An installation that protects VMs must not have a command that fills its database with invented VMs:

    manage.py generate_estate --settings vmrep.bench.settings …
"""

from __future__ import annotations

from vmrep.settings import *  # noqa: F403  every setting, as Django's own way to extend some

INSTALLED_APPS = [*INSTALLED_APPS, "vmrep.bench"]  # noqa: F405
