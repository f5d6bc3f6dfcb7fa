"""Milters for tests: Debian's OpenDKIM, which says what it is told to say of mail without a signature."""

import subprocess
import time
from pathlib import Path

SETTINGS = """
Mode v
Socket local:{socket}
On-NoSignature {verdict}
CaptureUnknownErrors yes
Background no
Syslog no
UserID root
TestDNSData /dev/null
"""


class OpenDkim:
    """Listens on a socket in `directory` from `start` on. verdict: accept, reject, tempfail, discard or quarantine."""

    def __init__(self, directory: Path, verdict: str) -> None:
        self.socket = directory / f"{verdict}.sock"
        self._settings = directory / f"{verdict}.conf"
        self._verdict = verdict
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"unix:{self.socket}"

    def start(self) -> "OpenDkim":
        self._settings.write_text(SETTINGS.format(socket=self.socket, verdict=self._verdict))
        output = self._settings.with_suffix(".out")
        with output.open("wb") as file:
            command = ["/usr/sbin/opendkim", "-f", "-x", str(self._settings)]
            self._process = subprocess.Popen(command, stdout=file, stderr=file)
        end = time.monotonic() + 30
        while not self.socket.exists():
            assert self._process.poll() is None, output.read_text()
            assert time.monotonic() < end, output.read_text()
            time.sleep(0.02)  # polling another process
        return self

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
