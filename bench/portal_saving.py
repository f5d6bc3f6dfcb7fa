"""An installation with a portal and two workers, in which somebody saves settings over HTTP."""

import http.cookiejar
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from bench.installation import free_port

SECONDS = 60.0
LOOK_SECONDS = 0.02
CUSTOMER = "example"
_APPLIED = re.compile(r"Applied in ([0-9.]+) s")
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_SETTINGS = """\
state = "{state}"
host_name = "relay.test"
node = "bench"
workers = 2
allow_private_sources = true
[[listeners]]
address = "127.0.0.1"
port = {smtp_port}
[health]
address = ""
[portal]
address = "127.0.0.1"
port = {port}
public_url = "http://127.0.0.1:{port}"
[providers]
refresh = false
"""
_TEXT = 'name = "Example"\nplan = "gateway"\noutbound = "off"\n[[domains]]\nname = "from.test"\n'


class Portal:
    """Started on entering, ended on leaving. shown: milliseconds that the page itself said, one for each save."""

    def __init__(self, directory: Path, password: str) -> None:
        self.shown: list[float] = []
        self._directory = directory
        self._password = password
        self._url = f"http://127.0.0.1:{(port := free_port())}"
        directory.mkdir(parents=True)
        (directory / "outgate.toml").write_text(
            _SETTINGS.format(state=directory / "state", smtp_port=free_port(), port=port)
        )
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def __enter__(self) -> "Portal":
        self._process = subprocess.Popen(
            [*self._outgate, "up"], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._until(lambda: self._get("/alive") == "good\n")
        text = self._directory / "customer.toml"
        text.write_text(_TEXT)
        self._run("customer", "apply", str(text), "--create", "--yes")
        email = "admin@from.test"
        self._run("user", "add", email, "--role", "customer-admin", "--customer", CUSTOMER, "--password-stdin")
        self._token = self._token_of(self._get("/account/login/"))
        self._post("/account/login/", login=email, password=self._password)
        self._token = self._token_of(self._get(f"/customers/{CUSTOMER}/outbound/"))
        self._until(self._is_applied)
        return self

    def save(self, form: str, **fields: str) -> float:
        """Send a form of the page; the milliseconds until the page says that all workers act on it."""
        begun = time.perf_counter()
        self._post(f"/customers/{CUSTOMER}/outbound/{form}", **fields)
        self._until(self._is_applied)
        took = time.perf_counter() - begun
        shown = _APPLIED.search(self._get(f"/customers/{CUSTOMER}/outbound/"))
        assert shown is not None
        self.shown.append(float(shown[1]) * 1000)
        return took * 1000

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(90)

    @property
    def _outgate(self) -> list[str]:
        return [sys.executable, "-m", "outgate.app.cli", "--config", str(self._directory / "outgate.toml")]

    def _run(self, *arguments: str) -> None:
        subprocess.run(
            [*self._outgate, *arguments], check=True, input=self._password, text=True, stdout=subprocess.DEVNULL
        )

    def _is_applied(self) -> bool:
        page = self._get(f"/customers/{CUSTOMER}/outbound/activation/")
        return "Waiting for" not in page and "Applied in" in page and page.count("Applied by worker") == 2

    @staticmethod
    def _token_of(page: str) -> str:
        found = _TOKEN.search(page)
        assert found is not None, page
        return found[1]

    def _get(self, path: str) -> str:
        try:
            with self._opener.open(self._url + path, timeout=SECONDS) as answer:
                text: str = answer.read().decode()
                return text
        except urllib.error.URLError:
            return ""

    def _post(self, path: str, **fields: str) -> None:
        body = urllib.parse.urlencode({**fields, "csrfmiddlewaretoken": self._token}).encode()
        headers = {"Origin": self._url, "Referer": self._url + path}
        with self._opener.open(urllib.request.Request(self._url + path, body, headers), timeout=SECONDS) as answer:
            answer.read()

    @staticmethod
    def _until(is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + SECONDS
        while not is_so():
            assert time.monotonic() < end, "it takes too long"
            time.sleep(LOOK_SECONDS)
