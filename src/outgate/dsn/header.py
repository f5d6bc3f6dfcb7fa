"""The header of a message, cut from the beginning of its content, to be shown to its sender."""

import re
from typing import Final

HEADER_SHOWN_MAX: Final = 65_536  # octets of an original header that a DSN carries; the rest is left out

# The end of the last line before the empty one, whatever ends lines: content that came by BDAT may use bare ones.
_END: Final = re.compile(rb"(?:\r\n|\n|\r(?!\n))[\r\n]")


def header_of(beginning: bytes) -> bytes:
    """The header in `beginning`, the first octets of a content (`HEADER_SHOWN_MAX` are enough), without the empty line
    that ends it. A header that goes on beyond them ends with its last whole line."""
    shown = beginning[:HEADER_SHOWN_MAX]
    if shown[:1] in (b"\r", b"\n"):
        return b""  # it begins with the empty line
    end = _END.search(shown)
    if end is not None:
        return shown[: end.start()] + b"\r\n"
    if len(beginning) <= HEADER_SHOWN_MAX and len(shown) < HEADER_SHOWN_MAX:
        return shown  # all of it: a message without a body
    return shown[: shown.rfind(b"\n") + 1]
