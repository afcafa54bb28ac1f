"""The examples of docs/examples.md, to be run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SUFFIXES = {"sh": "sh", "python": "py", "yaml": "yml"}


def examples(heading: str) -> list[tuple[str, str]]:
    """Language and text of each block below this heading."""
    text = (ROOT / "docs" / "examples.md").read_text()
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = _BLOCK.findall(section)
    assert found, heading
    return found


class Bench:
    """A folder with what the examples expect: a token, and the commands in the path."""

    def __init__(self, folder: Path, url: str, token: str, **more: str) -> None:
        self.folder = folder
        (folder / "token").write_text(f"{token}\n")
        (folder / "token-header").write_text(f"Authorization: Token {token}\n")
        commands = folder / "bin"
        commands.mkdir()
        (commands / "vmrep").symlink_to(ROOT / "script" / "vmrep")
        self.environment = os.environ | {
            "PATH": f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "VMREP_URL": url,
            "VMREP_TOKEN_FILE": str(folder / "token"),
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
            **more,
        }

    def run(self, language: str, text: str, *arguments: str) -> str:
        """What it prints; it must succeed."""
        file = self.folder / f"example.{SUFFIXES[language]}"
        file.write_text(text)
        command = {
            "sh": ["bash", "-euo", "pipefail", str(file)],
            "python": [sys.executable, str(file)],
            "yaml": ["ansible-playbook", str(file), *arguments],
        }[language]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout
