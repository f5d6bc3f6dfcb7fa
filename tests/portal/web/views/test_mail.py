"""The list of mail: filters, pages, what is newer, and the file."""

import csv
import io
import re
import time
from typing import Any

import pytest
from django.test import Client
from tests.portal.web.conftest import People, SignedIn, without_right
from tests.support.tracked import accept, attempt, refuse

from outgate.portal.accounts.models import AuditEntry, Right

pytestmark = pytest.mark.django_db(databases="__all__")
LIST = "/customers/alpha/mail/"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def now_accept(number: int = 0, **more: Any) -> str:
    return accept(number, at=time.time() - 30, **more)


def page(client: Client, path: str = LIST, **query: Any) -> str:
    answer = client.get(path, query)
    assert answer.status_code == 200, answer.status_code
    text: str = answer.content.decode()
    return text


def poll_of(text: str) -> str:
    """The address that an open list asks."""
    found = re.search(r'id="mail-poll" hidden hx-get="([^"]+)"', text)
    assert found
    return found[1].replace("&amp;", "&")


@pytest.mark.parametrize("who", ["admin", "viewer"])
def test_customers_people_see_accepted_and_refused_mail(who: str, people: People, signed_in: SignedIn) -> None:
    name = now_accept(1, subject="Hello there", paths=("b@b.example", "c@b.example"))
    attempt(name, ("b@b.example", "relayed", "250 ok"), ("c@b.example", "relayed", "250 ok"))
    refuse(2, at=time.time() - 20)
    now_accept(3, customer="beta", subject="Beta's secret")

    text = page(signed_in(getattr(people, who)))
    assert "Hello there" in text
    assert "and 1 more" in text
    assert f'href="/customers/alpha/mail/{name}/"' in text
    assert text.index("x@stranger.example") < text.index("Hello there")  # the newer one first
    assert "/r/sender-not-registered/" in text
    assert "secret" not in text


def test_filters_stand_in_the_address_and_in_the_fields(people: People, signed_in: SignedIn) -> None:
    now_accept(1, subject="Needle")
    now_accept(2, subject="Hay")

    text = page(signed_in(people.admin), subject="needle", status="queued")
    assert "Needle" in text
    assert "Hay" not in text
    assert 'name="subject" id="filter-subject" value="needle"' in text
    assert '<option value="queued" selected>' in text


def test_what_nobody_filled_in_leaves_the_address(people: People, signed_in: SignedIn) -> None:
    answer = signed_in(people.admin).get(LIST, {"subject": "a b", "sender": "", "since": ""})

    assert (answer.status_code, answer.headers["Location"]) == (302, f"{LIST}?subject=a+b")


def test_wrong_values_stand_beside_their_fields(people: People, signed_in: SignedIn) -> None:
    answer = signed_in(people.admin).get(LIST, {"reason": "never-was", "since": "soon", "sender": "a"})

    assert answer.status_code == 422
    text = answer.content.decode()
    assert "There is no reason code" in text
    assert 'id="filter-since-error"' in text
    assert 'value="never-was"' in text


def test_empty_lists_say_what_to_do(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.admin)
    assert "No mail came yet" in page(client)

    accept(1, at=time.time() - 8 * 86_400)
    assert "No mail came in the last 7 days" in page(client)
    text = page(client, subject="x<y>")
    assert "Nothing matches" in text
    assert "x&lt;y&gt;" in text


def test_pages_follow_each_other_and_keep_the_filter(people: People, signed_in: SignedIn) -> None:
    names = [now_accept(number, subject="same") for number in range(53)]
    client = signed_in(people.admin)

    first = page(client, subject="same")
    following = re.search(r'rel="next" href="\?([^"]+)"', first)
    assert following
    assert "subject=same" in following[1]
    second = page(client, f"{LIST}?{following[1].replace('&amp;', '&')}")
    shown = [re.findall(r'id="m-(\w+)"', text) for text in (first, second)]
    assert shown[0] + shown[1] == names[::-1]
    assert "Newest" in second
    assert "mail-poll" not in second  # nothing newer belongs there


