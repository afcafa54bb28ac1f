from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "vmrep.accounts"
    label = "accounts"

    def ready(self) -> None:
        from vmrep.accounts import sessions

        sessions.connect()
