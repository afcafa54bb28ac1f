"""The servers from which the benchmark of the engine reads a disk, all on this machine."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from vmrep.local.ports import free_port

START_SECONDS = 30.0
_NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{}}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/cert.pem;
        ssl_certificate_key {folder}/key.pem;
        root {root};
    }}
}}
"""


@contextlib.contextmanager
def nginx(root: Path, folder: Path) -> Iterator[int]:
    """A web server for that folder's files, over TLS on loopback; its port."""
    port = free_port()
    run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-subj", "/CN=127.0.0.1", "-keyout", str(folder / "key.pem")),
        *("-out", str(folder / "cert.pem")),
    )
    settings = folder / "nginx.conf"
    settings.write_text(_NGINX.format(folder=folder, port=port, root=root))
    for readable in (folder, root, *root.iterdir()):  # by the account that nginx changes to
        readable.chmod(0o755 if readable.is_dir() else 0o644)
    with subprocess.Popen(["nginx", "-c", str(settings)], stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: _answers(port))
            yield port
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=unverified())
    try:
        connection.request("HEAD", "/disk.raw")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def unverified() -> ssl.SSLContext:
    """The benchmark's own server on loopback has a certificate that nobody vouches for."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def nbdkit(socket: Path, raw: Path) -> list[str]:
    """The command that serves a raw file on a unix socket."""
    return ["nbdkit", "--foreground", "--readonly", "-U", str(socket), "file", f"file={raw}"]


def run(*argv: str) -> None:
    """To its end. CalledProcessError if it fails."""
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def wait_until(true: Callable[[], bool]) -> None:
    """TimeoutError after `START_SECONDS`."""
    deadline = time.monotonic() + START_SECONDS
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError("a server of the benchmark does not answer")
        time.sleep(0.01)
