"""Passwords that were entered are nowhere that anybody can look: database, logs, pages, API,
exceptions, this process's arguments and environment."""

from __future__ import annotations

import io
import logging
import traceback
import zipfile
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection

from contexts.models import VCenter, VMContext
from contexts.services import connections, vcenters
from contexts.vsphere.errors import LoginRefused
from tests import factories
from tests.labs import PASSWORD
from vmrep.notifications import services

WRONG = "canary-that-is-wrong"
HOOK = {"url": "https://hooks.example.org/canary-path", "secret": "whsec_" + "Y2FuYXJ5" * 4}
CANARIES = (PASSWORD, WRONG, "canary-path", HOOK["secret"])


def a_vm_of(vcenter: VCenter) -> VMContext:
    return factories.context(at=vcenter)


@pytest.mark.any_database
def test_a_password_is_nowhere_to_be_seen(web, filled_in, fingerprint, caplog):
    caplog.set_level(logging.DEBUG)
    page = {**filled_in, "trust_mode": "pin", "confirm_fingerprint": fingerprint}
    seen = [web.post("/vcenters/add/", page | {"password": WRONG})]
    seen.append(web.post("/vcenters/add/", page))
    vcenter = VCenter.objects.get()
    services.add_channel("hook", "webhook", HOOK)
    assert connections.test(vcenter).outcome != "failed"
    with pytest.raises(LoginRefused) as refused:
        vcenters.update(vcenter, password=WRONG)
    at = f"/vcenters/{vcenter.pk}/"
    seen += [web.get(each) for each in ("/vcenters/", at, "/notifications/", "/discovery/")]
    seen += [web.get(f"/admin/contexts/vcenter/{vcenter.pk}/change/")]
    seen += [web.get(f"/api/v1/{each}/") for each in ("vcenters", "channels")]
    seen += [web.post(at, page | {"port": "x"}), web.post(f"{at}test/")]
    seen.append(web.post(f"/jobs/{factories.completed_job(a_vm_of(vcenter)).pk}/debug-bundle/"))
    bundled = zipfile.ZipFile(io.BytesIO(seen[-1].content))
    stored = [
        str(row)
        for table in apps.get_models()
        if table._meta.managed
        for row in table._default_manager.values()
    ]
    assert any("hooks.example.org" in row for row in stored)
    process = [Path(f"/proc/self/{name}").read_text() for name in ("cmdline", "environ")]
    raised = "".join(traceback.format_exception(refused.value)) + repr(vars(refused.value))
    places = [bundled.read(name).decode() for name in bundled.namelist()]
    places += [
        *(each.content.decode("latin-1") for each in seen),
        *stored,
        *process,
        caplog.text,
        raised,
    ]
    assert [
        (canary, place[:200]) for canary in CANARIES for place in places if canary in place
    ] == []
    # What is looked for would be found.
    assert vcenters.endpoint(VCenter.objects.get()).password == PASSWORD


@pytest.mark.django_db(transaction=True)
def test_the_file_of_sqlite_has_no_secret_either(filled_in, fingerprint):
    """Nor in a page of it that is free now: of what was there before, too."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL's content is dumped in tests/e2e/test_canaries.py")
    more = {"trust_mode": "pin", "fingerprint_sha256": fingerprint}
    vcenter = vcenters.add(**filled_in, **more)
    channel = services.add_channel("hook", "webhook", HOOK)
    key = factories.token(factories.user("ops", password=WRONG))
    channel.delete()
    VCenter.objects.filter(pk=vcenter.pk).delete()
    connection.close()
    name = str(connection.settings_dict["NAME"])
    written = [Path(name + end) for end in ("", "-wal", "-shm")]
    content = b"".join(path.read_bytes() for path in written if path.exists())
    assert str(filled_in["username"]).encode() in content
    assert [each for each in (*CANARIES, key) if each.encode() in content] == []
