"""Kill processes of a whole Outgate under load, again and again, and count what became of the mail. Run it by hand:

    make crash [ROUNDS=1000] [SEED=1]

A *round* is a kill -9 at a random moment: of a worker, the clerk, the supervisor, or everything at once. The load goes
on over all rounds: senders note each message that was answered with 250, the sink notes what comes, by number and hash;
one message in some twenty is put off by the sink once, one in two hundred is too large for the segment log. Nothing is
waited for between the rounds but that the process to be killed is alive. At the end the load stops, what is held is
released, and all that was answered must have come. tests/e2e/test_crash.py runs twenty rounds of this.
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import platform
import random
import re
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.support.client import RawClient
from tests.support.installation import Installation, customer
from tests.support.messages import head
from tests.support.sink import Received, Sink

WORKERS: Final = 3
CLIENTS: Final = 8
PAUSE_SECONDS: Final = 0.01  # of a client between two messages: starting processes needs some of the machine too
KINDS: Final = {"worker": 86, "clerk": 8, "supervisor": 2, "everything": 4}  # weights
DELAY_SECONDS: Final = (0.0, 0.6)  # from one kill to the next
ALIVE_SECONDS: Final = 30.0  # for a process to be there again
ARRIVAL_SECONDS: Final = 120.0  # for the last messages, without any coming
SILENT_SECONDS: Final = 10.0

_NUMBER: Final = re.compile(r"<n([0-9]+)@")


def content_of(number: int) -> bytes:
    """What message `number` says: the same for whoever asks."""
    size = 300_000 if number % 200 == 199 else (number * 7919) % 8_000
    line = b"%d of so many octets that a line is full, and no octet may change\r\n" % number
    return head(f"n{number}") + b"\r\n" + line * (1 + size // len(line))


class Senders:
    """Send numbered messages and note, for each, what was answered."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.accepted: dict[int, float] = {}  # when the 250 came
        self.refused: Counter[int] = Counter()  # replies other than 250
        self.unanswered = 0  # the connection ended instead
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(SILENT_SECONDS * 2)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with RawClient(self.port, seconds=SILENT_SECONDS) as client:
                    client.ehlo()
                    for _ in range(50):  # then another connection, maybe to another worker
                        if self._stopping.wait(PAUSE_SECONDS):
                            return
                        self._send(client)
            except (OSError, AssertionError):
                self._stopping.wait(PAUSE_SECONDS)

    def _send(self, client: RawClient) -> None:
        number = next(self._numbers)
        client.envelope("alice@alpha.example", f"n{number}@receiver.example")
        try:
            code = client.data(content_of(number))[0]
        except OSError:
            code = 0
        if code == 250:
            self.accepted[number] = time.monotonic()
        elif code:
            self.refused[code] += 1
        else:
            self.unanswered += 1
            raise OSError("the connection has ended")


class Receiver(Sink):
    """Notes how often each message came and whether it was as it had been sent; keeps no content."""

    def __init__(self) -> None:
        super().__init__(script=self._answer)
        self.came: Counter[int] = Counter()
        self.altered: set[int] = set()
        self.last_at = time.monotonic()
        self._put_off: set[str] = set()

    def take(self, message: Received) -> None:
        number = number_in(message.recipients[0])
        came = hashlib.sha256(message.body_behind_trace).digest()
        with self._changed:
            self.came[number] += 1
            self.last_at = time.monotonic()
            if came != hashlib.sha256(content_of(number)).digest():
                self.altered.add(number)
            self._changed.notify_all()

    @property
    def silent_seconds(self) -> float:
        """Since the last message came."""
        return time.monotonic() - self.last_at

    def has_all(self, numbers: set[int], seconds: float) -> bool:
        """Have these all come, or do they before nothing has come for so long?"""
        with self._changed:
            while not numbers <= self.came.keys():
                self._changed.wait(1.0)
                if self.silent_seconds > seconds:
                    return False
        return True

    def _answer(self, verb: str, line: str) -> str | None:
        if verb == "RCPT" and number_in(line) % 20 == 7 and line not in self._put_off:
            self._put_off.add(line)
            return "451 4.2.0 come again"
        return None


def number_in(command: str) -> int:
    match = _NUMBER.search(command)
    return int(match[1]) if match else -1


