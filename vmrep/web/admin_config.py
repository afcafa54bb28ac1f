from django.contrib.admin import apps


class AdminConfig(apps.AdminConfig):
    default_site = "vmrep.web.admin_site.AdminSite"
