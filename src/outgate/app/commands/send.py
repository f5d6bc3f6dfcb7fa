"""`outgate send`: send one small test message to an SMTP server, showing the dialogue."""

import smtplib
import ssl
import sys
from email import policy
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Annotated

import typer

SECONDS = 60.0


def send(
    to: Annotated[list[str], typer.Option("--to", help="Recipient; may be given several times.")],
    sender: Annotated[str, typer.Option("--from", help="Sender, for the envelope and the From header.")],
    server: Annotated[str, typer.Option(help="host or host:port")] = "127.0.0.1:25",
    subject: Annotated[str, typer.Option(help="Subject of the message.")] = "A first message through Outgate",
    body: Annotated[str, typer.Option(help="Text of the message.")] = "If you can read this, it went through.",
) -> None:
    """Send a small message and show what the server says. For trying out; no login."""
    host, _, port = server.rpartition(":") if ":" in server else (server, "", "25")
    if not port.isdigit():
        print(f"outgate: --server {server}: write it as host:port, such as 127.0.0.1:25", file=sys.stderr)
        raise typer.Exit(2)
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Subject"] = subject
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = make_msgid(domain="outgate.example")
    message.set_content(body)
    try:
        with smtplib.SMTP(host, int(port), timeout=SECONDS) as client:
            _show("EHLO", *client.ehlo())
            if client.has_extn("starttls"):
                # A test message shows what the server says, not whom it belongs to: any certificate will do.
                context = ssl.create_default_context()
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                _show("STARTTLS", *client.starttls(context=context))
                client.ehlo()
            _show(f"MAIL FROM:<{sender}>", *client.mail(sender))
            accepted = 0
            for recipient in to:
                code, text = client.rcpt(recipient)
                _show(f"RCPT TO:<{recipient}>", code, text)
                accepted += code in (250, 251)
            if not accepted:
                raise typer.Exit(1)
            code, text = client.data(message.as_bytes(policy=policy.SMTP))
            _show("DATA", code, text)
            if code != 250:
                raise typer.Exit(1)
    except (OSError, smtplib.SMTPException) as error:
        print(f"outgate: {server}: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


def _show(command: str, code: int, text: bytes) -> None:
    lines = text.decode("utf-8", "replace").split("\n")
    print(f"> {command}\n< {code} {lines[0]}{' ...' if len(lines) > 1 else ''}")
