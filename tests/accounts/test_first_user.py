"""The first user: made by whoever shows the set-up code, once."""

from __future__ import annotations

import io

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client, override_settings

from tests import factories
from vmrep.accounts import first_user

pytestmark = pytest.mark.any_database
PASSWORD = "a long enough password"


def form(**but: str) -> dict[str, str]:
    given = {"code": first_user.code(), "username": "chief"}
    return given | {"password1": PASSWORD, "password2": PASSWORD} | but


def test_the_login_leads_to_it_while_there_is_no_user(db):
    web = Client()
    assert 'href="/setup/"' in web.get("/login/").content.decode()
    assert web.get("/setup/").status_code == 200
    answer = web.post("/setup/", form(code=f" {first_user.code().lower()} "))
    assert answer["Location"] == "/virtual-machines/"
    made = User.objects.get()
    assert (made.username, made.is_superuser) == ("chief", True)
    assert made.check_password(PASSWORD)
    assert web.get("/virtual-machines/").status_code == 200
    for method in ("get", "post"):
        assert getattr(Client(), method)("/setup/", form(username="second")).status_code == 404
    assert 'href="/setup/"' not in Client().get("/login/").content.decode()
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    "wrong",
    [
        *({"code": ""}, {"code": "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA"}, {"username": "a b"}),
        *({"password1": "12345678", "password2": "12345678"}, {"password2": "another one"}),
        {"username": "longenough1", "password1": "longenough1", "password2": "longenough1"},
    ],
)
def test_nothing_is_made_of_what_is_wrong(db, wrong):
    answer = Client().post("/setup/", form(**wrong))
    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert PASSWORD not in answer.content.decode()
    assert not User.objects.exists()


def test_the_code_is_of_this_installation():
    mine = first_user.code()
    assert len(mine) == 29
    with override_settings(SECRET_KEY="another"):
        assert first_user.code() != mine
        assert not first_user.is_code(mine)


def test_it_is_told_where_the_server_starts_while_there_is_no_user(db, capsys, monkeypatch):
    monkeypatch.setattr("vmrep.accounts.first_user.connections.close_all", lambda: None)
    first_user.announce("http://vmrep/setup/")
    told = capsys.readouterr().err
    assert first_user.code() in told
    assert "http://vmrep/setup/" in told
    factories.user()
    first_user.announce("http://vmrep/setup/")
    assert capsys.readouterr().err == ""


def test_a_command_makes_it_too(db, monkeypatch, capsys):
    call_command("first_user", code=True)
    assert capsys.readouterr().out.strip() == first_user.code()
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    with pytest.raises(CommandError, match="too short"):
        call_command("first_user", "chief", password_stdin=True)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    call_command("first_user", "chief", password_stdin=True)
    assert User.objects.get().check_password(PASSWORD)
    with pytest.raises(CommandError, match="There is a user already"):
        call_command("first_user", "second")
