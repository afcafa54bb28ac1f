"""Django's admin, as a face of vmrep: Django finds this module by its name.

It asks `vmrep.access` what its users may see and do, as the pages and the API do.
"""

from django.contrib import admin
from django.contrib.auth.models import Group, User

from vmrep.web.admin import contexts, notifications, policies, replication

__all__ = ["contexts", "notifications", "policies", "replication"]

# Their pages would know no roles, and let the last admin go: users have pages of vmrep's own.
admin.site.unregister([User, Group])
