"""Tries a sender relay as delivery would, up to AUTH, and tells the dialogue: no message is sent.

The dialogue of our own session (`smtp.client`), with the checks of `relay`: only addresses that mail may go to, TLS as
far as wanted, the login behind TLS alone. What a peer says is cut and made printable; what we say to AUTH is not shown.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from outgate.contract.policy import RelayTls
from outgate.contract.wire import DialogueLine, RelayTest, RelayTested
from outgate.delivery.interface import Lookup, Resolver
from outgate.policy.next_hop import is_forbidden_address
from outgate.smtp.client import ClientSession
from outgate.smtp.client_events import Ready, Rejected, TlsAgreed

SECONDS: Final = 15.0  # for the whole test, all addresses together
ADDRESSES_MAX: Final = 3  # that are tried
LINES_MAX: Final = 60  # of a dialogue
LINE_MAX: Final = 200  # characters of one line
READ_OCTETS: Final = 4_096  # at a time
PUBLIC_PORTS: Final = frozenset((25, 587, 2525))  # where a mail server may be expected; no door to others

Context = Callable[[RelayTls], ssl.SSLContext]
"""Makes what a handshake is done with."""


@dataclass(slots=True)
class RelayTester:
    """allow_private: may relays be on private networks, and at any port? own_addresses: of our listeners."""

    host_name: str
    resolver: Resolver
    context: Context
    allow_private: bool = False
    own_addresses: frozenset[tuple[str, int]] = frozenset()
    _busy: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))

    async def test(self, wanted: RelayTest) -> RelayTested:
        """Never raises for what the relay does. One that waits for its turn waits within its time."""
        dialogue = _Dialogue(asyncio.get_running_loop().time)
        try:
            async with asyncio.timeout(SECONDS), self._busy:
                return await self._test(wanted, dialogue)
        except TimeoutError:
            return dialogue.ended(False, f"There was no end within {SECONDS:.0f} seconds. Is this host right, and up?")

    async def _test(self, wanted: RelayTest, dialogue: "_Dialogue") -> RelayTested:
        if not self.allow_private and wanted.port not in PUBLIC_PORTS:
            return dialogue.ended(False, "Only the ports 25, 587 and 2525 can be tested.")
        found = await self.resolver.addresses(wanted.host)
        if found.lookup is not Lookup.FOUND:
            is_trouble = found.lookup is Lookup.TROUBLE
            return dialogue.ended(
                False,
                f"DNS does not answer for {wanted.host} at the moment."
                if is_trouble
                else f"There is no host {wanted.host} in DNS. Look whether it is spelt right.",
            )
        result = dialogue.ended(False, f"{wanted.host} has no address that mail may go to.")
        for address in found.addresses[:ADDRESSES_MAX]:
            if (address, wanted.port) in self.own_addresses:
                return dialogue.ended(False, f"{wanted.host} is this service: mail would go round in circles.")
            if not self.allow_private and is_forbidden_address(address) is not None:
                dialogue.note(f"{address} is a private address: it is not tried")
                continue
            dialogue.note(f"connecting to {address}, port {wanted.port}")
            try:
                reader, writer = await asyncio.open_connection(address, wanted.port)
            except OSError as error:
                result = dialogue.ended(False, f"No connection: {error.strerror or type(error).__name__}.")
                continue
            try:
                return await self._talk(wanted, dialogue, reader, writer)
            finally:
                writer.transport.abort()  # to close TLS politely would be to wait for the peer
        return result

    async def _talk(
        self, wanted: RelayTest, dialogue: "_Dialogue", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> RelayTested:
        session = ClientSession(self.host_name, wanted.tls, wanted.login)
        verdict: RelayTested | None = None
        while True:
            while (event := session.next_event()) is not None:
                match event:
                    case TlsAgreed():
                        try:
                            await writer.start_tls(self.context(wanted.tls), server_hostname=wanted.host)
                        except (OSError, ValueError) as error:
                            return dialogue.ended(False, f"TLS could not be agreed on: {_tls_error(error)}.")
                        dialogue.secured(writer)
                        session.tls_established()
                    case Ready():
                        verdict = dialogue.ended(True, _good(wanted, dialogue.tls))
                        session.quit()
                    case Rejected(reply, _):
                        verdict = dialogue.ended(False, str(reply))
                    case _:
                        raise AssertionError(event)
            octets = session.outgoing()
            if octets:
                dialogue.said(octets, is_secret=session.is_logging_in)
                writer.write(octets)
                await writer.drain()
            if session.is_ended:
                break
            try:
                received = await reader.read(READ_OCTETS)
            except OSError:
                received = b""
            if received:
                dialogue.heard(received)
                session.receive(received)
            else:
                session.receive_end()
        if verdict is None:
            event = session.next_event()
            verdict = dialogue.ended(False, str(event.reply) if isinstance(event, Rejected) else "The relay hung up.")
        return dialogue.ended(verdict.is_good, verdict.verdict)


def _good(wanted: RelayTest, tls: str) -> str:
    how = f"with TLS ({tls})" if tls else "without TLS"
    login = " and the login was accepted" if wanted.login else ""
    return f"The relay takes connections {how}{login}. No message was sent."


class _Dialogue:
    """What was said, with the time since the beginning."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._began = now()
        self._lines: list[DialogueLine] = []
        self.tls = ""
        self._certificate = ""

    def _add(self, direction: str, text: str) -> None:
        if len(self._lines) < LINES_MAX:
            shown = "".join(character if character.isprintable() else "?" for character in text[:LINE_MAX])
            self._lines.append(DialogueLine(direction, shown, round(self._now() - self._began, 3)))

    def note(self, text: str) -> None:
        self._add("*", text)

    def said(self, octets: bytes, *, is_secret: bool) -> None:
        if is_secret and not octets.startswith(b"AUTH "):
            self._add(">", "(user name or password)")
        else:
            for line in octets.decode("ascii", "replace").splitlines():
                self._add(">", line)

    def heard(self, octets: bytes) -> None:
        for line in octets.decode("utf-8", "replace").splitlines():
            self._add("<", line)

    def secured(self, writer: asyncio.StreamWriter) -> None:
        of_ssl: Any = writer.get_extra_info("ssl_object")
        cipher = of_ssl.cipher() or ("", "", 0)
        self.tls = f"{of_ssl.version()} {cipher[0]}".strip()
        self.note(f"TLS: {self.tls}")
        encoded = of_ssl.getpeercert(binary_form=True)
        if encoded:
            self._certificate = certificate_text(encoded)
            self.note(self._certificate)

    def ended(self, is_good: bool, verdict: str) -> RelayTested:
        shown = "".join(character if character.isprintable() else "?" for character in verdict[: LINE_MAX * 2])
        return RelayTested(is_good, shown, tuple(self._lines), self.tls, self._certificate)


def certificate_text(encoded: bytes) -> str:
    """One line about a certificate in DER; never raises."""
    try:
        certificate = x509.load_der_x509_certificate(encoded)
        issuer = certificate.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME) or (
            certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
        )
        try:
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            hosts = ", ".join(names.get_values_for_type(x509.DNSName)[:3])
        except x509.ExtensionNotFound:
            hosts = "no host"
        ends: datetime = certificate.not_valid_after_utc
    except ValueError:
        return "certificate: unreadable"
    by = str(issuer[0].value) if issuer else "nobody named"
    return f"certificate: for {hosts}, by {by}, until {ends:%Y-%m-%d}"


def _tls_error(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted, {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    return str(error) or type(error).__name__