@dataclass
class Outcome:
    """What the rounds did. recovery_seconds: by kind, from a kill to when the process killed was at work again."""

    rounds: Counter[str] = field(default_factory=Counter)
    recovery_seconds: dict[str, list[float]] = field(default_factory=dict)
    accepted: int = 0
    unanswered: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    lost: list[int] = field(default_factory=list)
    altered: list[int] = field(default_factory=list)
    repeated: int = 0
    unpromised: int = 0  # came though nobody was told 250: allowed, the reply was lost
    held: int = 0  # set aside since their worker had died under them twice; released at the end
    unrecorded: int = 0  # accepted, and not as relayed in the tracker
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        return not self.lost and not self.altered and not self.unrecorded

    def report(self) -> str:
        refused = sum(self.refused.values())
        lines = [
            machine_facts(),
            "",
            f"{sum(self.rounds.values())} rounds in {self.seconds:.0f} s, {WORKERS} workers, {CLIENTS} senders",
            "",
            "| killed | rounds | seconds to recover: median | worst |",
            "|---|---|---|---|",
        ]
        for kind, rounds in sorted(self.rounds.items()):
            seconds = self.recovery_seconds.get(kind, [])
            middle = f"{statistics.median(seconds):.2f} | {max(seconds):.2f}" if seconds else "- | -"
            lines.append(f"| {kind} | {rounds} | {middle} |")
        lines += [
            "",
            "| accepted | lost | altered | repeated | set aside, then released | not in the tracker |",
            "|---|---|---|---|---|---|",
            "| "
            + " | ".join(
                map(
                    str,
                    (self.accepted, len(self.lost), len(self.altered), self.repeated, self.held, self.unrecorded),
                )
            )
            + " |",
            "",
            f"{self.unanswered} more had no answer, of which {self.unpromised} came; {refused} refused for a while.",
        ]
        return "\n".join(lines)


