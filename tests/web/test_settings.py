"""The default RPO target on its page."""

from __future__ import annotations

from replication.models import Installation


def test_an_operator_sets_it_on_its_page(web):
    assert "None" in web.get("/settings/").text
    answer = web.post("/settings/", {"target": "86400"}, follow=True)
    assert "a target of 1 d" in answer.text
    assert Installation.objects.get().default_rpo_target_seconds == 86_400
    assert web.post("/settings/", {"target": "7"}).status_code == 200
    assert Installation.objects.get().default_rpo_target_seconds == 86_400
    web.post("/settings/", {"target": ""})
    assert Installation.objects.get().default_rpo_target_seconds is None
