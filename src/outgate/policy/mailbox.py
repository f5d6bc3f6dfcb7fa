"""The mailbox that a reverse-path stands for when mail is counted. Pure.

The case of the local part does not count. A rewritten reverse-path (the Sender Rewriting Scheme, in its own form and
in that of Microsoft 365) stands for the mailbox that was rewritten, so that all that is forwarded for one sender is
counted together. Undone for counting only: nothing is ever sent to the result, and nobody is proven by it.
"""

import re
from typing import Final

from outgate.mail.address import ReversePath

_SRS0: Final = re.compile(r"srs0[=+-][^=]*=[^=]*=([^=]+)=(.+)")
_SRS1: Final = re.compile(r"srs1[=+-][^=]*=[^=]*=[=+-]?[^=]*=[^=]*=([^=]+)=(.+)")
_MICROSOFT_BOUNCES: Final = re.compile(r"bounces\+srs=[^=]*=[^=]*")  # of relayed mail: who wrote it is hidden
_MICROSOFT: Final = re.compile(r".+\+srs=[^=]*=[^=]*=([^=]+)=(.+)")  # local+SRS=hash=day=domain=local


def mailbox_of(reverse_path: ReversePath) -> str:
    """Lower case, with the canonical domain; empty for a null reverse-path."""
    local_part = reverse_path.local_part.lower()
    if "srs" in local_part:
        match = _SRS0.fullmatch(local_part) or _SRS1.fullmatch(local_part) or _MICROSOFT.fullmatch(local_part)
        if match is not None:
            return f"{match[2]}@{match[1]}"
        if _MICROSOFT_BOUNCES.fullmatch(local_part) is not None:
            return f"bounces@{reverse_path.domain}"
    return f"{local_part}@{reverse_path.domain}" if local_part else ""
