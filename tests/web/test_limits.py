"""The page of limits."""

from __future__ import annotations

import pytest

from replication.models import BandwidthWindow, Limit
from replication.selectors import limits
from replication.services.bandwidth import Window, add_window
from replication.services.limits import set_limit
from tests import factories
from tests.web.conftest import HTMX, text
from vmrep.web import versions

MIB = 1 << 20


@pytest.fixture
def estate(db, tmp_path, monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)
    vcenter = factories.vcenter("Graz")
    context = factories.context("a", at=vcenter, keep_in=factories.repository(path=tmp_path))
    context.disks.update(datastore="fast & <slow>")
    factories.places(factories.running_job(context), "host_sessions", "esx-01:902", 8)
    return vcenter


def test_it_shows_every_limit_with_its_use_and_what_is_full(web, estate):
    page = text(web.get("/limits/"))
    for words in ("Jobs per vCenter", "Graz", "esx-01:902", "full", "Bandwidth per vCenter"):
        assert words in page
    assert "/limits/" in web.get("/jobs/").content.decode()


def test_a_limit_is_set_and_taken_back(web, estate):
    address = f"/limits/change/?kind=vcenter_jobs&resource={estate.pk}"
    assert "Leave empty for 8, as for all others." in text(web.get(address))
    page = web.post(address, {"limit": "3"}, follow=True)
    assert "the limit is 3 now" in text(page)
    assert Limit.objects.get().value == 3
    assert 'value="3"' in web.get(address).content.decode()
    assert "greater than or equal to 1" in text(web.post(address, {"limit": "0"}))
    web.post(address, {"limit": ""})
    assert not Limit.objects.exists()


def test_another_host_or_datastore_is_named(web, estate):
    address = "/limits/change/?kind=host_sessions&other=1"
    assert "address and port" in text(web.post(address, {"resource": "esx", "limit": "4"}))
    web.post(address, {"resource": "esx-02:902", "limit": "4"})
    assert limits.limit(limits.host_sessions("esx-02:902")) == 4
    address = "/limits/change/?kind=datastore_snapshots&other=1"
    key = f"{estate.pk}:fast & <slow>"
    assert "fast &amp; &lt;slow&gt; (Graz)" in web.get(address).content.decode()
    web.post(address, {"resource": key, "limit": "2"})
    page = web.get("/limits/").content.decode()
    link = page.split("kind=datastore_snapshots&amp;resource=")[2].split('"')[0]
    assert "fast &amp; &lt;slow&gt;" in page
    assert web.get(f"/limits/change/?kind=datastore_snapshots&resource={link}").status_code == 200


@pytest.mark.parametrize("query", ["", "?kind=x", "?kind=vcenter_jobs&resource=99"])
def test_a_limit_that_is_not_there_is_not_found(web, estate, query):
    assert web.get(f"/limits/change/{query}").status_code == 404


def test_a_window_is_added_and_removed(web, estate):
    address = f"/limits/bandwidth/add/?vcenter={estate.pk}"
    assert f'value="{estate.pk}" selected' in web.get(address).content.decode()
    values = {
        **{"vcenter": estate.pk, "mebibytes": "2.5", "days": ["0", "6"]},
        **{"begin": "22:00", "end": "00:00", "time_zone": "Europe/Vienna"},
    }
    for wrong in ({"mebibytes": "0.01"}, {"days": []}, {"time_zone": "Mars"}, {"begin": "25:00"}):
        assert "invalid-feedback" in web.post(address, values | wrong).content.decode() or (
            "alert-danger" in web.post(address, values | wrong).content.decode()
        )
    assert not BandwidthWindow.objects.exists()
    page = text(web.post(address, values, follow=True))
    assert "2.5 MiB/s, Mon, Sun 22:00 to 24:00, Europe/Vienna" in page
    window = BandwidthWindow.objects.get()
    assert (window.bytes_per_second, window.days) == (2_621_440, 0b1000001)
    web.post(f"/limits/bandwidth/{window.pk}/remove/")
    assert not BandwidthWindow.objects.exists()


def test_every_change_is_news_on_its_page(web, estate):
    def shown() -> str:
        return web.get("/limits/").content.decode().split('data-version="')[2].split(".")[0]

    seen = [shown()]
    set_limit(limits.vcenter_jobs(estate.pk), 3, actor="ops")
    seen.append(shown())
    add_window(estate.pk, Window(MIB), actor="ops")
    seen.append(shown())
    factories.places(estate.contexts.get().jobs.get(), "host_sessions", "esx-03:902", 1)
    seen.append(shown())
    assert len(set(seen)) == len(seen)
    token = web.get("/limits/").content.decode().split('data-version="')[2].split('"')[0]
    poll = web.get("/limits/", headers=HTMX | {"X-Vmrep-Version": token})
    assert poll.status_code == 204
    assert versions.OLDEST_PAGE


def test_it_takes_as_many_queries_with_many(web, estate, queries):
    before = queries(lambda: web.get("/limits/"))
    for number in range(5):
        vcenter = factories.vcenter(f"v{number}")
        set_limit(limits.datastore_snapshots(vcenter.pk, "fast"), 3, actor="ops")
        add_window(vcenter.pk, Window(MIB), actor="ops")
    assert queries(lambda: web.get("/limits/")) == before
