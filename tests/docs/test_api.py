"""The guide to the API: its commands do what it says, its figures are those of the code."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from tests.portal.api.conftest import api_of
from tests.portal.web.conftest import People, people, site
from tests.support.portal import customer

from outgate.portal.accounts.keys import Scope
from outgate.portal.api import body, idempotency, models, pages, rate
from outgate.portal.web import settings as web_settings

__all__ = ["people", "site"]
ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "api.md").read_text()
pytestmark = pytest.mark.django_db(databases="__all__")


def commands() -> list[list[str]]:
    """The words of every curl, in order."""
    blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL))
    return [shlex.split(line) for line in blocks.replace("\\\n", " ").splitlines() if line]


def run(words: list[str], secret: str, files: dict[str, bytes]) -> Any:
    """What curl would do, with the test's own client."""
    program, *rest = words
    assert program == "curl"
    method, address, headers, data, output = "GET", "", {}, b"", ""
    while rest:
        word = rest.pop(0)
        if word == "-X":
            method = rest.pop(0)
        elif word == "-I":
            method = "HEAD"
        elif word == "-H":
            name, _, value = rest.pop(0).partition(": ")
            headers[name.lower()] = value.replace("$KEY", secret)
        elif word in ("-d", "--data-binary"):
            given = rest.pop(0)
            data = files[given[1:]] if given.startswith("@") else given.encode()
        elif word == "-o":
            output = rest.pop(0)
        else:
            assert not address, f"curl would not understand {word}"
            address = word
    assert address.startswith("$OUTGATE/")
    content_type = headers.pop("content-type", "")
    answer = Client().generic(
        method, address.removeprefix("$OUTGATE"), data, content_type=content_type, headers=headers
    )
    if output:
        files[output] = answer.content
    return answer


def test_commands_do_what_they_say(people: People) -> None:
    customer("Example Ltd")
    secret = api_of(people.staff).headers["authorization"].removeprefix("Bearer ")
    files: dict[str, bytes] = {}
    asked = commands()
    assert len(asked) >= 12
    for words in asked:
        answer = run(words, secret, files)
        assert answer.status_code in (200, 201, 204), (words, answer.content)


def test_every_scope_is_in_the_table() -> None:
    assert [scope.value for scope in Scope if f"`{scope.value}`" not in TEXT] == []


@pytest.mark.parametrize(
    ("told", "value"),
    [
        ("at most {} rows", pages.LIMIT_MAX),
        ("1 to {} visible", models.NAME_MAX),
        ("within {} hours", idempotency.KEPT_HOURS),
        ("the last {} answers", idempotency.ANSWERS_MAX),
        ("up to {} KiB", idempotency.ANSWER_OCTETS_MAX // 1024),
        ("JSON {} KiB", body.JSON_OCTETS_MAX // 1024),
        ("too large ({} MiB", web_settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 1024**2),
        ("may make {} requests", rate.REQUESTS_PER_MINUTE),
        ("{} at once", rate.BURST),
    ],
)
def test_figure_is_the_codes(told: str, value: int) -> None:
    assert told.format(f"{value:,}") in " ".join(TEXT.split())
