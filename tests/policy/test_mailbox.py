"""Whose mail a reverse-path is counted as."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgate.mail.address import NULL_REVERSE_PATH, ReversePath
from outgate.policy.mailbox import mailbox_of


@pytest.mark.parametrize(
    ("path", "mailbox"),
    [
        ("Alice@Alpha.Example", "alice@alpha.example"),
        ("SRS0=HhHh=TT=origin.example=bob@forward.example", "srs=origin.example=bob@forward.example"),
        ("srs0+HhHh=TT=origin.example=b=b@forward.example", "srs=origin.example=b=b@forward.example"),
        ("SRS1=HHH=first.example==HH=TT=origin.example=bob@forward.example", "srs=origin.example=bob@forward.example"),
        ("info+SRS=DmMzc=V3=origin.example=bob@tenant.example", "srs=origin.example=bob@tenant.example"),
        ("bounces+SRS=DmMzc=V3@tenant.onmicrosoft.com", "bounces@tenant.onmicrosoft.com"),
        ("srs0=no-more@alpha.example", "srs0=no-more@alpha.example"),
    ],
)
def test_case_and_rewriting_do_not_count(path: str, mailbox: str) -> None:
    assert mailbox_of(ReversePath.parse(path)) == mailbox


def test_a_null_reverse_path_is_nobodys() -> None:
    assert mailbox_of(NULL_REVERSE_PATH) == ""


@pytest.mark.parametrize("rewriter", ["alpha.example", "alpha.onmicrosoft.com", "other.example"])
@pytest.mark.parametrize("local_part", ["SRS0=H=T={}=ceo", "x+SRS=h=d={}=ceo", "SRS1=H=f.example==H=T={}=ceo"])
def test_mail_that_only_was_forwarded_is_never_charged_to_the_mailbox_it_names(rewriter: str, local_part: str) -> None:
    """Whoever writes to a forwarder in the name of the ceo could have him locked."""
    victim = mailbox_of(ReversePath.parse("ceo@alpha.example"))
    path = ReversePath.parse(f"{local_part.format('alpha.example')}@{rewriter}")
    assert mailbox_of(path) == f"srs=alpha.example=ceo@{rewriter}" != victim


_DAILY = ReversePath.parse("ann+SRS=a=b=origin.example=bob@tenant.example")


@given(st.from_regex("[A-Za-z0-9+/]{1,6}", fullmatch=True), st.from_regex("[A-Z2-7]{2}", fullmatch=True))
def test_hash_day_and_forwarder_do_not_count(hashed: str, day: str) -> None:
    path = ReversePath.parse(f"carol+SRS={hashed}={day}=origin.example=bob@tenant.example")
    assert mailbox_of(path) == mailbox_of(_DAILY)


_ATOM = "abcXYZ019!#$%&'*+-/=?^_`{|}~."
_QUOTED = _ATOM + ' @(),:;<>[]"\\'


@given(st.text(_QUOTED, min_size=1, max_size=20), st.data())
def test_all_spellings_of_a_local_part_are_one_mailbox(local_part: str, data: st.DataObject) -> None:
    def spelling() -> str:
        pairs = [
            f"\\{each}" if each in '"\\' or data.draw(st.booleans()) else each
            for each in (data.draw(st.sampled_from([one.lower(), one.upper()])) for one in local_part)
        ]
        return f'"{"".join(pairs)}"'

    spellings = [spelling(), spelling()]
    if set(local_part) <= set(_ATOM):
        spellings.append(local_part)
    assert len({mailbox_of(ReversePath(f"{one}@a.example", one, "a.example")) for one in spellings}) == 1


@given(st.text(_QUOTED.lower(), min_size=1, max_size=20), st.text(_QUOTED.lower(), min_size=1, max_size=20))
def test_different_local_parts_are_different_mailboxes(one: str, other: str) -> None:
    """As far as nothing was rewritten."""
    quoted = ['"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in (one, other)]
    found = [mailbox_of(ReversePath(f"{text}@a.example", text, "a.example")) for text in quoted]
    assert (found[0] == found[1]) == (one == other)


def test_an_empty_quoted_local_part_is_not_a_null_reverse_path() -> None:
    assert mailbox_of(ReversePath('""@a.example', '""', "a.example")) == '""@a.example'
