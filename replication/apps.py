from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class ReplicationConfig(AppConfig):
    name = "replication"
    verbose_name = "Replication"

    def ready(self) -> None:
        from replication import triggers

        pre_migrate.connect(triggers.remove_before_migrations, sender=self)
        post_migrate.connect(triggers.install_after_migrations, sender=self)