def test_search_that_ran_out_of_time_says_how_far_it_came(
    people: People, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    from outgate.portal.tracker import search

    monkeypatch.setattr(search, "STRETCH", 2)
    monkeypatch.setattr(search.search, "__kwdefaults__", {**(search.search.__kwdefaults__ or {}), "seconds": -1.0})
    names = [now_accept(number, subject="hay") for number in range(5)]

    text = page(signed_in(people.admin), subject="needle")
    assert "Searched back to" in text
    assert f'href="?subject=needle&amp;before={names[3]}"' in text


def test_open_list_learns_what_is_newer_and_how_the_shown_ones_stand(people: People, signed_in: SignedIn) -> None:
    first = now_accept(1)
    client = signed_in(people.admin)
    poll = poll_of(page(client))
    quiet = page(client, poll)
    assert "mail-news" not in quiet
    assert 'hx-swap-oob="true"' not in quiet

    attempt(first, ("b@b.example", "relayed", "250 ok"))
    now_accept(0, subject="recorded late")  # below the newest one: it came before, and is new to the list all the same
    now_accept(2)
    told = page(client, poll)
    assert "Show 2 new messages" in told
    assert f'<span id="status-{first}" hx-swap-oob="true"><span class="state state-on">Relayed' in told
    again = page(client, poll_of(told))
    assert "mail-news" not in again  # said once
    assert first not in again

    part = client.get(LIST, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "recorded late" in part


def test_full_page_counts_only_what_is_newer(people: People, signed_in: SignedIn) -> None:
    for number in range(60):
        now_accept(number)
    client = signed_in(people.admin)

    assert "mail-news" not in page(client, poll_of(page(client)))


def test_first_message_of_all_shows_itself(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.admin)
    poll = poll_of(page(client))
    now_accept(1)

    assert 'hx-trigger="load"' in page(client, poll)


def test_newer_messages_are_those_that_match(people: People, signed_in: SignedIn) -> None:
    now_accept(1, subject="needle")
    client = signed_in(people.admin)
    poll = poll_of(page(client, subject="needle"))
    now_accept(2, subject="hay")
    assert "mail-news" not in page(client, poll)
    now_accept(3, subject="needle")
    assert "Show 1 new message<" in page(client, poll)


@pytest.mark.parametrize("watch", ["x", "T4226ZR000G00." * 400, "..", "'"])
def test_strange_questions_for_newer_mail_do_no_harm(watch: str, people: People, signed_in: SignedIn) -> None:
    now_accept(1)
    query = {"after": "nonsense", "known": "-5", "told": "9" * 40, "watch": watch}

    assert "mail-poll" in page(signed_in(people.admin), f"{LIST}newer/", **query)


def test_watched_messages_of_others_tell_nothing(people: People, signed_in: SignedIn) -> None:
    foreign = now_accept(1, customer="beta")
    attempt(foreign, ("b@b.example", "relayed", "250 ok"))

    assert foreign not in page(signed_in(people.admin), f"{LIST}newer/", after="", known="0", watch=foreign)


def test_export_is_what_is_filtered(people: People, signed_in: SignedIn) -> None:
    name = now_accept(1, subject="=cmd|'/c calc'!A1")
    now_accept(2, subject="other")
    now_accept(3, customer="beta", subject="=cmd")
    client = signed_in(people.viewer)
    before = AuditEntry.objects.count()

    answer = client.get(f"{LIST}export/", {"subject": "cmd"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="mail-alpha-')
    header, row = csv.reader(io.StringIO(b"".join(answer.streaming_content).decode(), newline=""))  # type: ignore[attr-defined]
    assert (row[1], dict(zip(header, row, strict=True))["subject"]) == (name, "'=cmd|'/c calc'!A1")
    line = AuditEntry.objects.order_by("-number")[0]
    assert (line.action, line.object, AuditEntry.objects.count()) == ("message.exported", "alpha", before + 1)


def test_export_with_a_wrong_filter_goes_back_to_the_list(people: People, signed_in: SignedIn) -> None:
    answer = signed_in(people.viewer).get(f"{LIST}export/", {"since": "soon"})

    assert (answer.status_code, answer.headers["Location"]) == (302, f"{LIST}?since=soon")


def test_what_strangers_wrote_is_text(people: People, signed_in: SignedIn) -> None:
    now_accept(1, subject=HOSTILE, reverse_path=HOSTILE, header_from=f"x{HOSTILE}", source=HOSTILE, paths=(HOSTILE,))
    now_accept(2, subject="invoice\u202efdp.exe\r\nline" + "x" * 10_000, reason="no-such reason")

    text = page(signed_in(people.admin))
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert '<span class="unseen">U+202E</span>' in text
    assert "\u202e" not in text
    assert "x" * 200 not in text
    assert "<script>alert" not in page(signed_in(people.admin), subject=HOSTILE, recipient=HOSTILE)


def test_partner_without_the_right_sees_no_mail_as_the_customer(people: People, signed_in: SignedIn) -> None:
    now_accept(1, subject="Hello there")
    client = signed_in(people.staff)
    client.post("/customers/alpha/login-as/")
    assert "Hello there" in page(client)
    assert "Hello there" in page(client, "/customers/alpha/")

    without_right(people.staff, Right.TRACKER)
    for path in (LIST, f"{LIST}newer/", f"{LIST}export/"):
        assert client.get(path).status_code == 404
    text = page(client, "/customers/alpha/")
    assert "Hello there" not in text
    assert LIST not in text


def test_staff_logs_in_as_the_customer_first(people: People, signed_in: SignedIn) -> None:
    assert signed_in(people.staff).get(LIST).status_code == 403
