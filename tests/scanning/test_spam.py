"""The spam model: its features, its file, and that the package's weights are worth something."""

import email.policy
from email.message import EmailMessage
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgate.mail.findings import Category
from outgate.scanning.interface import Context
from outgate.scanning.mime import take_apart
from outgate.scanning.spam import FEATURES_ENOUGH, MAGIC, PLACES, Spam, SpamModel, features

WEIGHTS = files("outgate.app.data").joinpath("spam.weights").read_bytes()
CONTEXT = Context("ada@alpha.example", ("bob@beta.example",))


def mail(subject: str, text: str) -> bytes:
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"], message["Subject"] = "ada@alpha.example", subject
    message.set_content(text)
    return message.as_bytes()


SPAM = mail(
    "MAKE MONEY FAST!!! 100% GUARANTEED",
    "Dear friend, earn $5,000 a week from home! No risk. Click here http://10.1.2.3/win now, limited offer, "
    "order viagra, lose weight, free money, credit card debt, unsubscribe, act now!!!",
)
LETTER = mail(
    "Re: minutes of the meeting",
    "Hi Bob,\n\nattached are the minutes. I think the patch to the parser should go in before the release; could you "
    "review it on Thursday?\n\nThanks, Ada\n",
)


def score(octets: bytes) -> int:
    return SpamModel(WEIGHTS).score(features(take_apart(octets)))


def test_spam_and_a_letter() -> None:
    assert score(SPAM) > 900
    assert score(LETTER) < 300


def test_only_what_is_telling_is_reported() -> None:
    model = Spam(SpamModel(WEIGHTS))
    assert list(model.scan(take_apart(LETTER), CONTEXT)) == []
    [finding] = model.scan(take_apart(SPAM), CONTEXT)
    assert finding.category is Category.SPAM
    assert finding.weight == score(SPAM)


def test_nothing_at_all_is_no_spam() -> None:
    assert SpamModel(WEIGHTS).score([]) == 0


@pytest.mark.parametrize("octets", [b"", b"pickle", MAGIC + b"1.0 0.0\n" + bytes(10), MAGIC + b"x y\n" + bytes(PLACES)])
def test_other_files_are_refused(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        SpamModel(octets)


def test_signed_weights_count_up_and_down() -> None:
    weights = bytearray(PLACES)
    weights[1], weights[2] = 127, 0x81
    model = SpamModel(MAGIC + b"0.1 0.0\n" + bytes(weights))
    assert model.score([1]) > 990
    assert model.score([2]) < 10
    assert model.score([1, 2]) == 500


def test_features_are_bounded() -> None:
    words = " ".join(f"word{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676 % 26)}" for n in range(20_000))
    assert len(features(take_apart(mail("s", words)))) <= FEATURES_ENOUGH


@given(st.binary(max_size=300))
def test_any_octets_have_features(octets: bytes) -> None:
    assert all(0 <= place < PLACES for place in features(take_apart(octets)))
