"""A client for tests that says exactly what it is told, octet by octet."""

import re
import socket
import ssl
from types import TracebackType
from typing import Self


class RawClient:
    """A connection to an SMTP server. Replies come as (code, whole text)."""

    def __init__(self, port: int, *, source: str = "127.0.0.1", greet: bool = True, seconds: float = 30.0) -> None:
        self.socket: socket.socket = socket.create_connection(
            ("127.0.0.1", port), timeout=seconds, source_address=(source, 0)
        )
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        if greet:
            try:
                assert self.reply()[0] == 220
            except BaseException:
                self.socket.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def reply(self) -> tuple[int, str]:
        """The next reply; (0, "") when the server has closed."""
        while not (match := re.match(rb"(?:\d{3}-[^\r\n]*\r\n)*(\d{3})(?: [^\r\n]*)?\r\n", self.buffer)):
            octets = self.socket.recv(65_536)
            if not octets:
                return 0, ""
            self.buffer += octets
        text = match[0].decode("ascii")
        self.buffer = self.buffer[match.end() :]
        return int(match[1]), text

    def say(self, line: str | bytes) -> tuple[int, str]:
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.reply()

    def ehlo(self) -> str:
        code, text = self.say("EHLO client.example")
        assert code == 250
        return text

    def start_tls(self) -> None:
        assert self.say("STARTTLS")[0] == 220
        self.wrap_socket()
        self.ehlo()

    def wrap_socket(self) -> None:
        """The handshake."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)

    def envelope(self, sender: str = "alice@alpha.example", *recipients: str, parameters: str = "") -> None:
        assert self.say(f"MAIL FROM:<{sender}>{parameters}")[0] == 250
        for recipient in recipients or ("bob@receiver.example",):
            code, text = self.say(f"RCPT TO:<{recipient}>")
            assert code == 250, text

    def data(self, content: bytes) -> tuple[int, str]:
        """Send `content`, whose lines end with CR LF, with dots stuffed."""
        assert self.say("DATA")[0] == 354
        self.send(_stuffed(content))
        return self.reply()

    def bdat(self, content: bytes, chunk_octets: int = 100_000) -> tuple[int, str]:
        for start in range(0, len(content), chunk_octets):
            chunk = content[start : start + chunk_octets]
            self.send(b"BDAT %d\r\n" % len(chunk) + chunk)
            code, text = self.reply()
            if code != 250:
                return code, text
        return self.say("BDAT 0 LAST")

    def pipeline(
        self, sender: str, recipient: str, content: bytes, verb: str, chunk_octets: int = 100_000
    ) -> tuple[int, str]:
        """A whole transaction in as few writes as SMTP allows (RFC 2920); the reply to its content. verb: DATA, or BDAT
        in chunks of `chunk_octets`."""
        envelope = f"MAIL FROM:<{sender}> BODY=8BITMIME\r\nRCPT TO:<{recipient}>\r\n".encode()
        if verb == "DATA":
            self.send(envelope + b"DATA\r\n")
            self.expect(250, 250, 354)
            self.send(_stuffed(content))
            return self.reply()
        whole = range(0, len(content) - chunk_octets, chunk_octets)
        chunks = [b"BDAT %d\r\n" % chunk_octets + content[start : start + chunk_octets] for start in whole]
        last = content[len(whole) * chunk_octets :]
        self.send(b"".join((envelope, *chunks, b"BDAT %d LAST\r\n" % len(last), last)))
        self.expect(250, 250, *[250 for _ in chunks])
        return self.reply()

    def expect(self, *codes: int) -> None:
        for code in codes:
            found, text = self.reply()
            assert found == code, text


def _stuffed(content: bytes) -> bytes:
    """`content` and the end of DATA, RFC 5321 §4.5.2."""
    return (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"
