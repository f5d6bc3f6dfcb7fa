"""The page of one message, for the customer and for staff with its reference."""

import time
from typing import Any

import pytest
from tests.portal.web.conftest import People, SignedIn, without_right
from tests.support.tracked import accept, attempt, refuse

from outgate.mail.evidence import DkimVerdict, Evidence, SignatureResult
from outgate.mail.findings import Category, Finding, ScanReport
from outgate.portal.accounts.models import AuditEntry, CustomerAccess, Right
from outgate.portal.tracker.models import TrackedMessage, TrackedRecipient

pytestmark = pytest.mark.django_db(databases="__all__")
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202e\x1b[2J"


def path_of(name: str, customer: str = "alpha") -> str:
    return f"/customers/{customer}/mail/{name}/"


def test_page_tells_the_whole_story(people: People, signed_in: SignedIn) -> None:
    evidence = Evidence(
        source_class="microsoft",
        host_name="mail-x.outbound.protection.outlook.com",
        pool="high-risk",
        tenant_ids=("11111111-2222-4333-8444-555555555555",),
        auth_as=("internal",),
        signatures=(SignatureResult("alpha.example", "s1", DkimVerdict.FAIL, "the body was changed"),),
        dkim="fail",
    )
    name = accept(1, evidence=evidence, lane="slow", lane_reason="over-limit")
    again = time.time() + 900
    attempt(
        name, ("b@b.example", "deferred", "451 4.7.1 come later"), reason="next-hop-deferred", next_attempt_at=again
    )

    text = signed_in(people.viewer).get(path_of(name)).content.decode()
    for shown in (
        "Accepted as mail of your own domain",
        "The sender has sent more than its limit",
        "The next hop asked to come again",
        "451 4.7.1 come later",
        "mx.b.example",
        ">Microsoft 365</bdi>, ",
        "the pool for mail of high risk",
        "11111111-2222-4333-8444-555555555555",
        "the body was changed",
        "the next attempt is at",
        "mail.example.com",
        "Slow lane",
    ):
        assert shown in text, shown


def test_refused_message_says_what_to_do(people: People, signed_in: SignedIn) -> None:
    name = refuse(1)

    text = signed_in(people.admin).get(path_of(name)).content.decode()
    assert "What to do:" in text
    assert "550 5.7.1 sender-not-registered: no" in text
    assert "its content was not sent" in text
    assert 'href="/r/sender-not-registered/"' in text


def test_page_asks_again_until_the_message_is_at_its_end(people: People, signed_in: SignedIn) -> None:
    name = accept(1)
    client = signed_in(people.admin)
    answer = client.get(path_of(name))
    version = answer.context["story"].version
    assert f'hx-get="{path_of(name)}?version={version}" hx-trigger="every 3s"' in answer.content.decode()
    asked: dict[str, Any] = {"data": {"version": version}, "headers": {"HX-Request": "true"}}
    assert client.get(path_of(name), **asked).status_code == 204

    attempt(name, ("b@b.example", "relayed", "250 2.0.0 taken"))
    part = client.get(path_of(name), **asked).content.decode()
    assert "250 2.0.0 taken" in part
    assert "<html" not in part
    assert "hx-trigger" not in part


def test_foreign_and_unknown_references_are_absent(people: People, signed_in: SignedIn) -> None:
    foreign = accept(1, customer="beta")
    client = signed_in(people.admin)

    for name in (foreign, "T000000000000", "x", "newest"):
        assert client.get(path_of(name)).status_code == 404
    assert client.get(path_of(foreign, "beta")).status_code == 404
    assert client.get(f"/mail/{foreign}/").status_code == 404
    assert client.get("/mail/").status_code == 404


def test_what_strangers_wrote_is_text(people: People, signed_in: SignedIn) -> None:
    signature = SignatureResult(HOSTILE, HOSTILE, DkimVerdict.PERMERROR, HOSTILE)
    evidence = Evidence(
        "microsoft", HOSTILE, HOSTILE, (HOSTILE,), (HOSTILE,), (HOSTILE,), HOSTILE, (signature,), "fail"
    )
    facts: dict[str, Any] = dict.fromkeys(
        ("subject", "source", "hello_name", "tls", "reverse_path", "header_from"), HOSTILE
    )
    name = accept(1, paths=(HOSTILE,), message_id_field=HOSTILE, evidence=evidence, reason="domain-own", **facts)
    attempt(name, (HOSTILE, "failed", HOSTILE), next_hop=HOSTILE, tls=HOSTILE, reason=HOSTILE)
    refuse(1, at=time.time(), ordinal=3, forward_paths=(HOSTILE,), reply=HOSTILE, reason=HOSTILE)

    text = signed_in(people.admin).get(path_of(name)).content.decode()
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "U+001B" in text


def test_very_long_texts_are_shown_whole(people: People, signed_in: SignedIn) -> None:
    name = accept(1)
    TrackedMessage.objects.filter(pk=name).update(subject="s" * 10_000)
    TrackedRecipient.objects.filter(queue_id=name).update(reply="r" * 10_000)

    text = signed_in(people.admin).get(path_of(name)).content.decode()
    assert "s" * 10_000 in text
    assert "r" * 10_000 in text


def test_look_of_staff_is_recorded_and_that_of_the_customers_own_people_not(
    people: People, signed_in: SignedIn
) -> None:
    name = accept(1)
    own = signed_in(people.admin)
    before = AuditEntry.objects.count()
    own.get(path_of(name))
    assert AuditEntry.objects.count() == before

    client = signed_in(people.staff)
    client.post("/customers/alpha/login-as/")
    before = AuditEntry.objects.count()
    for _ in range(2):
        assert client.get(path_of(name)).status_code == 200
    client.get(path_of(name), headers={"HX-Request": "true"})
    lines = list(AuditEntry.objects.order_by("number").values_list("action", "acting_as", "object")[before:])
    assert lines == [("message.viewed", "alpha", f"alpha/{name}")]


@pytest.mark.parametrize("typed", ["{}", " {}\n", "550 5.7.1 no (ref {})", "Diagnostic-Code: smtp; 550 no (ref: {})"])
def test_staff_finds_a_message_by_what_it_was_sent(typed: str, people: People, signed_in: SignedIn) -> None:
    name = accept(1, subject="Hello there")
    client = signed_in(people.staff)

    answer = client.get("/mail/", {"ref": typed.format(name.lower())})
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/mail/{name}/")
    text = client.get(f"/mail/{name}/").content.decode()
    assert "Hello there" in text
    assert "Your look at it is recorded" in text
    assert AuditEntry.objects.order_by("-number")[0].action == "message.viewed"


def test_staff_is_told_when_there_is_none(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.staff)
    foreign = accept(1, customer="beta")

    for typed, said in ((foreign, "No message with this reference"), ("hello", "This has no reference in it")):
        answer = client.get("/mail/", {"ref": typed})
        assert answer.status_code == 422
        assert said in answer.content.decode()
    assert client.get("/mail/").status_code == 200
    assert client.get(f"/mail/{foreign}/").status_code == 404
    assert "Find a message by its reference" in client.get("/customers/").content.decode()


def test_refusal_of_a_stranger_is_the_operators_alone(people: People, signed_in: SignedIn) -> None:
    name = refuse(1, customer="")

    text = signed_in(people.operator).get(f"/mail/{name}/").content.decode()
    assert "belongs to no customer" in text
    assert signed_in(people.staff).get(f"/mail/{name}/").status_code == 404


def test_staff_without_the_right_or_behind_a_closed_door_finds_nothing(people: People, signed_in: SignedIn) -> None:
    name = accept(1)
    client = signed_in(people.staff)
    CustomerAccess.objects.create(customer=people.alpha, partner_management=False)
    assert client.get(f"/mail/{name}/").status_code == 404
    CustomerAccess.objects.all().delete()
    assert client.get(f"/mail/{name}/").status_code == 200

    without_right(people.staff, Right.TRACKER)
    assert client.get(f"/mail/{name}/").status_code == 404
    assert client.get("/mail/").status_code == 404
    assert "Find a message" not in client.get("/customers/").content.decode()


def test_what_scanning_found_is_told(people: People, signed_in: SignedIn) -> None:
    finding = Finding(Category.PHISHING, "attachments", "double-extension", 90, HOSTILE, "2/invoice.pdf.exe")
    report = ScanReport((finding,), action="reject", reason="content-phishing", hosts=("x.example",))
    name = accept(1, report=report, reason="domain-own")

    text = signed_in(people.admin).get(path_of(name)).content.decode()
    assert "What scanning found" in text
    assert "double-extension" in text
    assert "2/invoice.pdf.exe" in text
    assert "/r/content-phishing/" in text
    assert "<script>alert" not in text


def test_deleted_message_says_so_by_whom_and_when(people: People, signed_in: SignedIn) -> None:
    whole, rest = accept(1), accept(2, paths=("a@b.example", "b@b.example"))
    attempt(rest, ("a@b.example", "relayed", "250 ok"), is_final=False)
    for name in (whole, rest):
        said = ("b@b.example", "failed", "deleted by ada@alpha.example")
        attempt(name, said, reason="deleted", next_hop="", number=2, is_final=True)
    browser = signed_in(people.admin)

    page = browser.get(path_of(whole)).content.decode()
    assert '<span class="state state-off">Deleted</span>' in page
    assert 'Deleted by <bdi class="foreign">ada@alpha.example</bdi> at 2026-11-18 ' in page
    assert ">Failed<" not in page
    page = browser.get(path_of(rest)).content.decode()
    assert ">Partly relayed<" in page
    assert "the rest was deleted by" in page

    listed = browser.get("/customers/alpha/mail/?since=2026-01-01T00:00&status=deleted").content.decode()
    assert whole in listed
    assert rest not in listed
    assert 'by <bdi class="foreign">ada@alpha.example</bdi>' in listed


def test_message_for_other_recipients_is_linked(people: People, signed_in: SignedIn) -> None:
    held = accept(
        1,
        lane="held",
        lane_reason="content-spam",
        report=ScanReport(action="reject", reason="content-spam"),
        copies=("T4226ZR000G02",),
    )
    text = signed_in(people.admin).get(path_of(held)).content.decode()
    assert f'href="{path_of("T4226ZR000G02")}"' in text
    assert "held instead of rejected, since that was decided for some of the recipients only" in text
    assert "For other recipients" not in signed_in(people.admin).get(path_of(accept(2))).content.decode()
