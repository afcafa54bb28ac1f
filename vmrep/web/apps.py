from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "vmrep.web"
    label = "web"

    def ready(self) -> None:
        """Makes vmrep's Celery app the one that sends hints (`celery.current_app`), and its checks
        known."""
        import vmrep.celery
        import vmrep.checks  # noqa: F401
