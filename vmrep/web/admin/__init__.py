"""Django's admin, as a face of vmrep: Django finds this module by its name.

It asks `vmrep.access` what its users may see and do, as the pages and the API do.
"""

from vmrep.web.admin import contexts, notifications, policies, replication

__all__ = ["contexts", "notifications", "policies", "replication"]
