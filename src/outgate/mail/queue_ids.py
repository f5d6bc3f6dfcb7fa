"""Queue ids: the names of messages, that sort by the time when they came."""

from typing import Final

from outgate.mail.message import QueueId

QUEUE_ID_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: sorts by time, no look-alikes
_PAIRS: Final = tuple([first + second for first in QUEUE_ID_ALPHABET for second in QUEUE_ID_ALPHABET])


def queue_id(milliseconds: int, worker: int, counter: int) -> QueueId:
    """An id from the time (41 bits: until 2039), the worker's number (0 to 1023) and a counter (16,384 a millisecond).

    Pure: who calls keeps the counter and gives a time that never goes back.
    """
    number = ((milliseconds & 0x1FFFFFFFFFF) << 24) | ((worker & 0x3FF) << 14) | (counter & 0x3FFF)
    pairs = _PAIRS
    return (
        f"{QUEUE_ID_ALPHABET[number >> 60]}{pairs[number >> 50 & 1023]}{pairs[number >> 40 & 1023]}"
        f"{pairs[number >> 30 & 1023]}{pairs[number >> 20 & 1023]}{pairs[number >> 10 & 1023]}{pairs[number & 1023]}"
    )