class Watch:
    """Follows the log: which processes there are, and since when they are at work."""

    def __init__(self, path: Path) -> None:
        self.recovery_seconds: dict[str, list[float]] = {}
        self._path = path
        self._offset = 0
        self._pids: dict[str, int] = {}
        self._at_work: set[str] = set()
        self._killed: dict[str, tuple[str, float]] = {}

    def killed(self, kind: str, name: str) -> None:
        self._killed[name] = kind, time.time()
        self._at_work.discard(name)
        self._pids.pop(name, None)

    def at_work(self) -> dict[str, int]:
        """Process ids by name, of those that do their work now."""
        self._read()
        return {name: self._pids[name] for name in sorted(self._at_work) if name in self._pids}

    def wait_for(self, names: set[str]) -> dict[str, int]:
        """The process ids of `names`, as soon as they are all at work."""
        end = time.monotonic() + ALIVE_SECONDS
        while not names <= self.at_work().keys():
            assert time.monotonic() < end, f"not at work: {sorted(names - self._at_work)}"
            time.sleep(0.02)  # polling another process's file
        return {name: self._pids[name] for name in names}

    def _read(self) -> None:
        with self._path.open("rb") as log:
            log.seek(self._offset)
            octets = log.read()
        whole = octets[: octets.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            if b"-started" in line or b"follower-came" in line:
                with contextlib.suppress(json.JSONDecodeError):  # what a kill left of a line
                    self._take(json.loads(line))

    def _take(self, line: dict[str, Any]) -> None:
        match line["event"]:
            case "process-started":
                self._pids[line["name"]] = line["pid"]
            case "worker-started" | "follower-came":  # a clerk is at work when the first worker has found it
                name = line["process"]
                kind, at = self._killed.get(name, ("", 0.0))
                if line["at"] < at or name in self._at_work:
                    return
                self._at_work.add(name)
                if kind:
                    self.recovery_seconds.setdefault(kind, []).append(line["at"] - at)
                    del self._killed[name]


class Rounds:
    """One installation, killed again and again."""

    def __init__(self, outgate: Installation, *, seed: int) -> None:
        self.outgate = outgate
        self.outcome = Outcome()
        self._random = random.Random(seed)
        self._watch = Watch(outgate.log_path)
        self._names = {"clerk", *(f"worker-{number}" for number in range(1, WORKERS + 1))}

    def run(self, rounds: int, told: Callable[[int], None] = lambda _: None) -> Outcome:
        """told: called after each round. Raises: AssertionError if a process does not come back."""
        began = time.monotonic()
        receiver = Receiver()
        receiver.start()
        try:
            self.outgate.settings = {"workers": WORKERS, "delivery": {"retry_intervals_seconds": [0.2, 0.5, 1.0]}}
            self.outgate.start()
            self.outgate.apply(customer("Alpha", ["alpha.example"], relay=("127.0.0.1", receiver.port)))
            self._watch.wait_for(self._names)
            senders = Senders(self.outgate.smtp_port)
            for number, kind in enumerate(self._random.choices(list(KINDS), list(KINDS.values()), k=rounds), 1):
                time.sleep(self._random.uniform(*DELAY_SECONDS))  # the moment of the kill is what is random here
                self._kill(kind)
                told(number)
            self._watch.wait_for(self._names)
            senders.stop()
            self._settle(senders, receiver)
        finally:
            receiver.stop()
        self.outcome.recovery_seconds = self._watch.recovery_seconds
        self.outcome.seconds = time.monotonic() - began
        return self.outcome

    def _kill(self, kind: str) -> None:
        if kind in ("supervisor", "everything"):
            self._watch.wait_for(self._names)
            supervisor = self.outgate.process
            assert supervisor is not None
            for name in self._names:
                self._watch.killed(kind, name)
            if kind == "everything":
                supervisor.send_signal(signal.SIGSTOP)  # so that it starts none again in between
                for pid in _children(supervisor.pid):
                    _kill(pid)
            supervisor.kill()
            supervisor.wait()
            self.outgate.start()
        else:
            if not any(name.startswith(kind) for name in self._watch.at_work()):
                self._watch.wait_for({"clerk"} if kind == "clerk" else {"worker-1"})
            pids = {name: pid for name, pid in self._watch.at_work().items() if name.startswith(kind)}
            name = self._random.choice(sorted(pids))
            self._watch.killed(kind, name)
            _kill(pids[name])
        self.outcome.rounds[kind] += 1

    def _settle(self, senders: Senders, receiver: Receiver) -> None:
        """Wait for all that was promised, in the sink and in the tracker, and count."""
        outcome, accepted = self.outcome, set(senders.accepted)
        while not receiver.has_all(accepted, SILENT_SECONDS):
            if not self._release_held() and receiver.silent_seconds > ARRIVAL_SECONDS:
                break
        recorded = self._recorded()
        while not accepted <= recorded:
            is_waiting = self._release_held()  # what came, and whose worker was killed twice before it could say so
            time.sleep(1.0)  # polling a database
            before, recorded = len(recorded), self._recorded()
            if len(recorded) == before and not is_waiting and receiver.silent_seconds > ARRIVAL_SECONDS:
                break
        outcome.accepted = len(accepted)
        outcome.unanswered = senders.unanswered
        outcome.refused = senders.refused
        outcome.lost = sorted(accepted - receiver.came.keys())
        outcome.altered = sorted(receiver.altered)
        outcome.repeated = sum(count - 1 for count in receiver.came.values())
        outcome.unpromised = len(receiver.came.keys() - accepted)
        outcome.unrecorded = len(accepted - recorded)

    def _release_held(self) -> int:
        """Let go what was set aside; how many messages."""
        held = [message["queue_id"] for message in self.outgate.queue() if message["state"] == "held"][:1000]
        if held:
            self.outgate.command("queue", "release", *held)
        self.outcome.held += len(held)
        return len(held)

    def _recorded(self) -> set[int]:
        """The messages that the tracker knows as relayed."""
        return {number_in(f"<{path}") for path in self.outgate.relayed()}


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def machine_facts() -> str:
    """One line about where this ran."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return (
        f"{os.cpu_count()} cores ({models[0] if models else platform.machine()}), {memory:.0f} GiB, "
        f"Linux {platform.release()}, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", type=Path, help="where the installation is put; the disk that counts, not tmpfs")
    arguments = parser.parse_args()

    def told(number: int) -> None:
        if number % 50 == 0:
            print(f"{number} rounds", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="outgate-", dir=arguments.directory) as path:
        outgate = Installation(Path(path) / "outgate")
        try:
            outcome = Rounds(outgate, seed=arguments.seed).run(arguments.rounds, told)
        finally:
            outgate.stop()
    print(outcome.report())
    if not outcome.is_good:
        sys.exit(f"lost: {outcome.lost[:20]}, altered: {outcome.altered[:20]}, unrecorded: {outcome.unrecorded}")


if __name__ == "__main__":
    main()
