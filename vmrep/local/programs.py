"""vmrep's processes on one machine, and how to tell that each is ready."""

from __future__ import annotations

import http.client
import secrets
import signal
import socket
import sys
from dataclasses import replace

from celery import Celery

from vmrep.local.folder import DataFolder, Remembered
from vmrep.local.ports import LOCALHOST, answers
from vmrep.local.supervisor import Program
from vmrep.secret_files import read_or_create

LAB_USER = "administrator@vsphere.local"
# A worker that is told to stop hands over what may take long, and finishes the rest. After a while
# it is told to drop that, too; the job resumes from its checkpoint at the next start.
WORKER_STOP = ((signal.SIGTERM, 10.0), (signal.SIGQUIT, 5.0))


def redis(folder: DataFolder) -> Program:
    """Celery's broker. It keeps nothing: the database is the queue of record."""
    folder.redis.mkdir(mode=0o700, exist_ok=True)
    address = folder.redis_socket()
    return Program(
        "redis",
        [
            *("redis-server", "--port", "0"),
            *("--unixsocket", str(address), "--unixsocketperm", "600"),
            *("--dir", str(folder.redis), "--save", "", "--daemonize", "no"),
        ],
        ready=lambda: _redis_answers(str(address)),
    )


def _redis_answers(address: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1)
        try:
            connection.connect(address)
            connection.sendall(b"PING\r\n")
            return connection.recv(7) == b"+PONG\r\n"
        except OSError:
            return False


def make_lab_password(folder: DataFolder) -> None:
    """The lab's password: generated once, readable by this user only."""
    read_or_create(folder.lab_password, lambda: secrets.token_urlsafe(18))


def lab(
    folder: DataFolder,
    ports: Remembered,
    *,
    churn: bool,
    scenario: str = "demo",
    churn_seconds: float = 5.0,
) -> Program:
    """The simulated vCenter with a scenario; with `churn` its guests write every so often."""
    arguments = ["--folder", str(folder.lab), "--scenario", scenario]
    arguments += ["--port", str(ports.lab_port), "--control-port", str(ports.lab_control_port)]
    arguments += ["--username", LAB_USER, "--password-file", str(folder.lab_password)]
    if churn:
        arguments += ["--churn", str(churn_seconds)]
    return Program(
        "lab",
        python("vmrep.lab", *arguments),
        ready=lambda: answers(ports.lab_port) and answers(ports.lab_control_port),
    )


def web(listener: socket.socket) -> Program:
    """The pages and the API, on a socket that is already listening."""
    port = listener.getsockname()[1]
    return Program(
        "web",
        python(
            *("gunicorn", "vmrep.wsgi", "--bind", f"fd://{listener.fileno()}"),
            *("--workers", "2", "--threads", "4", "--graceful-timeout", "5"),
            *("--no-control-socket", "--access-logfile", "-"),
            *("--logger-class", "vmrep.gunicorn_logs.Logger"),
        ),
        ready=lambda: _web_answers(port),
        pass_fds=[listener.fileno()],
    )


def _web_answers(port: int) -> bool:
    connection = http.client.HTTPConnection(LOCALHOST, port, timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def copies(redis_url: str, name: str = "copies", at_once: int = 2) -> Program:
    """A worker that copies: each job has a process to itself. `name`: among several."""
    options = ("--pool", "prefork", "--concurrency", str(at_once))
    return _worker("copies", redis_url, *options, name=name)


def storage(redis_url: str) -> Program:
    """The worker that merges images when recovery points are removed, which may take hours."""
    return _worker("storage", redis_url, "--pool", "prefork", "--concurrency", "1")


# Reading a vCenter makes and frees trees of many small blocks. With its usual setting, the C
# library collects them again and again, which takes a twelfth of a discovery's CPU time.
READS_VCENTERS = ["env", "GLIBC_TUNABLES=glibc.malloc.mxfast=0"]


def control(redis_url: str) -> Program:
    """The worker for vCenter work other than copying: discovery, clean-up, checks."""
    worker = _worker("control", redis_url, "--pool", "threads", "--concurrency", "4")
    return replace(worker, argv=[*READS_VCENTERS, *worker.argv])


def ticking(redis_url: str) -> Program:
    """The worker that runs only the tick, which uses only the database."""
    return _worker("tick", redis_url, "--pool", "threads", "--concurrency", "1")


def _worker(queue: str, redis_url: str, *arguments: str, name: str = "") -> Program:
    node = f"{name or queue}@vmrep"
    # Not this thread's current app: that must stay vmrep's, which knows where hints go.
    asking = Celery(broker=redis_url, set_as_current=False)
    return Program(
        name or queue,
        python(
            *(
                "celery",
                "--app",
                "vmrep",
                "--quiet",
                "worker",
                "--queues",
                queue,
                "--hostname",
                node,
            ),
            *("--without-gossip", "--without-mingle", "--loglevel", "INFO", *arguments),
        ),
        ready=lambda: bool(asking.control.ping(destination=[node], timeout=0.5)),
        stop=WORKER_STOP,
        # Its pool's processes die with it, as they themselves have arranged. A gentler signal would
        # make it wait for the broker, which is stopping, too.
        death_signal=signal.SIGKILL,
    )


def beat() -> Program:
    return Program("beat", python("celery", "--app", "vmrep", "--quiet", "beat", "--pidfile="))


def python(module: str, *arguments: str) -> list[str]:
    """The arguments that run a module with this process's Python."""
    return [sys.executable, "-m", module, *arguments]
