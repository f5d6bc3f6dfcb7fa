"""Whose mail a reverse-path is counted as."""

import pytest

from outgate.mail.address import NULL_REVERSE_PATH, ReversePath
from outgate.policy.mailbox import mailbox_of


@pytest.mark.parametrize(
    ("path", "mailbox"),
    [
        ("Alice@Alpha.Example", "alice@alpha.example"),
        ("SRS0=HhHh=TT=origin.example=bob@forward.example", "bob@origin.example"),
        ("srs0+HhHh=TT=origin.example=b=b@forward.example", "b=b@origin.example"),
        ("SRS1=HHH=first.example==HH=TT=origin.example=bob@forward.example", "bob@origin.example"),
        ("info+SRS=DmMzc=V3=origin.example=bob@tenant.example", "bob@origin.example"),
        ("bounces+SRS=DmMzc=V3@tenant.onmicrosoft.com", "bounces@tenant.onmicrosoft.com"),
        ("srs0=no-more@alpha.example", "srs0=no-more@alpha.example"),
    ],
)
def test_case_and_rewriting_do_not_count(path: str, mailbox: str) -> None:
    assert mailbox_of(ReversePath.parse(path)) == mailbox


def test_a_null_reverse_path_is_nobodys() -> None:
    assert mailbox_of(NULL_REVERSE_PATH) == ""
