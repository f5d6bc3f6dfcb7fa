"""Debian's rspamd with one rule of our own, and nobody to ask: its name server is nowhere."""

import os
import signal
import subprocess
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from tests.support.installation import free_port

SETTINGS = """
options {{
  filters = "regexp";
  pidfile = "{place}/rspamd.pid";
  tempdir = "{place}";
  control_socket = "{place}/control.sock mode=0600";
  dynamic_conf = "{place}/dynamic";
  hs_cache_dir = "{place}";
  url_tld = "{place}/suffixes";  # Debian's list takes seconds to compile
  dns {{ nameserver = ["127.0.0.1:9"]; timeout = 0.1s; retransmits = 1; }}
}}
logging {{ type = "file"; filename = "{place}/rspamd.log"; level = "warning"; }}
actions {{ reject = 15; add_header = 6; }}
modules {{ path = "{place}/none/"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
regexp {{ TEST_FALCON = {{ re = "Subject=/falcon/i"; score = 7.5; }} }}
lua = "/dev/null";
"""
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*" + b"GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


class Rspamd:
    """Listens on a free port of loopback from `start` on."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> "Rspamd":
        place = self._directory
        (place / "none").mkdir(exist_ok=True)
        (place / "suffixes").write_text("com\nexample\n")
        (place / "rspamd.conf").write_text(SETTINGS.format(place=place, port=self.port))
        command = ["rspamd", "--no-fork", "--insecure", "--config", str(place / "rspamd.conf")]
        with (place / "rspamd.out").open("wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        end = time.monotonic() + 30
        while not self._answers():
            assert self._process.poll() is None, (place / "rspamd.out").read_text()
            assert time.monotonic() < end, (place / "rspamd.out").read_text()
            time.sleep(0.05)  # polling another process
        return self

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.address}/ping", timeout=1) as answer:
                return bool(answer.read())
        except OSError:
            return False

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(10)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
