"""Settings of engines: what is wrong with them is said with its key."""

import tomllib

import pytest
from msgspec import structs

from outgate.app.configuration import ConfigurationError, parse
from outgate.app.engine_settings import ENGINES_MAX, KINDS, Engine, make_client, problems

GOOD = Engine("clamd", "clamd", "unix:/run/clamav/clamd.ctl")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_has_a_client(kind: str) -> None:
    engine = structs.replace(GOOD, kind=kind, category="spam" if kind == "milter" else "")
    assert not list(problems([engine]))
    make_client(engine).close()


@pytest.mark.parametrize(
    ("engines", "key", "words"),
    [
        ([GOOD, GOOD], "engines[1].name", "taken"),
        ([structs.replace(GOOD, name="built-in")], "engines[0].name", "taken"),
        ([structs.replace(GOOD, kind="clam")], "engines[0].kind", "write one of"),
        ([structs.replace(GOOD, address="clamd")], "engines[0].address", "127.0.0.1:3310"),
        ([structs.replace(GOOD, kind="milter")], "engines[0].category", "malware, phishing, spam"),
        ([structs.replace(GOOD, category="spam")], "engines[0].category", "leave this away"),
    ],
    ids=["twice", "ours", "kind", "address", "no-category", "category"],
)
def test_what_is_wrong_is_named(engines: list[Engine], key: str, words: str) -> None:
    [(place, problem)] = list(problems(engines))
    assert place == key
    assert words in problem


def test_there_are_not_too_many() -> None:
    engines = [structs.replace(GOOD, name=f"e{number}") for number in range(ENGINES_MAX + 1)]
    assert [key for key, _ in problems(engines)] == ["engines"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[[scanning.engines]]\nname = 'a'\nkind = 'x'\naddress = 'h:1'",
            "scanning.engines[0].kind: 'x' is not spoken",
        ),
        ("[[scanning.engines]]\nname = 'A'\nkind = 'clamd'\naddress = 'h:1'", "scanning.engines[0].name"),
        ("[[scanning.engines]]\nadress = 'h:1'", "did you mean `scanning.engines[0].address`"),
        (
            "[[scanning.engines]]\nname = 'a'\nkind = 'clamd'\naddress = 'h:1'\ntimeout_seconds = 60",
            "scanning.engines[0].timeout_seconds: expected `float` <= 50",
        ),
    ],
    ids=["kind", "name", "key", "timeout"],
)
def test_configuration_names_the_key(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(tomllib.loads(text), "outgate.toml")
    assert message in str(caught.value)
