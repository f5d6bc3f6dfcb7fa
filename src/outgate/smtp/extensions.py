"""What a next hop offers in its reply to EHLO. RFC 5321 §4.1.1.1."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct


class Extensions(Struct, frozen=True):
    """The service extensions that concern a relay. size_max: octets of a message, 0 for no known limit."""

    pipelining: bool = False  # RFC 2920
    size: bool = False  # RFC 1870
    size_max: int = 0
    eight_bit_mime: bool = False  # RFC 6152
    smtputf8: bool = False  # RFC 6531
    chunking: bool = False  # RFC 3030
    starttls: bool = False  # RFC 3207
    auth_plain: bool = False  # RFC 4954, mechanism of RFC 4616
    auth_login: bool = False  # a mechanism that has no RFC, which older servers offer alone


NO_EXTENSIONS: Final = Extensions()

_FIELDS: Final = {
    b"PIPELINING": "pipelining",
    b"8BITMIME": "eight_bit_mime",
    b"SMTPUTF8": "smtputf8",
    b"CHUNKING": "chunking",
    b"STARTTLS": "starttls",
}


def read_extensions(texts: Sequence[bytes]) -> Extensions:
    """From the lines of a positive reply to EHLO; the first is the greeting. Unknown keywords are ignored."""
    found: dict[str, bool] = {}
    size_max = 0
    for text in texts[1:]:
        keyword, _, parameters = text.strip().upper().partition(b" ")
        if keyword == b"SIZE":
            found["size"] = True
            parameters = parameters.strip()
            if parameters.isdigit() and len(parameters) <= 20:  # RFC 1870 §3: at most 20 digits
                size_max = int(parameters)
        elif keyword == b"AUTH":
            mechanisms = parameters.split()
            found["auth_plain"] = b"PLAIN" in mechanisms
            found["auth_login"] = b"LOGIN" in mechanisms
        elif (name := _FIELDS.get(keyword)) is not None:
            found[name] = True
    return Extensions(size_max=size_max, **found)
