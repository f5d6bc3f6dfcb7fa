"""Debian's clamd with one signature of our own: EICAR's, so that nothing comes from the network."""

import hashlib
import os
import signal
import subprocess
import time
from pathlib import Path

# In two halves, so that no virus scanner finds this file.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
SIGNATURE = "Eicar-Test-Signature"


class Clamd:
    """Listens on a socket in `directory` from `start` on."""

    def __init__(self, directory: Path, *, stream_octets: int = 26_214_400) -> None:
        self.socket = directory / "clamd.sock"
        self._directory = directory
        self._stream_octets = stream_octets
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"unix:{self.socket}"

    def start(self) -> "Clamd":
        database = self._directory / "signatures"
        database.mkdir(exist_ok=True)
        digest = hashlib.md5(EICAR, usedforsecurity=False).hexdigest()
        (database / "test.hdb").write_text(f"{digest}:{len(EICAR)}:{SIGNATURE}\n")
        settings = self._directory / "clamd.conf"
        settings.write_text(
            f"LocalSocket {self.socket}\nDatabaseDirectory {database}\nTemporaryDirectory {self._directory}\n"
            f"Foreground yes\nMaxThreads 2\nStreamMaxLength {self._stream_octets}\n"
        )
        with (self._directory / "clamd.out").open("wb") as output:
            self._process = subprocess.Popen(["/usr/sbin/clamd", "-c", str(settings)], stdout=output, stderr=output)
        end = time.monotonic() + 30
        while not self.socket.exists():
            assert self._process.poll() is None, (self._directory / "clamd.out").read_text()
            assert time.monotonic() < end, (self._directory / "clamd.out").read_text()
            time.sleep(0.02)  # polling another process
        return self

    def pause(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self.socket.unlink(missing_ok=True)
