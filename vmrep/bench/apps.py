from django.apps import AppConfig


class BenchConfig(AppConfig):
    name = "vmrep.bench"
    label = "bench"
