"""The steps of deploy/Dockerfile, in a Debian of their own: no container engine is needed for that.

Packages come from where this machine gets its own: apt's sources and certificates, and pip's
configuration and environment, are copied into the root for the test.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("mmdebstrap", "unshare", "chroot", "setpriv")
lacking = [name for name in NEEDED if shutil.which(name) is None]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or bool(lacking),
        reason="it makes a Debian of its own, and needs to be root for that, with "
        + ", ".join(NEEDED),
    ),
]

OF_THIS_MACHINE = (
    *("/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources", "/etc/resolv.conf"),
    *("/etc/hosts", "/etc/pip.conf", "/root/.config/pip/pip.conf"),
    "/etc/ssl/certs/ca-certificates.crt",
)
PASSED_ON = re.compile(r"PIP_|(?i:https?_proxy|no_proxy)$|SSL_CERT_FILE$|REQUESTS_CA_BUNDLE$")
BOOT = """
mount -t proc proc "$0/proc"
mkdir -p "$0/dev/shm" && mount -t tmpfs tmpfs "$0/dev/shm"
for folder in $FOLDERS; do mkdir -p "$0$folder" && mount --bind "$folder" "$0$folder"; done
exec chroot "$0" "$@"
"""


class Image:
    """A root in which the Dockerfile's instructions are carried out."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.environment |= {n: v for n, v in os.environ.items() if PASSED_ON.match(n)}
        self.folder = "/"
        self.user: list[str] = []

    def carry_out(self, instruction: str, rest: str) -> None:
        if instruction == "ENV":
            for name, value in (each.split("=", 1) for each in shlex.split(rest)):
                self.environment[name] = value.replace("$PATH", self.environment["PATH"])
        elif instruction == "RUN":
            self.run("/bin/sh", "-c", rest)
        elif instruction == "WORKDIR":
            self.folder = rest
            (self.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif instruction == "COPY":
            assert rest == ". ."
            self._copy_project()
        elif instruction == "USER":
            uid, gid = rest.split(":")
            self.user = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
        else:
            assert instruction in ("FROM", "CMD"), f"the test does not know {instruction}"

    def run(self, *argv: str) -> str:
        """In the root, as the user and in the folder that the instructions before have set."""
        inner = ["sh", "-c", 'cd "$0" && exec "$@"', self.folder, *self.user, *argv]
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "sh", "-ec", BOOT, str(self.root), *inner],
            env=self.environment | {"FOLDERS": " ".join(_folders_of_pip())},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{shlex.join(argv)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _copy_project(self) -> None:
        files = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
        ).stdout
        target = self.root / self.folder.lstrip("/")
        packed = subprocess.run(
            ["tar", "-c", "--null", "-T", "-"], cwd=ROOT, input=files, capture_output=True
        ).stdout
        subprocess.run(["tar", "-x", "--no-same-owner", "-C", target], input=packed, check=True)


def _instructions() -> Iterator[tuple[str, str]]:
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "deploy/Dockerfile").read_text(), flags=re.MULTILINE)
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            instruction, _, rest = line.partition(" ")
            yield instruction, rest.strip()


def _folders_of_pip() -> list[str]:
    """Folders of this machine in which pip looks for packages."""
    said = subprocess.run(
        ["python3", "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    said += " ".join(value for name, value in os.environ.items() if name.startswith("PIP_"))
    named = (Path("/", *Path(it).parts[1:3]) for it in re.findall(r"/[\w./-]+", said))
    return sorted({str(it) for it in named if it.is_dir() and it.parts[1] not in ("etc", "usr")})


def test_the_steps_of_the_image_make_what_runs(tmp_path: Path) -> None:
    root = tmp_path / "root"
    options = ("--quiet", "--variant=minbase", "--include=ca-certificates")
    subprocess.run(["mmdebstrap", *options, "bookworm", root], check=True, capture_output=True)
    for name in OF_THIS_MACHINE:
        if Path(name).is_file():
            there = root / name.lstrip("/")
            there.parent.mkdir(parents=True, exist_ok=True)
            there.unlink(missing_ok=True)
            shutil.copyfile(name, there)
    image = Image(root)
    for instruction, rest in _instructions():
        image.carry_out(instruction, rest)
    image.environment["VMREP_ALLOWED_HOSTS"] = "vmrep.example.org"
    assert "no issues" in image.run("python", "manage.py", "check")
    image.run("python", "-m", "gunicorn", "--check-config", "vmrep.wsgi")
    image.run("python", "-m", "celery", "--app", "vmrep", "report")
    image.run("qemu-storage-daemon", "--version")
    # The account may not change what it runs.
    image.run("sh", "-c", "! touch manage.py && ! touch new && test ! -w .venv/bin/python")
