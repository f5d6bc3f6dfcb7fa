"""6,046 real mails through a whole Outgate, by DATA and BDAT, plain and TLS, in and out: not an octet changes."""

import json
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import pytest
import trustme
from tests.support.client import RawClient
from tests.support.corpus import Mail, mails
from tests.support.installation import Installation, customer
from tests.support.messages import has_bare_line_ending
from tests.support.sink import ALL_EXTENSIONS, Received, running_sink

REFUSED = Path(__file__).parents[1] / "golden" / "corpus-refused.json"

WAYS = list(product(("DATA", "BDAT"), (False, True)))  # in: verb, TLS
BY_ALL_WAYS_EVERY = 12  # one mail of so many goes by all four ways, the others by one of them in turn
CONNECTIONS_PER_WAY = 2
CHUNK_OCTETS = 3_000  # so that most mails come by BDAT in several chunks, cut anywhere

BDAT_OUT = "bdat.example"  # sending domain whose sender relay offers CHUNKING
DATA_OUT = "data.example"  # the other: DATA, and TLS


@dataclass(frozen=True)
class Errand:
    """One mail by one way. recipient: of this errand alone."""

    name: str
    recipient: str
    content: bytes
    verb: str
    tls: bool
    sender: str


@dataclass
class Replies:
    """What was said to each errand's content."""

    accepted: list[Errand] = field(default_factory=list)
    refused: list[tuple[Errand, str]] = field(default_factory=list)


def errands() -> Iterator[Errand]:
    for number, mail in enumerate(mails()):
        content = mail.as_sent
        if has_bare_line_ending(content):  # in DATA it would be refused, and so the next hop must take it by BDAT
            ways = [way for way in WAYS if way[0] == "BDAT"]
        elif number % BY_ALL_WAYS_EVERY:
            ways = [WAYS[number % len(WAYS)]]
        else:
            ways = WAYS
            yield as_stored(number, mail)
        for place, (verb, tls) in enumerate(ways):
            is_bdat_out = has_bare_line_ending(content) or (number // len(WAYS) + place) % 2
            sender = f"corpus@{BDAT_OUT if is_bdat_out else DATA_OUT}"
            yield Errand(mail.name, f"{number}.{verb}.{tls}@receiver.example".lower(), content, verb, tls, sender)


def as_stored(number: int, mail: Mail) -> Errand:
    """The body with its LF as the disk has them: what only BDAT carries."""
    content = mail.as_sent_with_stored_body
    return Errand(mail.name, f"{number}.stored@receiver.example", content, "BDAT", False, f"corpus@{BDAT_OUT}")


def send(port: int, share: list[Errand], replies: Replies) -> None:
    """All of `share`, which go one way, by one connection."""
    with RawClient(port) as client:
        client.ehlo()
        if share[0].tls:
            client.start_tls()
        for errand in share:
            code, text = client.pipeline(errand.sender, errand.recipient, errand.content, errand.verb, CHUNK_OCTETS)
            if code == 250:
                replies.accepted.append(errand)
            else:
                replies.refused.append((errand, text))


def send_all(port: int) -> Replies:
    replies = Replies()
    by_way: dict[tuple[str, bool], list[Errand]] = {}
    for errand in errands():
        by_way.setdefault((errand.verb, errand.tls), []).append(errand)
    shares = [ways[start::CONNECTIONS_PER_WAY] for ways in by_way.values() for start in range(CONNECTIONS_PER_WAY)]
    threads = [threading.Thread(target=send, args=(port, share, replies)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(replies.accepted) + len(replies.refused) == sum(map(len, shares)), "a connection broke off"
    return replies


@pytest.fixture(scope="module")
def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    return context


def test_every_mail_leaves_as_it_came(installation: Installation, server_context: ssl.SSLContext) -> None:
    without_chunking = tuple(extension for extension in ALL_EXTENSIONS if extension != "CHUNKING")
    with running_sink() as by_bdat, running_sink(extensions=without_chunking, context=server_context) as by_data:
        installation.start().apply(
            customer("BDAT out", [BDAT_OUT], relay=("127.0.0.1", by_bdat.port), foreign_from="allow"),
            customer("DATA out", [DATA_OUT], relay=("127.0.0.1", by_data.port), foreign_from="allow"),
        )
        replies = send_all(installation.smtp_port)
        expected = Counter(errand.sender for errand in replies.accepted)
        received = by_bdat.wait_for(expected[f"corpus@{BDAT_OUT}"]) + by_data.wait_for(expected[f"corpus@{DATA_OUT}"])
        installation.wait_until_delivered()

    found = {recipient_of(message): message for message in received}
    assert len(found) == len(received) == len(replies.accepted), "each once, and nothing else"
    altered = [one for one in replies.accepted if found[one.recipient].body_behind_trace != one.content]
    assert not altered, f"{len(altered)} altered: {[(one.name, one.verb, one.tls) for one in altered[:20]]}"
    assert {(one.verb, one.is_tls) for one in received} == {("BDAT", False), ("DATA", True)}

    # What policy refuses is refused whatever the way, for its From field, and is known: each name with its reason.
    reasons = {errand.name: reason_of(text) for errand, text in replies.refused}
    assert reasons == json.loads(REFUSED.read_text())
    assert not reasons.keys() & {errand.name for errand in replies.accepted}


def recipient_of(message: Received) -> str:
    (recipient,) = message.recipients
    return recipient.removeprefix("RCPT TO:<").removesuffix(">")


def reason_of(reply: str) -> str:
    """The code of the catalogue behind the enhanced status code."""
    return reply.split()[2].rstrip(":")
