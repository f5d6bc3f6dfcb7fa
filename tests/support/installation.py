"""A whole Outgate for tests: the real command in a directory of its own, on free ports of loopback."""

import contextlib
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w
from prometheus_client.parser import text_string_to_metric_families
from tests.support.fresh_database import lay_databases

START_SECONDS = 60.0
MARK = "OUTGATE_TESTED_IN"  # in the environment of each process of an installation: its directory

PORTS = range(20_000, 32_000)  # below the ephemeral ones: a client that tries such a port again and again while nobody
# listens there would one day get it as its own, and be connected to itself


def free_port() -> int:
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextlib.contextmanager
def short_directory() -> Iterator[Path]:
    """One whose path leaves room for the names of sockets, which pytest's own do not."""
    with tempfile.TemporaryDirectory(prefix="outgate-") as path:
        yield Path(path)


@dataclass
class Installation:
    """`outgate up` with settings and customers; started, stopped, killed as the test likes."""

    directory: Path
    settings: dict[str, Any] = field(default_factory=dict)
    smtp_port: int = field(default_factory=free_port)
    health_port: int = field(default_factory=free_port)
    prefix: tuple[str, ...] = ()  # a command that runs the command behind it, with other limits for instance
    process: subprocess.Popen[bytes] | None = None

    @property
    def settings_path(self) -> Path:
        return self.directory / "outgate.toml"

    @property
    def state(self) -> Path:
        return self.directory / "state"

    @property
    def log_path(self) -> Path:
        return self.state / "log" / "outgate.log"

    def write_settings(self) -> None:
        table: dict[str, Any] = {
            "state": str(self.state),
            "host_name": "outgate.example",
            "node": "test",
            "allow_private_sources": True,
            "listeners": [{"address": "127.0.0.1", "port": self.smtp_port}],
            "health": {"address": "127.0.0.1", "port": self.health_port},
            "portal": {"address": ""},  # only the tests of the portal start one
            "limits": {"stranger_greeting_delay_seconds": 0.0},
            "spool": {"segment_octets": 4 * 1024 * 1024},
            "delivery": {"allow_private_next_hops": True},
            "spf": {"recheck": False},
            "providers": {"refresh": False},  # no test goes to the network unless it names a server of its own
        }
        for key, value in self.settings.items():
            if isinstance(value, dict):
                table[key] = {**table.get(key, {}), **value}
            else:
                table[key] = value
        self.settings_path.write_text(tomli_w.dumps(table))

    def start(self) -> "Installation":
        self.directory.mkdir(parents=True, exist_ok=True)
        self.write_settings()
        if "database" not in self.settings:
            lay_databases(self.state)
        with (self.directory / "output.txt").open("ab") as output:
            self.process = subprocess.Popen(
                [*self.prefix, sys.executable, "-m", "outgate.app.cli", "--config", str(self.settings_path), "up"],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, MARK: str(self.directory)},
            )
        self.wait_until_healthy()
        return self

    def wait_until_healthy(self) -> None:
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                if json.loads(self.fetch("/healthz"))["status"] == "good":
                    return
            except OSError:
                pass
            assert self.process is not None
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < end, self.output()
            time.sleep(0.05)  # polling another process, which offers nothing to wait on

    def wait_until_delivered(self, seconds: float = 30.0) -> None:
        """Until the first worker's queue is empty."""
        self.wait_for_metric('outgate_delivery_queued{worker="1"} 0.0', seconds)

    def wait_until_current(self, seconds: float = 30.0) -> None:
        """Until the first worker has the newest policy, and not only its copy of an earlier one."""
        self.wait_for_metric('outgate_policy_current{worker="1"} 1.0', seconds)

    def wait_for_metric(self, line: str, seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while line not in self.fetch("/metrics"):
            assert time.monotonic() < end, self.output()
            time.sleep(0.02)  # polling another process, which offers nothing to wait on

    def fetch(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}{path}", timeout=10) as answer:
            text: str = answer.read().decode()
            return text

    def metric(self, name: str, **labels: str) -> float:
        """A value of the first worker; 0 if it reports none."""
        wanted = {"worker": "1", **labels}
        for family in text_string_to_metric_families(self.fetch("/metrics")):
            for sample in family.samples:
                if sample.name == name and sample.labels == wanted:
                    return float(sample.value)
        return 0.0

    def output(self) -> str:
        log = self.log_path.read_text()[-5000:] if self.log_path.exists() else ""
        return (self.directory / "output.txt").read_text()[-5000:] + log

    def apply(self, *customers: dict[str, Any], wait: bool = True) -> None:
        """Enter customers by their texts, active before it returns."""
        for customer in customers:
            path = self.directory / f"{customer['name']}.toml"
            path.write_text(tomli_w.dumps(customer))
            arguments = ["customer", "apply", str(path), "--create", "--yes"]
            self.command(*arguments, *(["--wait", "30"] if wait else []))

    def command(self, *arguments: str, check: bool = True) -> str:
        """Run `outgate …`; its standard output."""
        done = subprocess.run(
            [sys.executable, "-m", "outgate.app.cli", "--config", str(self.settings_path), *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
            timeout=120,
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout if check else done.stdout + done.stderr

    def queue(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = json.loads(self.command("queue", "list", "--limit", "100000", "--json"))[
            "messages"
        ]
        return messages

    def relayed(self) -> set[str]:
        """The forward-paths that the tracker knows as relayed; on SQLite only."""
        statement = "SELECT forward_path FROM tracker_trackedrecipient WHERE outcome = 'relayed'"
        with contextlib.closing(sqlite3.connect(self.state / "outgate-tracker.sqlite3", timeout=30)) as tracker:
            return {path for (path,) in tracker.execute(statement)}

    def log_lines(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log_path.read_text().splitlines()]
        return [line for line in lines if line["event"] == event]

    def wait_for_log(
        self,
        event: str,
        count: int = 1,
        seconds: float = 30.0,
        where: Callable[[dict[str, Any]], bool] = lambda _: True,
    ) -> list[dict[str, Any]]:
        """The log's lines of `event`, of which `where` is true, as soon as there are `count`."""
        end = time.monotonic() + seconds
        while len(lines := list(filter(where, self.log_lines(event)))) < count:
            assert time.monotonic() < end, f"{len(lines)} of {count} {event} lines: {self.output()}"
            time.sleep(0.05)  # polling another process's file
        return lines

    def process_ids(self, name: str) -> list[int]:
        """Process ids that the supervisor has started under `name`, oldest first."""
        return [line["pid"] for line in self.log_lines("process-started") if line["name"] == name]

    def stop(self, number: int = signal.SIGTERM, seconds: float = 60.0) -> int:
        """End the supervisor and wait for it and all that it started; its exit code.

        A supervisor that a test has killed leaves children behind, each with a session of its own, which go on writing
        until they notice.
        """
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            code = process.wait(seconds)
            wait_until_none_runs_in(self.directory, seconds)
        except (subprocess.TimeoutExpired, TimeoutError):
            for pid in processes_of(self.directory):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            raise
        return code


def wait_until_none_runs_in(directory: Path, seconds: float) -> None:
    """Until no process of the installation in `directory` runs. Raises: TimeoutError."""
    end = time.monotonic() + seconds
    while members := processes_of(directory):
        if time.monotonic() > end:
            raise TimeoutError(f"processes {members} still run")
        time.sleep(0.02)  # polling processes that are not ours to wait for


def processes_of(directory: Path) -> list[int]:
    """The processes of the installation in `directory`, whoever their parent is by now. One that has ended and that
    nobody has asked for yet has no environment any more."""
    mark = f"{MARK}={directory}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def customer(
    name: str,
    domains: Iterable[str],
    *,
    relay: tuple[str, int] | None = None,
    sources: Sequence[str] = ("127.0.0.1/32",),
    **more: Any,
) -> dict[str, Any]:
    """A customer's text: `domains` may send from `sources`, to `relay` if given, as much as they want."""
    names = list(domains)
    text: dict[str, Any] = {
        "name": name,
        "plan": "gateway",
        "outbound": "on",
        "domains": [{"name": domain} for domain in names],
        "sources": [{"network": source} for source in sources],
        "limits": {"rules": []},
        **more,
    }
    if relay is not None:
        text["sender_relays"] = [{"domain": domain, "host": relay[0], "port": relay[1]} for domain in names]
    return text
