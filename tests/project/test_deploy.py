"""The files under deploy/ are what systemd takes, and agree with the settings that they depend on."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from outgate.app.configuration import Configuration
from outgate.app.metrics import METRICS, MetricKind
from outgate.app.supervisor import CLERK_SECONDS, FLUSH_SECONDS, READY_SECONDS

DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT = DEPLOY / "outgate.service"
EXPOSURE_MAX = 2.0  # of systemd-analyze's 10; 1.7 with systemd 252. Below it are services that need no network

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing: tools/system-packages installs it"
)


def service() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT.read_text())
    return parser["Service"]


@needs_systemd
def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    """With a program that is there, which it looks for."""
    unit = tmp_path / "outgate.service"
    unit.write_text(UNIT.read_text().replace("/opt/outgate/bin/outgate", sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert done.returncode == 0


@needs_systemd
def test_the_unit_gives_away_little() -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    match = re.search(r"exposure level for outgate\.service: ([0-9.]+)", done.stdout)
    assert match, done.stdout + done.stderr
    assert float(match[1]) <= EXPOSURE_MAX, done.stdout


def test_the_unit_gives_the_processes_the_time_that_they_take() -> None:
    configuration = Configuration()
    unit = service()
    assert int(unit["TimeoutStopSec"]) > configuration.drain_seconds + FLUSH_SECONDS + CLERK_SECONDS
    assert int(unit["TimeoutStartSec"]) > READY_SECONDS


def test_the_unit_gives_the_descriptors_that_the_limits_promise() -> None:
    """The limit is each process's own. A large message takes a file besides its connection."""
    configuration = Configuration()
    most = 2 * configuration.limits.connections + 2 * configuration.delivery.connections
    assert int(service()["LimitNOFILE"]) > most


def test_the_unit_keeps_the_state_where_the_settings_say() -> None:
    assert f"/var/lib/{service()['StateDirectory']}" == Configuration().state


def alerts() -> dict[str, str]:
    """Each alert's expression."""
    text = (DEPLOY / "prometheus-alerts.yml").read_text()
    found = re.findall(r"- alert: (\w+)\n +expr: (.+)\n", text)
    assert len(found) == text.count("- alert:")
    return dict(found)


@pytest.mark.parametrize(("name", "expression"), alerts().items())
def test_an_alert_asks_for_metrics_that_there_are(name: str, expression: str) -> None:
    """By the name under which Prometheus sees them: a counter's ends in _total."""
    shown = {f"{name}_total" if metric.kind is MetricKind.COUNTER else name for name, metric in METRICS.items()}
    asked = set(re.findall(r"outgate_\w+", expression))
    assert asked <= shown
    assert asked or name == "OutgateDown"
