"""The optional compiled form of `tally` in spam.py; see `_tally.c`."""

def tally(
    weights: bytes, wholes: tuple[bytes, ...], texts: tuple[tuple[bytes, int], ...], enough: int, /
) -> tuple[int, int]: ...
