from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "vmrep.api"
    label = "api"
