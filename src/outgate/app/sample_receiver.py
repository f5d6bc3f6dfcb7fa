"""The sample receiver of `outgate up --demo`: an SMTP server that takes everything and shows what arrived.

It stands for the Internet, so that a newcomer sees a message come out at the other end. Made of our own server session.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from math import inf
from typing import Final

from outgate.app.child import on_end, read_orders
from outgate.app.configuration import Listener as ListenerSettings
from outgate.app.supervisor import open_listener
from outgate.mail.reply import Reply
from outgate.net.listener import Conversation, Listener, Peer
from outgate.smtp.events import (
    ContentReceived,
    ContentRequested,
    Event,
    MailReceived,
    RecipientReceived,
    TlsRequested,
    TransactionEnded,
)
from outgate.smtp.server import ServerSettings

SHOWN_LINES: Final = 12  # of each message
SIZE_MAX: Final = 32 * 1024 * 1024  # octets; it keeps a message in memory

_SETTINGS: Final = ServerSettings(host_name="receiver.example", size_max_octets=SIZE_MAX, tls_available=False)


@dataclass(slots=True)
class _Guest:
    is_stranger: bool = False
    reverse_path: str = ""
    forward_paths: list[str] = field(default_factory=list)
    content: bytearray = field(default_factory=bytearray)

    def secured(self, tls: str) -> None:
        pass

    def closed(self) -> None:
        pass

    def answer(self, event: Event) -> Reply | None:
        match event:
            case MailReceived(reverse_path):
                self.reverse_path = reverse_path.text
                self.forward_paths.clear()
                self.content.clear()
                return Reply(250, "2.1.0", "fine")
            case RecipientReceived(forward_path):
                self.forward_paths.append(forward_path.text)
                return Reply(250, "2.1.5", "fine")
            case ContentRequested():
                return Reply(354, "", "go on")
            case ContentReceived(octets, is_last):
                self.content += octets
                if not is_last:
                    return None
                self._show()
                return Reply(250, "2.0.0", "the sample receiver has it")
            case TlsRequested():
                return Reply(454, "4.7.0", "no TLS here")
            case TransactionEnded():
                return None

    def _show(self) -> None:
        lines = bytes(self.content).decode("utf-8", "replace").split("\r\n")
        shown = "\n".join(f"  | {_printable(line)}" for line in lines[:SHOWN_LINES])
        more = f"\n  | ... {len(lines) - SHOWN_LINES} more lines" if len(lines) > SHOWN_LINES else ""
        print(
            f"\n*** Arrived at the sample receiver: {len(self.content)} octets, from <{self.reverse_path}> "
            f"to {', '.join(f'<{path}>' for path in self.forward_paths)}\n{shown}{more}\n",
            flush=True,
        )


def _printable(line: str) -> str:
    return "".join(character if character.isprintable() or character == "\t" else "?" for character in line[:200])


@dataclass(slots=True)
class _House:
    def session_settings(self) -> ServerSettings:
        return _SETTINGS

    def tls_context(self) -> ssl.SSLContext | None:
        return None

    def converse(self, _peer: Peer) -> Conversation | Reply:
        return _Guest()

    def idle_seconds(self, _conversation: Conversation) -> float:
        return 300.0

    def session_seconds(self, _conversation: Conversation) -> float:
        return inf

    def greeting_delay_seconds(self, _conversation: Conversation) -> float:
        return 0.0


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    on_end(loop, stop.set)
    listener = Listener(_House(), loop)
    await listener.start(open_listener(ListenerSettings("127.0.0.1", port), port, shared=False))
    await stop.wait()
    listener.shut_down()
    listener.drop_all()


def main() -> None:
    asyncio.run(_serve(read_orders().number))


if __name__ == "__main__":
    main()
