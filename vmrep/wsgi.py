"""The WSGI application that the web server loads."""

from __future__ import annotations

import os
from typing import Any

from django.core.wsgi import get_wsgi_application


def _application() -> Any:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmrep.settings")
    django_application = get_wsgi_application()
    from vmrep import web_process  # it needs the apps, which are loaded now

    return web_process.begin(django_application)


application = _application()
