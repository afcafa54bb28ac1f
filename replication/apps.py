from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class ReplicationConfig(AppConfig):
    name = "replication"
    verbose_name = "Replication"

    def ready(self) -> None:
        from replication.database import events, figures, triggers
        from replication.database import history as history  # registers its check
        from replication.policies import default

        for kept in (triggers, figures):
            pre_migrate.connect(kept.remove_before_migrations, sender=self)
            post_migrate.connect(kept.install_after_migrations, sender=self)
        pre_migrate.connect(events.GUARD.remove_before_migrations, sender=self)
        post_migrate.connect(events.install_after_migrations, sender=self)
        post_migrate.connect(default.make_after_migrations, sender=self)
