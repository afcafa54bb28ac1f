"""script/bootstrap against a machine whose package tools are stand-ins found first on PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


PACKAGES = ["python3-venv", "python3-libnbd", "qemu-utils", "qemu-system-common", "redis-server"]
PACKAGES += ["e2fsprogs", "fdisk", "dosfstools", "mtools", "ntfs-3g", "openssl"]


class Machine:
    """A copy of the project, where `apt-get` installs nothing but notes what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.bin = folder / "bin"
        self.calls = folder / "calls"
        self.installed = folder / "installed"
        self.python = folder / "python3"
        self.calls.touch()
        self.bin.mkdir()
        shutil.copytree(ROOT / "script", self.project / "script")
        for name in ("requirements.txt", "requirements-dev.txt"):
            (self.project / name).write_text("")
        self.write(self.python, 'exec /usr/bin/python3 "$@"')
        bootstrap = self.project / "script" / "bootstrap"
        bootstrap.write_text(bootstrap.read_text().replace("=/usr/bin/python3", f"={self.python}"))
        self.program("dpkg-query", f"cat {self.installed}; exit 1")
        self.program("apt-get", f'echo "apt-get $DEBIAN_FRONTEND $*" >>{self.calls}')
        self.program("id", "echo 0")
        self.has(PACKAGES)

    def program(self, name: str, body: str) -> None:
        self.write(self.bin / name, body)

    @staticmethod
    def write(path: Path, body: str) -> None:
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def has(self, packages: list[str]) -> None:
        self.installed.write_text("".join(f"{name} installed\n" for name in packages))

    def stop_after_the_packages(self) -> None:
        """For tests that want to see no more than that: making .venv fails."""
        self.write(self.python, 'case "$*" in -c*) exec /usr/bin/python3 "$@";; *) exit 1;; esac')

    def bootstrap(
        self, *arguments: str, path: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.project / "script" / "bootstrap", "--without-database", *arguments],
            cwd="/",
            env={**os.environ, "PATH": path or f"{self.bin}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )

    def apt_calls(self) -> list[str]:
        return self.calls.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.slow
def test_it_makes_the_virtual_environment_once(machine: Machine) -> None:
    first = machine.bootstrap()
    assert first.returncode == 0, first.stderr
    assert "making .venv" in first.stdout
    assert "installing Python packages (requirements.txt)" in first.stdout
    settings = (machine.project / ".venv" / "pyvenv.cfg").read_text()
    assert "include-system-site-packages = true" in settings

    second = machine.bootstrap()
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert machine.apt_calls() == []

    (machine.project / "requirements.txt").write_text("# a change\n")
    assert "installing Python packages" in machine.bootstrap().stdout


@pytest.mark.slow
def test_it_rebuilds_a_virtual_environment_that_was_moved(machine: Machine) -> None:
    machine.bootstrap()
    moved = machine.project.rename(machine.project.with_name("elsewhere"))
    machine.project = moved
    assert "making .venv" in machine.bootstrap().stdout
    assert str(moved) in (moved / ".venv" / "bin" / "pip").read_text()


def test_it_installs_only_the_missing_packages_and_asks_no_questions(machine: Machine) -> None:
    machine.has([name for name in PACKAGES if name not in ("mtools", "redis-server")])
    machine.stop_after_the_packages()
    machine.program("apt-get", f'echo "$DEBIAN_FRONTEND $*" >>{machine.calls}')
    result = machine.bootstrap()
    assert "installing Debian packages: redis-server mtools" in result.stdout
    update, install = machine.apt_calls()
    assert update.startswith("noninteractive ")
    assert update.endswith(" update")
    assert install.endswith(
        " -y -o DPkg::Lock::Timeout=300 install --no-install-recommends redis-server mtools"
    )


def test_what_only_the_tests_need_is_installed_for_them_only(machine: Machine) -> None:
    machine.stop_after_the_packages()
    result = machine.bootstrap("--test")
    wanted = "postgresql chromium-headless-shell fonts-dejavu-core shellcheck"
    wanted += " gcc libc6-dev nbdkit libnbd-bin gnutls-bin"
    assert f"Debian packages: {wanted}\n" in result.stdout


def test_it_uses_sudo_when_not_root(machine: Machine) -> None:
    machine.has(PACKAGES[1:])
    machine.program("id", "echo 1000")
    machine.program("sudo", f'echo "sudo $*" >>{machine.calls}')
    machine.stop_after_the_packages()
    machine.bootstrap()
    assert all(
        call.startswith("sudo env DEBIAN_FRONTEND=noninteractive apt-get ")
        for call in machine.apt_calls()
    )
    assert len(machine.apt_calls()) == 2


def only_these(machine: Machine, *programs: str) -> str:
    """A PATH with the stand-ins and the named real programs, and nothing else."""
    for name in programs:
        (machine.bin / name).symlink_to(str(shutil.which(name)))
    return str(machine.bin)


def refusal(result: subprocess.CompletedProcess[str]) -> str:
    """What a refusing run said: one line, on standard error."""
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    return line


def test_without_root_and_sudo_it_says_what_to_install(machine: Machine) -> None:
    machine.has(PACKAGES[1:])
    machine.program("id", "echo 1000")
    path = only_these(machine, "bash", "env", "dirname", "realpath", "flock", "cat", "grep")
    assert refusal(machine.bootstrap(path=path)) == (
        "script/bootstrap: not root and no sudo; run as root: apt-get install python3-venv"
    )


def test_without_apt_it_says_that_this_is_not_debian(machine: Machine) -> None:
    (machine.bin / "apt-get").unlink()
    path = only_these(machine, "bash", "env", "dirname", "realpath", "flock")
    assert "this is not Debian (no apt)" in refusal(machine.bootstrap(path=path))


def test_another_python_is_refused_before_anything_is_installed(machine: Machine) -> None:
    machine.has([])
    machine.write(machine.python, "echo 3.12")
    assert refusal(machine.bootstrap()) == (
        "script/bootstrap: vmrep needs Debian 12 or 13 with its Python (3.11 3.13); "
        f"{machine.python} is 3.12"
    )
    assert machine.apt_calls() == []


@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_the_pythons_of_debian_12_and_13_are_good(machine: Machine, version: str) -> None:
    machine.write(machine.python, f'case "$*" in -c*) echo {version};; *) exit 1;; esac')
    assert "bootstrap: making .venv" in machine.bootstrap().stdout


@pytest.mark.slow
def test_a_virtual_environment_of_the_last_debians_python_is_rebuilt(machine: Machine) -> None:
    machine.bootstrap()
    (library,) = (machine.project / ".venv" / "lib").glob("python3.*")
    library.rename(library.with_name("python3.9"))
    assert "making .venv" in machine.bootstrap().stdout


def test_what_apt_said_is_shown_when_it_fails(machine: Machine) -> None:
    machine.has(PACKAGES[1:])
    machine.program("apt-get", "echo 'E: no network' >&2; exit 100")
    result = machine.bootstrap()
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "E: no network",
        "script/bootstrap: apt-get update failed (exit code 100); its output is above",
    ]


def test_a_service_that_apt_starts_does_not_keep_the_lock(machine: Machine) -> None:
    machine.has(PACKAGES[1:])
    machine.program(
        "apt-get", "sleep 60 >/dev/null 2>&1 & echo $! >>" + str(machine.calls) + "; exit 1"
    )
    machine.bootstrap()
    (service,) = machine.apt_calls()
    try:
        with (machine.project / "requirements.txt").open() as lock:
            subprocess.run(
                ["flock", "--nonblock", str(lock.fileno())], pass_fds=[lock.fileno()], check=True
            )
    finally:
        os.kill(int(service), 15)


def test_an_unknown_argument_is_refused(machine: Machine) -> None:
    assert "unknown argument --tset" in refusal(machine.bootstrap("--tset"))
