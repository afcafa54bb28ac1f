from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "vmrep.notifications"
    label = "notifications"
