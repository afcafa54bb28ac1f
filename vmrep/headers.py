"""What every answer tells browsers and proxies, pages, API and admin alike."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

# Everything that a page could ask a browser for and that vmrep never does. The clipboard is not in
# it: IDs are copied by a button.
_FORBIDDEN = (
    *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "hid"),
    *("magnetometer", "microphone", "midi", "payment", "serial", "usb", "xr-spatial-tracking"),
)
PERMISSIONS = ", ".join(f"{name}=()" for name in _FORBIDDEN)


class HeadersMiddleware:
    """No feature of the browser may be used, and no copy kept of what a user saw: it would outlive
    the session. Whatever says itself how long it may be kept (static files) stays so."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response["Permissions-Policy"] = PERMISSIONS
        response.setdefault("Cache-Control", "no-store")
        return response
