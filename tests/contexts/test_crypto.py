"""Secrets at rest."""

import pytest
from cryptography.fernet import Fernet

from contexts import crypto
from contexts.errors import SecretUnreadable
from contexts.models import VCenter
from tests import factories


def test_a_secret_comes_back_and_is_not_in_what_is_stored():
    stored = crypto.encrypt("s3cret")
    assert "s3cret" not in stored
    assert crypto.decrypt(stored) == "s3cret"


def test_an_older_key_still_decrypts_and_the_newest_encrypts(settings):
    stored = crypto.encrypt("s3cret")
    newest = Fernet.generate_key().decode()
    settings.FIELD_KEYS = [newest, *settings.FIELD_KEYS]
    assert crypto.decrypt(stored) == "s3cret"
    assert Fernet(newest).decrypt(crypto.encrypt("again").encode()) == b"again"


def test_without_the_key_the_remedy_is_reported(settings):
    stored = crypto.encrypt("s3cret")
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(SecretUnreadable, match="enter the password again"):
        crypto.decrypt(stored)


def test_the_key_is_not_django_s_secret_key(settings):
    assert settings.SECRET_KEY not in settings.FIELD_KEYS


@pytest.mark.django_db
def test_the_database_never_holds_the_password_itself():
    factories.vcenter()
    assert "secret of the vCenter" not in str(VCenter.objects.values().get())
