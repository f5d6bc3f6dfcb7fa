"""The guide to the API: its commands do what it says, its figures are those of the code."""

import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver
from tests.portal.api.conftest import api_of
from tests.portal.web.conftest import People, people, site
from tests.support.api import routes
from tests.support.portal import customer

from outgate.portal.accounts.keys import Scope
from outgate.portal.api import body, idempotency, models, rate
from outgate.portal.api.pages import LIMIT_MAX
from outgate.portal.web import settings as web_settings

__all__ = ["people", "site"]
ROOT = Path(__file__).parents[2]
USER_PAGE = ROOT / "src" / "outgate" / "portal" / "web" / "templates" / "web" / "user.html"
BUTTON = re.compile('name="do" value="(.+?)"')
PARTS = {"slug": "ID", "pk": "N"}  # of addresses, where the guide has another word
ROUTE = re.compile("`((?:GET|POST|PUT|PATCH|DELETE) .+?)`")
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


def pages(patterns: Iterable[Any], before: str = "") -> Iterator[str]:
    """Every address of the site as the guide writes it, and each button of the page of a user, which is one form."""
    for each in patterns:
        path = before + str(each.pattern)
        if hasattr(each, "url_patterns"):
            yield from pages(each.url_patterns, path)
        elif not path.startswith("api/"):
            named = re.sub(r"<\w+:(\w+)>", lambda match: PARTS.get(match[1], match[1].upper()), path) or "/"
            yield re.sub("^customers/ID/", "…/", named)
            if path == "team/<int:pk>/":
                yield from (f"{named} {button}" for button in BUTTON.findall(USER_PAGE.read_text()))


def tables() -> tuple[dict[str, str], dict[str, str]]:
    """By page: where it is in the API, and why it is not."""
    found: list[dict[str, str]] = []
    for table in TEXT.partition("## Pages and routes")[2].split("The rest is for people alone"):
        rows = re.findall(r"^\| (`.*?) \| (.*) \|$", table, re.MULTILINE)
        named = [(page, told) for pages, told in rows for page in re.findall("`(.+?)`", pages)]
        assert len(named) == len(dict(named)), "a page is there twice"
        found.append(dict(named))
    by_api, alone = found
    assert not by_api.keys() & alone.keys()
    assert [told for told in by_api.values() if not ROUTE.search(told)] == []
    return by_api, alone


def test_every_page_is_a_route_or_is_said_to_be_for_people_alone() -> None:
    """Also the next one: a new address or button of the site needs a row in docs/api.md."""
    by_api, alone = tables()
    listed = set(by_api) | {page for page in alone if not page.endswith("…")}
    whole = tuple(page.removesuffix("…") for page in alone if page.endswith("…"))
    assert all(each.startswith("account/") for each in whole), "name the pages one by one"
    site = set(pages(get_resolver().url_patterns))

    assert {page for page in site - listed if not page.startswith(whole)} == set()
    assert listed - site == set(), "there is no such page any more"
    assert [each for each in whole if not any(page.startswith(each) for page in site)] == []


def test_every_route_of_the_table_is_there() -> None:
    described = {
        f"{route.method} " + re.sub(r"{(\w+?)(_id)?}", _part, route.path.replace("/customers/{customer_id}", "…"))
        for route in routes()
    }
    by_api, alone = tables()
    told = {each for text in (by_api | alone).values() for each in ROUTE.findall(text)}

    assert len(told) > 70
    assert told - described == set()


def _part(match: re.Match[str]) -> str:
    return "ID" if match[1] == "user" else match[1].upper()


def test_every_scope_is_in_the_table() -> None:
    assert [scope.value for scope in Scope if f"`{scope.value}`" not in TEXT] == []


@pytest.mark.parametrize(
    ("told", "value"),
    [
        ("at most {} rows", LIMIT_MAX),
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
