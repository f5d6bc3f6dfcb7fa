"""Our client and our server understand each other: envelope and octets come out as they went in, however cut."""

import itertools
from dataclasses import dataclass, field

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from outgate.mail.address import NULL_REVERSE_PATH, ForwardPath, ReversePath
from outgate.mail.message import ContentNeeds
from outgate.mail.reply import Reply
from outgate.smtp.client import ClientSession
from outgate.smtp.client_events import ContentWanted, Ready, TransactionEnded
from outgate.smtp.events import (
    Body,
    ContentReceived,
    ContentRequested,
    MailReceived,
    RecipientReceived,
)
from outgate.smtp.server import ServerSession, ServerSettings

TRACE = b"Received: from a.example\r\n\tby b.example; now\r\n"


@dataclass
class Server:
    """Takes everything."""

    session: ServerSession = field(default_factory=lambda: ServerSession(ServerSettings("mx.example")))
    mail: MailReceived | None = None
    recipients: list[ForwardPath] = field(default_factory=list)
    content: bytes = b""
    taken: list[tuple[MailReceived, tuple[ForwardPath, ...], bytes]] = field(default_factory=list)
    refused: int = 0

    def receive(self, octets: bytes) -> bytes:
        self.session.receive(octets)
        while (event := self.session.next_event()) is not None:
            match event:
                case MailReceived():
                    self.mail, self.recipients, self.content = event, [], b""
                    self.session.reply(Reply(250, "2.1.0", "ok"))
                case RecipientReceived(path):
                    if path.local_part.startswith("no"):
                        self.session.reply(Reply(550, "5.1.1", "no"))
                    else:
                        self.recipients.append(path)
                        self.session.reply(Reply(250, "2.1.5", "ok"))
                case ContentRequested():
                    self.session.reply(Reply(354, "", "go"))
                case ContentReceived(octets=octets):
                    self.content += octets
                    if event.is_last:
                        assert self.mail is not None
                        self.taken.append((self.mail, tuple(self.recipients), self.content))
                        self.session.reply(Reply(250, "2.0.0", "taken"))
                case _:
                    pass
        return self.session.outgoing()


contents = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from([b".", b"\r\n", b"\r", b"\n", b"a", b"\r\n.\r\n", b"QUIT\r\n", b"\xff"]), max_size=30).map(
        b"".join
    ),
)
paths = st.sampled_from(["bob@receiver.example", "no@receiver.example", "dörte@receiver.example", '"a b"@x.example'])


def as_forward_path(text: str) -> ForwardPath:
    local_part, _, domain = text.rpartition("@")
    return ForwardPath(text, local_part, domain)


@settings(deadline=None, max_examples=150)
@given(
    content=contents,
    addresses=st.lists(paths, min_size=1, max_size=4),
    reverse_path=st.sampled_from([NULL_REVERSE_PATH, ReversePath.parse("alice@alpha.example")]),
    offered=st.tuples(st.booleans(), st.booleans()),
    in_pieces=st.booleans(),
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=8),
)
def test_client_and_server_understand_each_other(
    content: bytes,
    addresses: list[str],
    reverse_path: ReversePath,
    offered: tuple[bool, bool],
    in_pieces: bool,
    cuts: list[int],
) -> None:
    pipelining, chunking = offered
    is_line_ended = content.replace(b"\r\n", b"").count(b"\r") + content.replace(b"\r\n", b"").count(b"\n") == 0
    needs: int = ContentNeeds.NOTHING if content.isascii() else ContentNeeds.EIGHT_BIT
    if not is_line_ended or (content and not content.endswith(b"\r\n")):
        needs |= ContentNeeds.CHUNKING
    if not all(address.isascii() for address in addresses):
        needs |= ContentNeeds.UTF8
    forward_paths = tuple(as_forward_path(address) for address in addresses)
    sizes = itertools.cycle(cuts)

    server = Server()
    client = ClientSession("b.example")
    server.session.greet()
    client.receive(server.session.outgoing())
    client.receive(server.receive(client.outgoing()))
    assert client.next_event() == Ready()
    client.extensions = msgspec.structs.replace(client.extensions, pipelining=pipelining, chunking=chunking)

    for _ in range(2):
        client.begin(
            reverse_path, forward_paths, TRACE, None if in_pieces else content, content_octets=len(content), needs=needs
        )
        ended = None
        while ended is None:
            out = client.outgoing()
            while out:
                size = next(sizes)
                client.receive(server.receive(out[:size]))
                out = out[size:] + client.outgoing()
            match client.next_event():
                case ContentWanted():
                    client.send_content(content[:7], is_last=False)
                    client.send_content(content[7:], is_last=True)
                case TransactionEnded() as event:
                    ended = event
                case event:
                    raise AssertionError(event)
        codes = [reply.code for reply in ended.replies]
        if needs & ContentNeeds.CHUNKING and not chunking:
            assert codes == [550] * len(addresses)
            assert not server.taken
            continue
        assert codes == [550 if address.startswith("no") else 250 for address in addresses]
        accepted = tuple(path for path in forward_paths if not path.local_part.startswith("no"))
        if accepted:
            mail, recipients, octets = server.taken.pop()
            assert mail.reverse_path == reverse_path
            assert recipients == accepted
            assert octets == TRACE + content
            assert mail.size_octets == len(TRACE + content)
            assert mail.smtputf8 == bool(needs & ContentNeeds.UTF8)
            assert (mail.body is Body.EIGHT_BIT_MIME) == bool(needs & ContentNeeds.EIGHT_BIT)
        assert not server.taken
        assert client.is_idle
