"""How much of one message scanning looks into. What goes beyond is `unscannable`, never clean.

An ordinary message stays far below all of these; they bound what a made one can cost.
"""

from typing import Final

HEADER_MAX: Final = 256 * 1024  # octets of one header block
DEPTH_MAX: Final = 20  # multiparts and attached messages inside each other
PARTS_MAX: Final = 1_000  # parts of the whole message, those in archives too
DECODED_MAX: Final = 512 * 1024 * 1024  # octets of all parts together, unpacked ones too
ARCHIVE_DEPTH_MAX: Final = 4  # archives inside each other
ARCHIVE_RATIO_MAX: Final = 200  # octets that come out of an archive for one that goes in, above `ARCHIVE_FREE`
ARCHIVE_FREE: Final = 1024 * 1024  # octets that an archive may unpack to whatever its ratio
BOUNDARY_MAX: Final = 200  # octets; RFC 2046 §5.1.1 has 70
PARAMETERS_MAX: Final = 50  # of one field
NAME_MAX: Final = 255  # characters of a file name that are kept
TEXT_MAX: Final = 1024 * 1024  # characters of text that word and pattern scanners look at
