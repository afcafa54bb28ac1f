"""Django's admin, open to whom `vmrep.access` lets in: `is_staff` and Django's own permissions mean
nothing to vmrep."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from vmrep import access


class AdminSite(admin.AdminSite):
    def has_permission(self, request: HttpRequest) -> bool:
        """Whoever is not logged in is sent to the login. Raises Forbidden for other users."""
        if request.user.is_authenticated and not access.may_use_admin(request.user):
            raise access.Forbidden(
                "The administration shows rows as they are stored. It is for admins who see all"
                " VMs."
            )
        return bool(request.user.is_authenticated)
