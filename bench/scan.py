"""What scanning costs, beside Postfix with rspamd. Not a test; `make bench-scan` runs it, as root.

    python bench/scan.py [--messages 6000] [--connections 20] [--runs 3] [--directory build/scan]

The corpus of real mail (`make corpus`) goes through Outgate with every built-in scanner on, and through Postfix, tuned
as in the peer lab, with rspamd as its milter: both look into everything and let everything pass, so that both relay the
same mail. rspamd asks nobody on the network: what needs DNS, Redis or a feed is off. Runs are interleaved; source,
relay and sink share the machine's cores. From fields are made one address, since Outgate proves senders.

Told of each run: messages that reached the sink a second, the wait for the 250, and for Outgate how long the worker's
event loop left a small question waiting.
"""

import argparse
import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop
from installation import SOURCE, Installation, Pings, free_port, machine, percentile, wait_for_port
from rspamd import start_rspamd
from sender import send_all

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from tests.support.corpus import mails  # noqa: E402

WARM_UP = 100  # messages of each run that are not counted
DATA_KINDS = ("card-number", "iban", "private-key", "cloud-key", "access-token", "web-token", "password", "words")

_FROM = re.compile(rb"(?im)^from:[^\n]*\n(?:[ \t][^\n]*\n)*")
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\x00")


def contents() -> list[bytes]:
    """The corpus as it goes over the wire by DATA, ended; without mail that DATA cannot carry as it is."""
    made = []
    for mail in mails():
        header, empty, body = mail.as_sent.partition(b"\r\n\r\n")
        fields = b"From: a@from.test\r\n" + _FROM.sub(b"", header + b"\r\n")
        content = fields + b"\r\n" + body
        if empty and not _BARE.search(content):
            stuffed = re.sub(rb"(?m)^\.", b"..", content)
            made.append(stuffed + (b"" if stuffed.endswith(b"\r\n") else b"\r\n") + b".\r\n")
    return made


async def load(port: int, connections: int, messages: int) -> dict[str, object]:
    stream = itertools.islice(itertools.cycle(contents()), messages)
    begun = time.perf_counter()
    seconds, refusals = await send_all(port, connections, stream)
    return {"begun": begun, "seconds": seconds, "refusals": refusals}


