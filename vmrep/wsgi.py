"""The WSGI application that the web server loads."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmrep.settings")

django_application = get_wsgi_application()

# They need the settings that are loaded above.
from vmrep.incoming import WholeBodies  # noqa: E402
from vmrep.startup import report_database  # noqa: E402

application = WholeBodies(django_application)

report_database()
