"""An installation of Outgate to be measured: set up, started, looked at from outside, ended. Linux only (`/proc`)."""

import contextlib
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from outgate.app.configuration import Configuration, load
from outgate.contract.wire import Answer, FrameReader, Measured, QueueShow, Statistics, frame
from outgate.net.control import NobodyAnswers, ask

START_SECONDS = 60.0
SOURCE = "127.0.0.1"

_SETTINGS = """\
state = "{state}"
host_name = "relay.test"
node = "bench"
allow_private_sources = true
[[listeners]]
address = "127.0.0.1"
port = {port}
[health]
address = ""
[delivery]
allow_private_next_hops = true
smtp_port = {smtp_port}
[limits]
connections_per_address = 2000
[providers]
refresh = false
"""

_CUSTOMER = """\
name = "From"
plan = "gateway"
outbound = "on"
[limits]
rules = []
[[domains]]
name = "from.test"
[[sources]]
network = "127.0.0.1/32"
[[domains]]
name = "direct.test"
[[sender_relays]]
domain = "from.test"
host = "127.0.0.1"
port = {sink_port}
"""


def free_port() -> int:
    with socket.create_server((SOURCE, 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@dataclass
class Installation:
    """Mail of from.test goes to the sink as sender relay, mail of direct.test to the address literals that it names."""

    directory: Path
    sink_port: int
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def settings_path(self) -> Path:
        return self.directory / "outgate.toml"

    @property
    def configuration(self) -> Configuration:
        return load(self.settings_path)

    def set_up(self) -> None:
        """The customer is entered and active: a worker starts from its own copy of the policy."""
        self.directory.mkdir(parents=True)
        self.settings_path.write_text(
            _SETTINGS.format(state=self.directory / "state", port=self.port, smtp_port=self.sink_port)
        )
        (self.directory / "from.toml").write_text(_CUSTOMER.format(sink_port=self.sink_port))
        self.start()
        self.command("customer", "apply", str(self.directory / "from.toml"), "--create", "--yes", "--wait", "30")
        time.sleep(3)  # until the worker has kept its copy
        self.stop()

    def start(self) -> float:
        """Returns how long it took until the worker greeted."""
        begun = time.monotonic()
        self.process = subprocess.Popen(
            [*self._outgate, "up"], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while True:
            with contextlib.suppress(OSError), Dialogue(self.port):
                return time.monotonic() - begun
            if time.monotonic() > begun + START_SECONDS:
                raise SystemExit("Outgate does not start")
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(90)
            self.process = None
            while True:  # a child of a killed supervisor needs a moment
                with contextlib.suppress(NobodyAnswers):
                    ask(self.configuration.control_socket(1), Statistics(), 1.0)
                    time.sleep(0.05)
                    continue
                return

    @property
    def _outgate(self) -> list[str]:
        return [sys.executable, "-m", "outgate.app.cli", "--config", str(self.settings_path)]

    def command(self, *arguments: str) -> str:
        return subprocess.run([*self._outgate, *arguments], check=True, capture_output=True, text=True).stdout

    def statistics(self) -> dict[str, float]:
        answer = ask(self.configuration.control_socket(1), Statistics())
        assert isinstance(answer, Measured)
        return answer.values

    def relayed(self) -> float:
        return self.statistics().get('outgate_recipients{outcome="relayed"}', 0.0)

    def processes(self) -> dict[str, int]:
        """Process ids by name: up, worker, clerk."""
        assert self.process is not None
        found = {"up": self.process.pid}
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if path.read_text().rsplit(")", 1)[1].split()[1] == str(self.process.pid):
                    command = (path.parent / "cmdline").read_bytes()
                    name = re.search(rb"outgate\.app\.([a-z]+)", command)
                    found[name[1].decode() if name else "other"] = int(path.parent.name)
        return found

    def memory(self) -> dict[str, tuple[float, float]]:
        """Of each process: resident now, and at most so far (VmRSS, VmHWM), in MiB."""
        memory = {}
        for name, number in self.processes().items():
            text = Path(f"/proc/{number}/status").read_text()
            now, peak = (int(re.search(rf"{key}:\s+(\d+)", text)[1]) / 1024 for key in ("VmRSS", "VmHWM"))  # type: ignore[index]
            memory[name] = now, peak
        return memory

    def forget_peak(self) -> None:
        """Count the highest resident memory of the worker from now on."""
        Path(f"/proc/{self.processes()['worker']}/clear_refs").write_text("5")


class Dialogue:
    """One SMTP connection, in lock-step."""

    def __init__(self, port: int) -> None:
        """Raises: OSError, if it is not greeted too."""
        self._connection = socket.create_connection((SOURCE, port), 60)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self._connection.makefile("rb")
        try:
            self.hear(b"220")
            self.say(b"EHLO client.from.test", b"250")
        except OSError:
            self.close()
            raise

    def hear(self, code: bytes) -> bytes:
        """The last line of a reply that must begin with `code`. Raises: OSError."""
        while (line := self._lines.readline())[3:4] == b"-":
            pass
        if not line.startswith(code):
            raise ConnectionError(f"{line!r} instead of {code!r}")
        return line

    def say(self, line: bytes, code: bytes) -> None:
        self._connection.sendall(line + b"\r\n")
        self.hear(code)

    def send(self, content: bytes, reverse_path: str = "a@from.test", forward_path: str = "b@to.test") -> float:
        """One message, dots stuffed and ended by CR LF; the seconds from its final dot to the 250."""
        self._connection.sendall(f"MAIL FROM:<{reverse_path}>\r\nRCPT TO:<{forward_path}>\r\nDATA\r\n".encode("ascii"))
        self.hear(b"250")
        self.hear(b"250")
        self.hear(b"354")
        self._connection.sendall(content)
        begun = time.perf_counter()
        self._connection.sendall(b".\r\n")
        self.hear(b"250")
        return time.perf_counter() - begun

    def close(self) -> None:
        self._lines.close()
        self._connection.close()

    def __enter__(self) -> "Dialogue":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def content_of(size_octets: int) -> bytes:
    """A message that policy takes, of about that size, lines of 78 octets."""
    header = b"From: a@from.test\r\nTo: b@to.test\r\nSubject: measured\r\nMessage-ID: <1@from.test>\r\n\r\n"
    line = b"x" * 76 + b"\r\n"
    return header + line * max((size_octets - len(header)) // len(line), 1)


class Pings:
    """A small question each few milliseconds on the control socket: how long the worker leaves others waiting."""

    def __init__(self, relay: Installation, pause_seconds: float = 0.002) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(60)
        self._connection.connect(str(relay.configuration.control_socket(1)))
        self._pause_seconds = pause_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.seconds: list[float] = []

    def _run(self) -> None:
        frames: FrameReader[Answer] = FrameReader(Answer)
        while not self._over.wait(self._pause_seconds):
            begun = time.perf_counter()
            self._connection.sendall(frame(QueueShow("none")))
            while not list(frames.receive(self._connection.recv(65536))):
                pass
            self.seconds.append(time.perf_counter() - begun)

    def __enter__(self) -> "Pings":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._connection.close()

    def __str__(self) -> str:
        """The longest and the 99th percentile."""
        return f"{max(self.seconds) * 1e3:.1f} ms, p99 {percentile(self.seconds, 0.99) * 1e3:.1f} ms"


def end_in_order() -> None:
    """From now on SIGTERM raises SystemExit, so that what was started is stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


@contextlib.contextmanager
def sink(port: int) -> Iterator[None]:
    """Postfix's sink on all addresses of loopback."""
    account = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        ["smtp-sink", *account, f"0.0.0.0:{port}", "1000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for_port(port)
        yield
    finally:
        process.kill()
        process.wait()


def wait_for_port(port: int, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection((SOURCE, port), 1):
            return
        time.sleep(0.02)
    raise SystemExit(f"nothing listens on {port}")


def load_with(port: int, messages: int, connections: int = 20, size_octets: int = 4096) -> float:
    """Postfix's source: messages a second, accepted."""
    begun = time.monotonic()
    addresses = ["-f", "a@from.test", "-t", "b@to.test", f"{SOURCE}:{port}"]
    subprocess.run(
        ["smtp-source", "-d", f"-s{connections}", f"-m{messages}", f"-l{size_octets}", *addresses],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return messages / (time.monotonic() - begun)


def percentile(values: list[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


def machine() -> str:
    """What was measured on."""
    model = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 1024 / 1024
    facts = f"{os.cpu_count()} cores ({model.partition(':')[2].strip()}), {memory:.0f} GiB"
    return f"{facts}, Linux {platform.release()}, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}"
