"""The Celery app. Tasks live in each app's tasks module."""

import os
from typing import Any

from celery import Celery, signals

from vmrep.startup import report_database

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmrep.settings")

app = Celery("vmrep")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Threads of the web server send hints through `celery.current_app`: for them, too, it is this app.
app.set_default()


@signals.worker_ready.connect
def _report_database(**signal: Any) -> None:
    report_database()
