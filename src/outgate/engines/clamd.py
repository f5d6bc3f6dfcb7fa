"""clamd's INSTREAM: a command, chunks with their length before them, a chunk of no length, one reply that ends in NUL.

clamd(8). A signature's name decides what the finding is about: most are malware, heuristics say other things.
"""

import re
import struct
from typing import Final

from outgate.engines.interface import EngineAnswer, EngineFault, too_large
from outgate.mail.findings import Category, Finding

COMMAND: Final = b"zINSTREAM\0"
END: Final = b"\0\0\0\0"
CHUNK_MAX: Final = 64 * 1024  # octets of one chunk of content
NAME_MAX: Final = 100  # characters of a signature's name that name the finding, and so stand in the reply
REPLY_LINE_MAX: Final = 4_096  # octets of clamd's reply; a signature's name has a few dozen
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9._-]")
_LENGTH: Final = struct.Struct(">I")

# By the beginning of the signature's name; the first that fits. Limits and passwords say that it was not looked into.
_HEURISTICS: Final = (
    ("Heuristics.Limits.Exceeded", Category.UNSCANNABLE, "engine-limits-exceeded"),
    ("Heuristics.Encrypted", Category.ATTACHMENT, "encrypted"),
    ("Heuristics.OLE2.ContainsMacros", Category.ATTACHMENT, "macros"),
    ("Heuristics.Phishing", Category.PHISHING, ""),
    ("Heuristics.Structured", Category.DATA_LOSS, "structured"),
)


def chunk_head(length: int) -> bytes:
    """What stands before a chunk of this many octets, at least one."""
    assert 0 < length <= CHUNK_MAX
    return _LENGTH.pack(length)


def answer_of(engine: str, reply: bytes) -> EngineAnswer:
    """What the reply says; `reply` is without its NUL. Raises: EngineFault."""
    text = reply.decode("utf-8", "replace").strip()
    if text == "INSTREAM size limit exceeded. ERROR":
        return too_large(engine)
    if text.endswith(" ERROR"):
        raise EngineFault("error", text[:200])
    name, _, verdict = text.partition(": ")[2].rpartition(" ")
    if text.startswith("stream: ") and text.partition(": ")[2] == "OK":
        return EngineAnswer()
    if text.startswith("stream: ") and verdict == "FOUND" and name:
        return EngineAnswer((_finding(engine, name),))
    raise EngineFault("nonsense", text[:200])


def _finding(engine: str, signature: str) -> Finding:
    own_name = _NO_NAME.sub("_", signature[:NAME_MAX])
    for beginning, category, name in _HEURISTICS:
        if signature.startswith(beginning):
            return Finding(category, engine, name or own_name, 1 if category is Category.DATA_LOSS else 100, signature)
    return Finding(Category.MALWARE, engine, own_name, 100, signature)
