"""A message whose recipients fare differently, through a whole Outgate: to the next hop, to hold, and to the sender."""

import email
from pathlib import Path
from typing import Any

import pytest
from tests.support.client import RawClient
from tests.support.decisions import decide
from tests.support.dns_server import DnsServer, Zone
from tests.support.installation import Installation, customer
from tests.support.messages import head
from tests.support.sink import running_sink

ZONE = Zone({"alpha.example": {"MX": ["10 mx.alpha.example."]}, "mx.alpha.example": {"A": ["127.0.0.1"]}})


def rule(action: str, domain: str) -> dict[str, Any]:
    condition = {"field": "recipient", "comparison": "ends", "value": domain}
    return {"name": action, "priority": 1, "action": action, "sections": [[condition]]}


def files_with(directory: Path, octets: bytes) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and octets in path.read_bytes()]


@pytest.mark.parametrize("lines", [1, 30_000], ids=["small", "large"])
def test_some_get_it_some_wait_and_the_sender_is_told(installation: Installation, lines: int) -> None:
    content = head() + b"\r\n" + b"All about Project Falcon\r\n" * lines
    scanning = {"is_on": True, "rules": [rule("hold", "@hold.example"), rule("reject", "@reject.example")]}
    with running_sink() as sink, running_sink() as home, DnsServer(ZONE) as dns:
        installation.settings = {"delivery": {"nameservers": [f"127.0.0.1:{dns.port}"], "smtp_port": home.port}}
        installation.start()
        installation.apply(customer("Alpha", ["alpha.example"], relay=("127.0.0.1", sink.port), scanning=scanning))
        with RawClient(installation.smtp_port) as client:
            client.ehlo()
            client.envelope(
                "alice@alpha.example", "a@pass.example", "b@hold.example", "c@reject.example", "d@pass.example"
            )
            code, text = client.data(content)
        assert code == 250
        assert text.count("held as") == 2

        (passed,) = sink.wait_for(1)
        assert passed.body_behind_trace == content
        assert passed.recipients == ["RCPT TO:<a@pass.example>", "RCPT TO:<d@pass.example>"]
        (notice,) = home.wait_for(1)
        report = email.message_from_bytes(notice.content)
        assert report["Subject"] == "Your message is held"
        status = report.get_payload(1)
        assert isinstance(status, email.message.Message)
        assert "Final-Recipient: rfc822; c@reject.example\nAction: delayed\nStatus: 4.7.1" in status.as_string()

        held = {message["recipients"][0]["forward_path"]: message["queue_id"] for message in installation.queue()}
        assert list(held) == ["b@hold.example", "c@reject.example"]
        assert not files_with(installation.state / "workers" / "1.held", b"Project Falcon\r\nAll about")
        for number, (recipient, queue_id) in enumerate(held.items(), 2):
            assert queue_id in text
            assert decide(installation.state, "alpha", "release", queue_id) == 1
            late = sink.wait_for(number)[-1]
            assert (late.recipients, late.body_behind_trace) == ([f"RCPT TO:<{recipient}>"], content)
