"""SIGTERM: what is under way may end, within a limit; nothing is lost, and nothing is sent twice."""

import signal
import threading
import time

from tests.support.client import RawClient
from tests.support.installation import Installation, customer
from tests.support.messages import head
from tests.support.sink import running_sink

CONTENT = head() + b"\r\nHello\r\n"
PATIENCE_SECONDS = 30.0
SHUTTING_DOWN = "421 4.3.2 shutting-down: this server is about to restart; try again in a minute\r\n"


def sending(port: int, recipient: str) -> RawClient:
    """A client that has sent half of its content."""
    client = RawClient(port)
    client.ehlo()
    client.envelope("alice@alpha.example", recipient)
    assert client.say("DATA")[0] == 354
    client.send(CONTENT[:20])
    return client


def wait_until_refused(port: int) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            RawClient(port, greet=False).socket.close()
        except ConnectionRefusedError:
            return
        assert time.monotonic() < end
        time.sleep(0.02)  # polling another process, which offers nothing to wait on


def test_what_is_under_way_may_end_and_what_stalls_is_cut(installation: Installation) -> None:
    order = threading.Event()
    at_the_end = threading.Event()

    def answer(verb: str, _line: str) -> str | None:
        if verb == "END":
            at_the_end.set()
            assert order.wait(PATIENCE_SECONDS)
        return None

    installation.settings = {"drain_seconds": 3.0, "delivery": {"retry_intervals_seconds": [0.1]}}
    with running_sink(script=answer) as sink:
        installation.start()
        installation.apply(customer("Alpha", ["alpha.example"], relay=("127.0.0.1", sink.port)))
        port = installation.smtp_port
        with (
            RawClient(port) as idle,
            sending(port, "early@receiver.example") as early,
            sending(port, "late@receiver.example") as late,
            sending(port, "stalled@receiver.example") as stalled,
        ):
            idle.ehlo()
            early.send(CONTENT[20:] + b".\r\n")
            assert early.reply()[0] == 250
            assert at_the_end.wait(PATIENCE_SECONDS)  # the next hop has all of it and has not answered yet
            process = installation.process
            assert process is not None
            process.send_signal(signal.SIGTERM)
            assert idle.reply() == (421, SHUTTING_DOWN)
            assert early.reply() == (421, SHUTTING_DOWN)
            wait_until_refused(port)
            order.set()
            late.send(CONTENT[20:] + b".\r\n")
            assert late.reply()[0] == 250
            assert late.reply() == (421, SHUTTING_DOWN)
            assert stalled.reply() == (421, SHUTTING_DOWN)
            assert stalled.reply() == (0, "")
        assert process.wait(PATIENCE_SECONDS) == 0
        (drained,) = installation.log_lines("worker-drained")
        assert drained["connections_cut"] == 1
        assert drained["queued"] == 1
        assert not installation.log_lines("process-killed")
        installation.start()
        installation.wait_until_delivered()
    recipients = [message.recipients for message in sink.messages]
    assert recipients == [["RCPT TO:<early@receiver.example>"], ["RCPT TO:<late@receiver.example>"]]


def test_a_second_sigterm_does_not_wait(installation: Installation) -> None:
    """For ten minutes, as the settings would have it."""
    installation.settings = {"drain_seconds": 600.0}
    installation.start()
    installation.apply(customer("Alpha", ["alpha.example"]))
    with sending(installation.smtp_port, "stalled@receiver.example") as stalled:
        process = installation.process
        assert process is not None
        process.send_signal(signal.SIGTERM)
        installation.wait_for_log("worker-stopping")
        process.send_signal(signal.SIGTERM)
        assert stalled.reply() == (421, SHUTTING_DOWN)
    assert process.wait(PATIENCE_SECONDS) == 0
    assert not installation.log_lines("process-killed")
