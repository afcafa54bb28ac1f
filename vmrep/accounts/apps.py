from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "vmrep.accounts"
    label = "accounts"
