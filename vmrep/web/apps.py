from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "vmrep.web"
    label = "web"

    def ready(self) -> None:
        """Whoever sends hints (`celery.current_app`) means vmrep's Celery app."""
        import vmrep.celery  # noqa: F401
