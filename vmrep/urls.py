"""Every address of vmrep."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", include("vmrep.api.urls")),
    path("", include("vmrep.web.urls")),
]

handler400 = "vmrep.web.views.errors.bad_request"
handler500 = "vmrep.web.views.errors.server_error"
