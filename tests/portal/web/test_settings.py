"""What the settings make of the public address."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = """
import json
from django.conf import settings
names = (
    "SESSION_COOKIE_NAME", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_NAME", "CSRF_COOKIE_SECURE", "SECURE_HSTS_SECONDS",
    "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN",
    "SECRET_KEY_FALLBACKS",
)
print(json.dumps({name: getattr(settings, name) for name in names}))
"""


def settings_of(tmp_path: Path, secret_key_file: str = "", **site: Any) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "outgate.portal.web.settings",
            "OUTGATE_STATE": str(tmp_path),
            "OUTGATE_SECRET_KEY_FILE": secret_key_file,
            "OUTGATE_SITE": json.dumps(site),
            "PYTHONPATH": str(ROOT / "src"),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    values: dict[str, Any] = json.loads(done.stdout)
    return values


def test_with_tls_cookies_are_bound_to_the_host_and_browsers_insist(tmp_path: Path) -> None:
    values = settings_of(tmp_path, url="https://portal.example.com", hsts_seconds=31_536_000)

    assert values["SESSION_COOKIE_NAME"].startswith("__Host-")
    assert values["CSRF_COOKIE_NAME"].startswith("__Host-")
    assert values["SESSION_COOKIE_SECURE"] is values["CSRF_COOKIE_SECURE"] is True
    assert values["SECURE_HSTS_SECONDS"] == 31_536_000
    assert values["ALLOWED_HOSTS"][0] == "portal.example.com"
    assert values["CSRF_TRUSTED_ORIGINS"] == ["https://portal.example.com"]
    assert not values["MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN"]


@pytest.mark.parametrize("url", ["http://localhost:8025", "http://127.0.0.1:8025"])
def test_without_tls_nothing_is_promised_that_cannot_be_held(tmp_path: Path, url: str) -> None:
    values = settings_of(tmp_path, url=url, hsts_seconds=31_536_000)

    assert (values["SESSION_COOKIE_SECURE"], values["SECURE_HSTS_SECONDS"]) == (False, 0)


def test_nodes_share_a_secret_key_and_the_former_one_still_reads(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.write_text("s" * 40)
    (tmp_path / "secret-key").write_text("former")

    assert settings_of(tmp_path, secret_key_file=str(shared))["SECRET_KEY_FALLBACKS"] == ["former"]
    assert settings_of(tmp_path)["SECRET_KEY_FALLBACKS"] == []
    shared.write_text("short")
    with pytest.raises(AssertionError, match="holds 5 characters"):
        settings_of(tmp_path, secret_key_file=str(shared))


def test_unreadable_site_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="OUTGATE_SITE"):
        settings_of(tmp_path, url=7)
