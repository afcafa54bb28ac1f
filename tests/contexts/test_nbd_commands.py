"""The file with commands that serve NBD: what is in it is checked before anything is started."""

from __future__ import annotations

import pytest

from contexts.services import nbd_commands
from contexts.services.nbd_commands import NbdCommandRefused

pytestmark = pytest.mark.any_database

GOOD = '[mine]\ncommand = ["nbdkit", "--unix", "{socket}", "file={disk_path}"]\n'


@pytest.fixture
def file(settings, tmp_path):
    settings.NBD_COMMANDS = tmp_path / "nbd-commands.toml"
    settings.NBD_COMMANDS.write_text(GOOD)
    settings.NBD_COMMANDS.chmod(0o600)
    return settings.NBD_COMMANDS


def test_an_argument_stays_one_whatever_is_filled_in(file):
    hostile = "[ds] a b'\"$(x) {socket}; --exportname=y/z.vmdk"
    filled = nbd_commands.command("mine").filled({"socket": "/run/s", "disk_path": hostile})
    assert filled == ["nbdkit", "--unix", "/run/s", f"file={hostile}"]


@pytest.mark.parametrize("value", ["", "a\nb", "a\0b"])
def test_what_is_unknown_or_unprintable_is_refused(file, value):
    with pytest.raises(NbdCommandRefused, match="disk_path"):
        nbd_commands.command("mine").filled({"socket": "/run/s", "disk_path": value})


def test_a_value_does_not_become_an_option(file):
    file.write_text('[mine]\ncommand = ["x", "{socket}", "{disk_path}"]\n')
    with pytest.raises(NbdCommandRefused, match="option"):
        nbd_commands.command("mine").filled({"socket": "/run/s", "disk_path": "--help"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[mine", "cannot be read"),
        ("[Mine]\ncommand = ['x']", "lower-case letters"),
        ("mine = 1", "lower-case letters"),
        ("[mine]\ncommand = 'nbdkit {socket}'", "list of arguments"),
        ("[mine]\ncommand = []", "list of arguments"),
        ("[mine]\ncommand = ['x', 1]", "must be text"),
        ("[mine]\ncommand = ['x', '{socket}', '{password}']", "{password} is not a placeholder"),
        ("[mine]\ncommand = ['x']", r"no argument has {socket}"),
        ("[mine]\ncommand = ['x', '{socket}']\nshell = true", "unknown key: shell"),
        ("[mine]\ncommand = ['x', '{socket}']\nconnections = 0", "1 to 16"),
        ("[mine]\ncommand = ['x', '{socket}']\nconnections = true", "1 to 16"),
        (GOOD.replace("mine", "other"), "no command “mine”"),
    ],
)
def test_what_is_wrong_in_it_is_reported(file, text, words):
    file.write_text(text)
    with pytest.raises(NbdCommandRefused, match=words):
        nbd_commands.command("mine")


def test_a_file_that_others_can_write_to_is_not_used(file):
    file.chmod(0o666)
    with pytest.raises(NbdCommandRefused, match="chmod go-w"):
        nbd_commands.command("mine")
