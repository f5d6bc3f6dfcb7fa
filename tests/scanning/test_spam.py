"""The spam model: its features, its file, and that the package's weights are worth something."""

import email.policy
from email.message import EmailMessage
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgate.mail.findings import Category
from outgate.scanning import spam
from outgate.scanning.interface import Context
from outgate.scanning.mime import take_apart
from outgate.scanning.spam import (
    FEATURES_ENOUGH,
    MAGIC,
    PLACES,
    SHOUTS_LOOKED_AT,
    TEXT_MAX,
    WORDS_LOOKED_AT,
    Spam,
    SpamModel,
    Texts,
    features,
    tally,
)

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


@pytest.fixture(params=["python", "compiled"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both forms of what counts features."""
    if request.param == "compiled" and spam.compiled_tally is None:
        pytest.skip("what counts features is not compiled here")
    if request.param == "python":
        monkeypatch.setattr(spam, "compiled_tally", None)


def score(octets: bytes) -> int:
    return SpamModel(WEIGHTS).score(features(take_apart(octets)))


def test_spam_and_a_letter() -> None:
    assert score(SPAM) > 900
    assert score(LETTER) < 300


@pytest.mark.usefixtures("form")
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


@pytest.mark.usefixtures("form")
def test_features_are_counted_as_they_are_listed() -> None:
    model = SpamModel(WEIGHTS)
    for octets in (SPAM, LETTER, mail("s", "word " * 10_000)):
        assert model.judge(take_apart(octets)) == score(octets)


# What a word may be made of, and what may stand beside one.
_octets = st.lists(
    st.sampled_from([b"a", b"Z", b"word", b"LOUD", b"_", b"'", b"-", b"0", b"9", b".", b",", b"$", b"!", b"%", b" "])
    | st.integers(0, 255).map(lambda octet: bytes((octet,)))
    | st.sampled_from([b"A" * 30, b"x" * 31, b"SHOUT " * SHOUTS_LOOKED_AT, b"\xc3\xa4" * 20]),
    max_size=60,
).map(b"".join)
_texts = st.lists(st.tuples(_octets, st.sampled_from([0, 1, 0x9E3779B1, 0xFFFFFFFF])), max_size=4).map(tuple)


@pytest.mark.skipif(spam.compiled_tally is None, reason="what counts features is not compiled here")
@given(st.lists(st.binary(max_size=40), max_size=5).map(tuple), _texts, st.integers(0, 200))
def test_both_forms_count_alike(wholes: tuple[bytes, ...], texts: Texts, enough: int) -> None:
    weights = WEIGHTS[-PLACES:]
    assert spam.compiled_tally is not None
    assert spam.compiled_tally(weights, wholes, texts, enough) == tally(weights, wholes, texts, enough)


@pytest.mark.skipif(spam.compiled_tally is None, reason="what counts features is not compiled here")
@pytest.mark.parametrize(
    "octets",
    [
        b" ".join(b"w%c%c" % (97 + n % 26, 97 + n // 26 % 26) for n in range(WORDS_LOOKED_AT + 10)),
        b" ".join(b"LOUD%c%c" % (65 + n % 26, 65 + n // 26 % 26) for n in range(SHOUTS_LOOKED_AT + 10)),
        b"a" * TEXT_MAX,
        b"A" * TEXT_MAX,
        b"!" * TEXT_MAX,
        b"0" * TEXT_MAX,
        b"a ",
        b"_LOUD LOUD\xff LOUD9 9LOUD 'LOUD'",
    ],
)
def test_both_forms_stop_alike(octets: bytes) -> None:
    weights = WEIGHTS[-PLACES:]
    assert spam.compiled_tally is not None
    assert spam.compiled_tally(weights, (), ((octets, 0),), 1) == tally(weights, (), ((octets, 0),), 1)


@pytest.mark.usefixtures("form")
def test_only_the_weights_of_all_places_will_do() -> None:
    form = spam.compiled_tally or tally
    with pytest.raises(ValueError, match="weights"):
        form(b"few", (), (), 1)


@pytest.mark.skipif(spam.compiled_tally is None, reason="what counts features is not compiled here")
@pytest.mark.parametrize("arguments", [(("x",), ()), ((), (b"x",)), ((), ((b"x", "y"),)), ((), (("x" * 3,),))])
def test_what_is_compiled_takes_nothing_else(arguments: tuple[tuple[object, ...], tuple[object, ...]]) -> None:
    assert spam.compiled_tally is not None
    with pytest.raises(TypeError):
        spam.compiled_tally(WEIGHTS[-PLACES:], *arguments, 1)  # type: ignore[arg-type]


@given(st.binary(max_size=300))
def test_any_octets_have_features(octets: bytes) -> None:
    assert all(0 <= place < PLACES for place in features(take_apart(octets)))
