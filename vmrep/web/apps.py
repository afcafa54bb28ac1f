from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "vmrep.web"
    label = "web"
