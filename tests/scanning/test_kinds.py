"""What content is, by its first octets."""

import pytest

from outgate.scanning.kinds import kind_of


@pytest.mark.parametrize(
    ("octets", "media_type", "kind"),
    [
        (b"MZ\x90\0", "image/png", "windows-program"),
        (b"PK\x03\x04", "text/plain", "zip"),
        (b"%PDF-1.7", "application/pdf", "pdf"),
        (b"<p>", "text/html", "html"),
        (b"words", "text/plain", "text"),
        (b"a\0b", "application/octet-stream", "data"),
    ],
)
def test_content_says_what_it_is(octets: bytes, media_type: str, kind: str) -> None:
    assert kind_of(octets, "name.txt", media_type) == kind
