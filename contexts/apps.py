from django.apps import AppConfig
from django.conf import settings

from contexts.vsphere import reach


class ContextsConfig(AppConfig):
    name = "contexts"
    verbose_name = "VM contexts"

    def ready(self) -> None:
        reach.allow(settings.ALLOW_ADDRESSES)
