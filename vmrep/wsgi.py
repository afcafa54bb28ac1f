"""The WSGI application that the web server loads."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmrep.settings")

django_application = get_wsgi_application()

# They need the settings that are loaded above.
from django.conf import settings  # noqa: E402
from django.core.signals import request_started  # noqa: E402

from replication.health import signs  # noqa: E402
from replication.states import LifeKind  # noqa: E402
from vmrep import database_away  # noqa: E402
from vmrep.accounts import first_user  # noqa: E402
from vmrep.incoming import WholeBodies  # noqa: E402
from vmrep.notifications import courier  # noqa: E402
from vmrep.startup import report_database  # noqa: E402

application = WholeBodies(django_application)

database_away.bound_waits()
report_database()
first_user.announce(f"{settings.BASE_URL}/setup/")


def _this_process_lives(**signal: object) -> None:
    """With the first request: a server may load this before it forks the processes that serve."""
    request_started.disconnect(_this_process_lives)
    signs.begin(LifeKind.WEB)
    courier.begin(courier.PATIENCE)


request_started.connect(_this_process_lives)
