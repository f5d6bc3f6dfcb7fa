"""Messages for scanners, and what one of them finds."""

import email.policy
from email.message import EmailMessage

from outgate.contract.scanning import NO_SCANNING, ScanPolicy
from outgate.mail.findings import Finding
from outgate.scanning.interface import Context, Scanner
from outgate.scanning.mime import take_apart

SENDER = "ada@alpha.example"


def attached(*files: tuple[str, bytes], text: str = "see attached", page: str = "", sender: str = SENDER) -> bytes:
    """A message with files, and with a page beside its text."""
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"], message["Subject"] = sender, "s"
    message.set_content(text)
    if page:
        message.add_alternative(page, subtype="html")
    for name, octets in files:
        message.add_attachment(octets, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def found(
    scanner: Scanner, octets: bytes, domains: frozenset[str] = frozenset(), policy: ScanPolicy = NO_SCANNING
) -> list[Finding]:
    context = Context(SENDER, ("bob@beta.example",), domains, "", policy)
    return list(scanner.scan(take_apart(octets), context))
