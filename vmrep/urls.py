"""Every address of vmrep."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from vmrep.metrics.views import metrics
from vmrep.web.views import sign_in

urlpatterns = [
    path("admin/login/", sign_in.of_admin),
    path("admin/password_change/", RedirectView.as_view(pattern_name="account-password")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("vmrep.api.urls")),
    path("metrics", metrics, name="metrics"),
    path("", include("vmrep.web.urls")),
]

handler400 = "vmrep.web.views.errors.bad_request"
handler500 = "vmrep.web.views.errors.server_error"
