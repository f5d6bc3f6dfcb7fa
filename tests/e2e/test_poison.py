"""A message that ends its worker is set aside after the second time; everybody else's mail goes on."""

import json
import os
import signal
import threading

from tests.support.client import RawClient
from tests.support.installation import Installation, customer
from tests.support.messages import head
from tests.support.sink import running_sink

CONTENT = head() + b"\r\nHello\r\n"
OTHERS = [f"r{number}@receiver.example" for number in range(8)]


class Executioner:
    """Once armed it has the worker killed when it sees the poison. It takes mail behind the last kill."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.kills = 0
        self.is_armed = False
        self.is_harmless = False
        self.lock = threading.Lock()

    def script(self, verb: str, line: str) -> str | None:
        if verb != "RCPT" or self.is_harmless:
            return None
        with self.lock:
            if not self.is_armed or "poison" not in line:
                return None if self.kills >= 2 else "451 4.3.0 later"
            self.kills += 1
            os.kill(self.installation.process_ids("worker-1")[-1], signal.SIGKILL)
            return "DROP"


def test_a_message_that_ends_its_worker_twice_is_set_aside(installation: Installation) -> None:
    hangman = Executioner(installation)
    installation.settings = {"delivery": {"retry_intervals_seconds": [0.2]}}
    with running_sink(script=hangman.script) as sink:
        installation.start()
        installation.apply(customer("Alpha", ["alpha.example"], relay=("127.0.0.1", sink.port)))
        poison = ""
        for recipient in [*OTHERS[:4], "poison@receiver.example", *OTHERS[4:]]:
            with RawClient(installation.smtp_port) as client:
                client.ehlo()
                client.envelope("alice@alpha.example", recipient)
                code, text = client.data(CONTENT)
                assert code == 250, text
                if recipient.startswith("poison"):
                    poison = text.split()[-1]
        hangman.is_armed = True
        sink.wait_for_recipients(set(OTHERS))  # some perhaps twice: the mark of an end has no flush of its own
        assert hangman.kills == 2
        shown = json.loads(installation.command("queue", "list", "--held", "--json"))["messages"]
        assert [(one["queue_id"], one["state"]) for one in shown] == [(poison, "held")]
        assert "set-aside" in shown[0]["recipients"][0]["reply"]
        assert 'outgate_delivery_set_aside_total{worker="1"} 1.0' in installation.fetch("/metrics")
        # It waits for a person, also behind another start; then it is tried again.
        installation.stop()
        (line,) = [one for one in installation.log_lines("attempted") if one["reason"] == "set-aside"]
        assert line["id"] == poison
        installation.start()
        assert [one["queue_id"] for one in installation.queue()] == [poison]
        hangman.is_harmless = True
        installation.command("queue", "release", poison)
        arrived = sink.wait_for_recipients({"poison@receiver.example"})
        assert arrived["poison@receiver.example"].body_behind_trace == CONTENT
