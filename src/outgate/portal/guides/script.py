"""PowerShell for Exchange Online: sets connector and rule up, and takes them away again. `*.ps1` beside this file.

The scripts may run twice, know -WhatIf, save what they find before they change it, look first whether they are
connected to an organisation that has a domain of the customer's, and touch nothing but what they made (marked by a
comment) and, where that is asked, Exclaimer's rule. `tests/portal/guides/test_script.py` holds the text against the
parameters in Microsoft's reference. PowerShell itself has never run them here: docs/guides.md says so.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

NAME: Final = "Outgate Outbound"  # of connector and rule
EXCLAIMER_RULE: Final = "Identify messages to send to Exclaimer Cloud"
_SINGLE_QUOTES: Final = "'\u2018\u2019\u201a\u201b"  # PowerShell takes all of these for one
_PLACE: Final = re.compile(r"<<(\w+)>>")


@dataclass(frozen=True, slots=True)
class ScriptValues:
    """smarthost: host name. customer_id: marks what is ours. domains: the customer's proven ones, and the names of its
    tenants; empty if it has none, then the script cannot tell whose organisation it is connected to."""

    smarthost: str
    customer_id: str
    customer_name: str
    domains: tuple[str, ...] = ()
    with_exclaimer: bool = False


def quoted(text: str) -> str:
    """As a PowerShell string in which nothing has a meaning. What is not printable is left out: line ends, too."""
    kept = "".join(character for character in text if character.isprintable())
    return "'" + "".join(character * 2 if character in _SINGLE_QUOTES else character for character in kept) + "'"


def set_up_script(values: ScriptValues) -> str:
    return _filled("set_up.ps1", values)


def undo_script(values: ScriptValues) -> str:
    return _filled("undo.ps1", values)


def send_connector(smarthost: str) -> str:
    """What makes the Send connector of an Exchange Server. SERVER is to be replaced by a person."""
    host = quoted(smarthost)
    return "\n".join(
        (
            f"New-SendConnector -Name {quoted(NAME)} -Custom -AddressSpaces 'SMTP:*;1' `",
            f"  -DNSRoutingEnabled $false -SmartHosts {host} -SmartHostAuthMechanism None `",
            f"  -RequireTLS $true -TlsAuthLevel DomainValidation -TlsDomain {host} `",
            "  -MaxMessageSize 150MB -SourceTransportServers SERVER",
        )
    )


def require_tls(smarthost: str) -> str:
    """What the admin center cannot set of that connector."""
    host = quoted(smarthost)
    return "\n".join(
        (
            f"Set-SendConnector {quoted(NAME)} -RequireTLS $true -TlsAuthLevel DomainValidation `",
            f"  -TlsDomain {host} -MaxMessageSize 150MB",
        )
    )


def _filled(file: str, values: ScriptValues) -> str:
    """In one pass: a value that looks like a place is none."""
    filling = {
        "customer": quoted(values.customer_name),
        "id": quoted(values.customer_id),
        "mark": quoted(f"outgate:{values.customer_id}"),
        "name": quoted(NAME),
        "host": quoted(values.smarthost),
        "domains": _list(values.domains),
        "exclaimer": quoted(EXCLAIMER_RULE),
        "handles_exclaimer": "$true" if values.with_exclaimer else "$false",
    }
    text = files("outgate.portal.guides").joinpath(file).read_text("utf-8")
    return _PLACE.sub(lambda match: filling[match[1]], text).replace("\n", "\r\n")


def _list(texts: Iterable[str]) -> str:
    return "@(" + ", ".join(quoted(text) for text in texts) + ")"
