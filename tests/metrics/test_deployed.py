"""The rules and the dashboard in deploy/: every name in them exists, and every alert fires."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from vmrep.metrics.catalogue import METRICS

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
SERIES = {name for metric in METRICS.values() for name in metric.series}
LABELS = {label for metric in METRICS.values() for label in metric.labels}


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\bvmrep_[a-z0-9_]+", text))


def expressions(dashboard: Any) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_rules_and_dashboard_name_series_that_there_are():
    dashboard = json.loads((DEPLOY / "grafana/vmrep.json").read_text())
    shown = "\n".join(expressions(dashboard))
    rules = re.sub(r"(?m)^ *#.*$", "", (PROMETHEUS / "alerts.yml").read_text())
    for text in (shown, rules):
        assert len(names_in(text)) > 10
        assert names_in(text) <= SERIES
    grouped = re.findall(r"by \(([^)]*)\)", shown + rules)
    used = {label.strip() for labels in grouped for label in labels.split(",")}
    assert used <= LABELS | {"le", "alertname"}


def test_the_dashboard_can_be_imported_twice_and_nothing_overlaps():
    dashboard = json.loads((DEPLOY / "grafana/vmrep.json").read_text())
    assert dashboard["uid"] == "vmrep"
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not taken & cells, panel["title"]
        taken |= cells


def test_each_alert_is_tried():
    alerts = set(re.findall(r"alert: (\w+)", (PROMETHEUS / "alerts.yml").read_text()))
    tried = set(re.findall(r'alertname="(\w+)"', (PROMETHEUS / "alerts_test.yml").read_text()))
    assert alerts == tried


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool (Debian's package prometheus) is missing"
)
def test_promtool_accepts_and_tries_the_rules(tmp_path: Path):
    for arguments in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run(
            ["promtool", *arguments], cwd=PROMETHEUS, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    config = (PROMETHEUS / "prometheus.yml").read_text()
    token = tmp_path / "token"
    token.write_text("x" * 32)
    (tmp_path / "alerts.yml").write_text((PROMETHEUS / "alerts.yml").read_text())
    file = tmp_path / "prometheus.yml"
    file.write_text(config.replace("/etc/prometheus/vmrep-token", str(token)))
    done = subprocess.run(
        ["promtool", "check", "config", file], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
