"""How much spam is found, beside rspamd and SpamAssassin. Not a test; `make bench-detection` runs it, as root.

    python bench/detection.py [--directory build/detection]

The held-out fifth of the corpus (`tools/spam_training.py`) is judged by all three: by the model as trained on the other
four fifths, by rspamd and by spamd as Debian configures them. Neither of these asks the network, and neither was given
mail to learn from. Told is how much of the spam is found at a score that so much of the other mail reaches.
"""

import argparse
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from installation import SOURCE, free_port, machine, wait_for_port
from rspamd import start_rspamd

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from tools.spam_training import Text, texts, trained  # noqa: E402

from outgate.scanning.spam import SpamModel, features  # noqa: E402

RATES = (0.0, 0.002, 0.01)  # of false alarms
_SCORE = re.compile(rb"Spam: \w+ ; (-?[\d.]+) /")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, default=ROOT / "build" / "detection", help="made anew")
    directory: Path = parser.parse_args().directory.absolute()
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    every = list(texts())
    held = [text for text in every if text.is_held_out]
    model = SpamModel(trained([text.example for text in every if not text.is_held_out]))
    spam = sum(text.is_spam for text in held)
    print(machine())
    print(f"{spam} spam, {len(held) - spam} other mails\n")
    print("| recall at false alarms of | " + " | ".join(f"{rate:.1%}" for rate in RATES) + " |")
    print("|---|" + "--:|" * len(RATES))
    tell("Outgate", [float(model.score(features(text.message))) for text in held], held)
    rspamd_port, spamd_port = free_port(), free_port()
    rspamd = start_rspamd(directory / "rspamd", rspamd_port, is_milter=False)
    spamd = start_spamd(directory, spamd_port)
    try:
        tell("rspamd", judged(held, lambda text: by_rspamd(rspamd_port, text)), held)
        tell("SpamAssassin", judged(held, lambda text: by_spamd(spamd_port, text)), held)
    finally:
        for process in (rspamd, spamd):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def tell(name: str, scores: list[float], held: list[Text]) -> None:
    others = sorted((score for score, text in zip(scores, held, strict=True) if not text.is_spam), reverse=True)
    spam = [score for score, text in zip(scores, held, strict=True) if text.is_spam]
    found = [sum(score > others[int(rate * len(others))] for score in spam) / len(spam) for rate in RATES]
    print(f"| {name} | " + " | ".join(f"{each:.1%}" for each in found) + " |", flush=True)


def judged(held: list[Text], judge: Callable[[Text], float]) -> list[float]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(judge, held))


def by_rspamd(port: int, text: Text) -> float:
    connection = http.client.HTTPConnection(SOURCE, port, timeout=60)
    try:
        connection.request("POST", "/checkv2", text.mail.as_sent)
        return float(json.loads(connection.getresponse().read())["score"])
    finally:
        connection.close()


def start_spamd(directory: Path, port: int) -> "subprocess.Popen[bytes]":
    home = directory / "spamd"
    home.mkdir()
    shutil.chown(home, "nobody")
    process = subprocess.Popen(
        [
            "spamd",
            "--local",
            "--nouser-config",
            "--username=nobody",
            f"--helper-home-dir={home}",
            "--max-children=2",
            f"--port={port}",
            f"--listen={SOURCE}",
            f"--syslog={home}/log",
        ],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=home,
    )
    wait_for_port(port, 60)
    return process


def by_spamd(port: int, text: Text) -> float:
    octets = text.mail.as_sent
    with socket.create_connection((SOURCE, port), 120) as connection:
        connection.sendall(b"CHECK SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(octets) + octets)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    found = _SCORE.search(answer)
    if found is None:
        raise SystemExit(f"spamd said {answer[:200]!r}")
    return float(found[1])


if __name__ == "__main__":
    main()
