"""What the web server loads."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmrep.settings")

application = get_wsgi_application()

from vmrep.startup import report_database  # noqa: E402  needs the settings that are loaded above

report_database()
