"""What the client session says in its own words."""

import pytest

from outgate.mail.message import ContentNeeds
from outgate.smtp.client_events import (
    LACKS_8BITMIME,
    LACKS_CHUNKING,
    LACKS_SMTPUTF8,
    connection_lost,
    lacking,
    no_reply,
    too_large,
)
from outgate.smtp.extensions import NO_EXTENSIONS, Extensions


@pytest.mark.parametrize(
    ("needs", "extensions", "reply"),
    [
        (ContentNeeds.NOTHING, NO_EXTENSIONS, None),
        (ContentNeeds.EIGHT_BIT, NO_EXTENSIONS, LACKS_8BITMIME),
        (ContentNeeds.EIGHT_BIT, Extensions(eight_bit_mime=True), None),
        (ContentNeeds.UTF8, Extensions(eight_bit_mime=True), LACKS_SMTPUTF8),
        (ContentNeeds.UTF8 | ContentNeeds.EIGHT_BIT, Extensions(smtputf8=True), LACKS_8BITMIME),
        (ContentNeeds.CHUNKING, Extensions(eight_bit_mime=True, smtputf8=True), LACKS_CHUNKING),
        (7, Extensions(eight_bit_mime=True, smtputf8=True, chunking=True), None),
    ],
)
def test_what_the_content_needs_and_is_not_offered(needs: int, extensions: Extensions, reply: object) -> None:
    assert lacking(needs, extensions) is reply


def test_lacking_extensions_are_permanent_with_the_status_that_names_them() -> None:
    assert [(reply.code, reply.status) for reply in (LACKS_8BITMIME, LACKS_SMTPUTF8, LACKS_CHUNKING)] == [
        (550, "5.6.3"),
        (550, "5.6.7"),
        (550, "5.6.1"),
    ]


def test_a_lost_connection_counts_as_451() -> None:
    assert str(connection_lost("at RCPT")) == "451 4.4.2 connection-lost: the connection to the next hop ended at RCPT"


def test_nonsense_is_shown_without_its_control_characters() -> None:
    assert str(no_reply(b"\x1b[2Jhello\xff", "at MAIL")).endswith("at MAIL, but: ?[2Jhello\ufffd")


def test_too_large_names_both_sizes() -> None:
    assert str(too_large(11, 10)).startswith("552 5.3.4 ")
    assert "11 octets" in str(too_large(11, 10))
