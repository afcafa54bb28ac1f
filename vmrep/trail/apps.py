from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class TrailConfig(AppConfig):
    name = "vmrep.trail"
    label = "trail"
    verbose_name = "Audit trail"

    def ready(self) -> None:
        from contexts import trail
        from vmrep.trail import checks as checks  # registers itself with the integrity check
        from vmrep.trail import heads, sign_ins, triggers, users, writer

        trail.listen(writer.write)
        sign_ins.connect()
        users.connect()
        pre_migrate.connect(triggers.remove_before_migrations, sender=self)
        post_migrate.connect(heads.make_after_migrations, sender=self)
        post_migrate.connect(triggers.install_after_migrations, sender=self)