class Sink:
    """Postfix's sink, whose counter is read."""

    def __init__(self) -> None:
        self.port = free_port()
        account = ["-u", "nobody"] if os.geteuid() == 0 else []
        self._process = subprocess.Popen(
            ["smtp-sink", "-c", *account, f"{SOURCE}:{self.port}", "1000"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        self._output = self._process.stdout.fileno()
        os.set_blocking(self._output, False)
        self._count = 0
        wait_for_port(self.port)

    def count(self) -> int:
        with contextlib.suppress(BlockingIOError):
            found = re.findall(rb"mesg=(\d+)", os.read(self._output, 65536))
            self._count = int(found[-1]) if found else self._count
        return self._count

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def measure(port: int, sink: Sink, connections: int, messages: int) -> tuple[float, list[float], list[str]]:
    """Messages relayed a second, waits for the 250, refusals."""
    before = sink.count()
    command = [sys.executable, __file__, "--load", str(port), str(connections), str(messages)]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output)
        while process.poll() is None:
            sink.count()  # it stands still if nobody reads what it says
            time.sleep(0.02)
        output.seek(0)
        told = json.load(output)
    wanted = messages - len(told["refusals"])
    end = time.perf_counter() + 60
    while sink.count() - before < wanted:
        if time.perf_counter() > end:
            raise SystemExit(f"only {sink.count() - before} of {wanted} messages arrived")
        time.sleep(0.02)
    taken = time.perf_counter() - told["begun"]  # one clock for all processes
    return wanted / taken, told["seconds"][WARM_UP:], told["refusals"]


class Outgate:
    name = "Outgate, built-in scanners"

    def __init__(self, directory: Path, sink: Sink) -> None:
        self.relay = Installation(directory / "outgate", sink.port)
        self.port = self.relay.port
        self.relay.set_up()
        self.relay.start()
        text = (self.relay.directory / "from.toml").read_text()
        data = "\n".join(f'[[scanning.data]]\nname = "{kind}"\ncount = 1000' for kind in DATA_KINDS)
        verdicts = "\n".join(f'{name} = "deliver"' for name in ("phishing", "malware", "impersonation", "unscannable"))
        scanning = (
            f'\n[scanning]\nis_on = true\nspam = []\nbanned = []\nwords = ["Project Falcon"]\n{verdicts}\n{data}\n'
        )
        (self.relay.directory / "scanned.toml").write_text(text + scanning)
        self.relay.command("customer", "apply", str(self.relay.directory / "scanned.toml"), "--yes", "--wait", "30")

    def run(self, sink: Sink, connections: int, messages: int) -> tuple[float, list[float], list[str], str]:
        with Pings(self.relay) as pings:
            figures = measure(self.port, sink, connections, messages)
        delay = percentile(pings.seconds, 0.999) * 1e3
        return *figures, f"p99.9 {delay:.1f}"

    def close(self) -> None:
        self.relay.stop()


class Postfix:
    name = "Postfix, rspamd as milter"

    def __init__(self, directory: Path, sink: Sink) -> None:
        self.port, self.milter = free_port(), free_port()
        self._run = directory / "postfix"
        self._rspamd = start_rspamd(directory / "rspamd", self.milter, is_milter=True)
        self._master = self._start_postfix(sink)

    def run(self, sink: Sink, connections: int, messages: int) -> tuple[float, list[float], list[str], str]:
        return *measure(self.port, sink, connections, messages), ""

    def close(self) -> None:
        for process in (self._master, self._rspamd):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)

    def _start_postfix(self, sink: Sink) -> "subprocess.Popen[bytes]":
        run = self._run
        for name in ("etc", "spool", "data"):
            (run / name).mkdir(parents=True)
        shutil.chown(run / "data", "postfix")
        lines = []
        for line in Path("/usr/share/postfix/master.cf.dist").read_text().splitlines():
            if line.startswith("maildrop"):
                break
            if not line.startswith("pickup"):
                words = line.split()
                if len(words) > 7 and line[0].isalpha():
                    words[4] = "n"
                    line = " ".join(words)
                lines.append(re.sub(r"^smtp +inet", f"{SOURCE}:{self.port} inet", line))
        (run / "etc" / "master.cf").write_text("\n".join(lines) + "\n")
        settings = {
            "compatibility_level": "3.6",
            "queue_directory": run / "spool",
            "data_directory": run / "data",
            "command_directory": "/usr/sbin",
            "daemon_directory": "/usr/lib/postfix/sbin",
            "maillog_file": run / "maillog",
            "maillog_file_prefixes": f"/var, {run}",
            "inet_interfaces": SOURCE,
            "inet_protocols": "ipv4",
            "myhostname": "relay.test",
            "mydestination": "",
            "local_recipient_maps": "",
            "alias_maps": "",
            "alias_database": "",
            "mynetworks": "127.0.0.0/8",
            "relayhost": f"[{SOURCE}]:{sink.port}",
            "disable_dns_lookups": "yes",
            "smtpd_peername_lookup": "no",
            "default_process_limit": "250",
            "in_flow_delay": "0",
            "default_destination_concurrency_limit": "40",
            "initial_destination_concurrency": "40",
            "smtp_connection_cache_on_demand": "yes",
            "smtp_connection_cache_destinations": f"[{SOURCE}]:{sink.port}",
            "qmgr_message_active_limit": "40000",
            "qmgr_message_recipient_limit": "40000",
            "smtpd_client_connection_count_limit": "0",
            "smtpd_client_connection_rate_limit": "0",
            "smtputf8_enable": "no",
            "header_size_limit": "1024000",
            "smtpd_milters": f"inet:{SOURCE}:{self.milter}",
            "milter_default_action": "tempfail",
        }
        (run / "etc" / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
        subprocess.run(["postfix", "-c", str(run / "etc"), "check"], check=True)
        process = subprocess.Popen(
            ["/usr/lib/postfix/sbin/master", "-c", str(run / "etc"), "-d"],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for_port(self.port)
        return process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, default=ROOT / "build" / "scan", help="made anew")
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--messages", type=int, default=6_000, help="of a run of Outgate; Postfix gets a quarter")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--load", type=int, nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        print(json.dumps(uvloop.run(load(*options.load))))
        return
    directory = options.directory.absolute()
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    sink = Sink()
    peers = [kind(directory, sink) for kind in (Outgate, Postfix)]
    rates: dict[str, list[float]] = {peer.name: [] for peer in peers}
    print(machine())
    print(f"{options.connections} connections, {len(contents())} different mails\n")
    print("| | relayed a second | 250 p50 | p99 | longest, ms | loop, ms |\n|---|--:|--:|--:|--:|--:|")
    try:
        for _ in range(options.runs):
            for peer in peers:
                count = options.messages if isinstance(peer, Outgate) else options.messages // 4
                rate, seconds, refusals, loop = peer.run(sink, options.connections, count)
                waits = " | ".join(f"{percentile(seconds, part) * 1e3:.0f}" for part in (0.5, 0.99, 1))
                print(f"| {peer.name} | {rate:.0f} | {waits} | {loop} |", flush=True)
                rates[peer.name].append(rate)
                if refusals:
                    print(f"{len(refusals)} refused, such as {refusals[0]}", file=sys.stderr)
    finally:
        for peer in peers:
            peer.close()
        sink.close()
    ours, theirs = (statistics.median(rates[peer.name]) for peer in peers)
    print(f"\nRatio of the medians: {ours / theirs:.1f}")


if __name__ == "__main__":
    main()
