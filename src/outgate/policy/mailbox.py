"""The mailbox that a reverse-path stands for when mail is counted. Pure.

The case of the local part does not count, nor whether and how it is quoted (RFC 5321 §4.1.2). A rewritten reverse-path
(the Sender Rewriting Scheme, in its own form and in that of Microsoft 365) stands for the rewriting domain and the
mailbox that was rewritten, without hash and day, so that all that is forwarded for one sender is counted together. It
never stands for that mailbox itself: who writes to a forwarder in the name of a customer's mailbox proves nothing, and
must not have it locked.
"""

import re
from typing import Final

from outgate.mail.address import ReversePath

_SRS0: Final = re.compile(r"srs0[=+-][^=]*=[^=]*=([^=]+)=(.+)")
_SRS1: Final = re.compile(r"srs1[=+-][^=]*=[^=]*=[=+-]?[^=]*=[^=]*=([^=]+)=(.+)")
_MICROSOFT_BOUNCES: Final = re.compile(r"bounces\+srs=[^=]*=[^=]*")  # of relayed mail: who wrote it is hidden
_MICROSOFT: Final = re.compile(r".+\+srs=[^=]*=[^=]*=([^=]+)=(.+)")  # local+SRS=hash=day=domain=local
_QUOTED_PAIR: Final = re.compile(r"\\(.)")


def mailbox_of(reverse_path: ReversePath) -> str:
    """Lower case, unquoted, with the canonical domain; `srs=domain=local@...` if it was rewritten; empty for a null
    reverse-path."""
    local_part = reverse_path.local_part.lower()
    if not local_part:
        return ""
    if len(local_part) > 2 and local_part[0] == '"' and local_part[-1] == '"':  # not "", which would be nobody's
        local_part = _QUOTED_PAIR.sub(r"\1", local_part[1:-1])
    if "srs" in local_part:
        match = _SRS0.fullmatch(local_part) or _SRS1.fullmatch(local_part) or _MICROSOFT.fullmatch(local_part)
        if match is not None:
            local_part = f"srs={match[1]}={match[2]}"
        elif _MICROSOFT_BOUNCES.fullmatch(local_part) is not None:
            local_part = "bounces"
    return f"{local_part}@{reverse_path.domain}"
