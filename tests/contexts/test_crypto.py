"""Secrets at rest: encrypted together with what they are for."""

import json

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db.migrations.loader import MigrationLoader

from contexts import crypto, event_chains
from contexts.errors import SecretUnreadable
from contexts.models import VCenter
from contexts.services import vcenters
from contexts.services.vcenters import SEALED
from tests import factories
from vmrep.notifications import services
from vmrep.notifications.models import Channel

pytestmark = pytest.mark.any_database

SECRET = "secret of the vCenter"
HOOK = {"url": "https://hooks.example.org/secret-path", "secret": "whsec_" + "QUFB" * 8}


def test_the_key_is_not_django_s_secret_key(settings):
    assert settings.SECRET_KEY not in settings.FIELD_KEYS


@pytest.mark.django_db
def test_a_secret_comes_back_and_is_not_in_what_is_stored():
    factories.vcenter()
    assert SECRET not in str(VCenter.objects.values().get())
    assert vcenters.endpoint(VCenter.objects.get()).password == SECRET


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"host": "vc.evil.example"}, "(host)"),
        ({"port": 444}, "(port)"),
        ({"username": "root"}, "(user name)"),
        ({"trust_mode": "insecure"}, "(trust mode)"),
        ({"fingerprint_sha256": ":".join(["AB"] * 32)}, "(SHA-256 fingerprint)"),
    ],
)
def test_in_a_row_that_was_changed_without_vmrep_the_password_is_unreadable(changed, word):
    factories.vcenter("Graz")
    VCenter.objects.update(**changed)
    with pytest.raises(SecretUnreadable) as refused:
        vcenters.endpoint(VCenter.objects.get())
    said = str(refused.value)
    assert "of Graz" in said
    assert word in said
    assert "enter the password again" in said


@pytest.mark.django_db
def test_a_secret_of_another_row_column_or_version_is_unreadable():
    one, other = factories.vcenter(), factories.vcenter()
    channel = services.add_channel("hook", "webhook", HOOK)
    stolen = [
        one.password_encrypted,
        channel.config_encrypted,
        crypto.encrypt_alone(SECRET),
        crypto.encrypt_alone("12345"),
        crypto.encrypt_alone('{"secret": "x"}'),
    ]
    for token in stolen:
        other.password_encrypted = token
        with pytest.raises(SecretUnreadable, match=r"[Ee]nter the password again"):
            vcenters.endpoint(other)
    channel.config_encrypted = one.password_encrypted
    with pytest.raises(SecretUnreadable, match="Enter the settings again"):
        services.config_of(channel)


@pytest.mark.django_db
def test_a_channel_that_is_said_to_lead_elsewhere_is_unreadable():
    services.add_channel("hook", "webhook", HOOK)
    Channel.objects.update(address_shown="https://hooks.example.com/…")
    with pytest.raises(SecretUnreadable, match="stored settings of hook"):
        services.config_of(Channel.objects.get())


@pytest.mark.django_db
def test_without_the_key_the_remedy_is_reported(settings):
    row = factories.vcenter()
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(SecretUnreadable, match="enter the password again"):
        vcenters.endpoint(row)


@pytest.mark.django_db
def test_after_a_rotation_the_older_keys_are_not_needed(settings, capsys):
    older, newest = settings.FIELD_KEYS[0], Fernet.generate_key().decode()
    row = factories.vcenter("Graz")
    factories.failed_job(factories.context("web", at=row))
    services.add_channel("hook", "webhook", HOOK)
    settings.FIELD_KEYS = [newest, older]
    assert vcenters.endpoint(row).password == SECRET
    call_command("rotate_secrets")
    assert "Encrypted with the newest key: 2." in capsys.readouterr().out
    settings.FIELD_KEYS = [newest]
    assert event_chains.verify().faults == []
    assert vcenters.endpoint(VCenter.objects.get()).password == SECRET
    assert services.config_of(Channel.objects.get())["url"] == HOOK["url"]


@pytest.mark.django_db
def test_a_rotation_trusts_no_row_that_was_changed_and_names_it(settings, capsys):
    row = factories.vcenter("Graz\x1b[2J")
    VCenter.objects.update(host="vc.evil.example")
    settings.FIELD_KEYS = [Fernet.generate_key().decode(), *settings.FIELD_KEYS]
    with pytest.raises(CommandError, match="1 could not be read"):
        call_command("rotate_secrets")
    assert r"of Graz\x1b[2J was stored for something else" in capsys.readouterr().err
    assert VCenter.objects.get().password_encrypted == row.password_encrypted


@pytest.mark.django_db
def test_a_change_with_the_password_is_stored_whole_whatever_changed_meanwhile(monkeypatch):
    row = factories.vcenter()
    VCenter.objects.update(username="of somebody faster")
    monkeypatch.setattr(vcenters, "_connect", lambda *_, **__: None)
    vcenters.update(row, host="vc.example.com", password="new")
    assert vcenters.endpoint(VCenter.objects.get()).password == "new"


@pytest.mark.django_db
def test_secrets_of_earlier_versions_are_bound_by_the_migrations_and_back():
    row = factories.vcenter()
    channel = services.add_channel("hook", "webhook", HOOK)
    older = {SEALED: SECRET, "config_encrypted": json.dumps(HOOK)}
    VCenter.objects.update(**{SEALED: crypto.encrypt_alone(SECRET)})
    unreadable = factories.vcenter(password_encrypted="of another installation")
    Channel.objects.update(config_encrypted=crypto.encrypt_alone(json.dumps(HOOK)))
    for app in ("contexts", "notifications"):
        _run(app, forwards=True)
    assert vcenters.endpoint(VCenter.objects.get(pk=row.pk)).password == SECRET
    assert services.config_of(Channel.objects.get()) == HOOK
    unreadable.refresh_from_db()
    assert unreadable.password_encrypted == "of another installation"
    for app in ("contexts", "notifications"):
        _run(app, forwards=False)
    row.refresh_from_db()
    channel.refresh_from_db()
    assert crypto.decrypt_alone(row.password_encrypted) == older[SEALED]
    assert crypto.decrypt_alone(channel.config_encrypted) == older["config_encrypted"]


def _run(app: str, *, forwards: bool) -> None:
    """The migration's own operation, on the tables as it finds them."""
    loader = MigrationLoader(None)
    (key,) = (
        each for each in loader.disk_migrations if each[0] == app and "what_they_are_f" in each[1]
    )
    (operation,) = loader.disk_migrations[key].operations
    apps = loader.project_state(key).apps
    (operation.code if forwards else operation.reverse_code)(apps, None)
