"""What msgspec raises for octets that are no value of the type that is wanted.

Its own error is only one of three: text that is not UTF-8, and values nested deeper than Python recurses (a later
version's field, skipped), come as Python's. Whoever decodes what was on a disk or a wire catches all of them.
"""

from typing import Final

from msgspec import MsgspecError

UNDECODABLE: Final = (MsgspecError, UnicodeDecodeError, RecursionError)
"""For `except`."""
