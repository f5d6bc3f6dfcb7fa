"""The data of the public page of each reason code. That it is not stale is held in tests/docs."""

import pytest

from outgate.policy.reasons import CATALOGUE, Reason
from outgate.portal.reason_pages import Kind, ReasonActor, reason_page, reason_pages


def test_every_code_of_the_catalogue_has_a_page_and_nothing_else_has() -> None:
    assert list(reason_pages()) == [reason.value for reason in CATALOGUE]
    assert reason_page("no-such-code") is None


@pytest.mark.parametrize("reason", CATALOGUE)
def test_page_says_what_it_means_and_what_to_do_and_who_does_it(reason: Reason) -> None:
    page, entry = reason_page(reason.value.upper()), CATALOGUE[reason]

    assert page is not None
    assert (page.meaning, page.remedy) == (entry.meaning, entry.remedy)
    assert page.title[0].isupper()
    assert not {"{", ";", "[", "("} & set(page.title)
    assert bool(page.example_reply) == (entry.code >= 400)
    if page.example_reply:
        assert page.example_reply.startswith(f"{entry.code} {entry.status} {reason}: ")
        assert page.example_reply.endswith("(ref T4226ZR000G00)")
    assert (page.kind is Kind.REFUSED) == (entry.code >= 500)
    if page.kind is Kind.ACCEPTED:
        assert page.actor is ReasonActor.NOBODY


def test_titles_name_nobody_and_tell_the_codes_apart() -> None:
    titles = [page.title for page in reason_pages().values()]

    assert len(set(titles)) == len(titles)
    assert reason_pages()["source-unknown"].title == "This address may not send through this server"
    assert reason_pages()["tenant-unconfirmed"].title == "Confirm the Microsoft 365 tenant id of this customer first"
    assert reason_pages()["tenant-unconfirmed"].actor is ReasonActor.ADMINISTRATOR
    assert reason_pages()["spool-full"].actor is ReasonActor.OPERATOR
    assert reason_pages()["source-unknown"].actor is ReasonActor.ADMINISTRATOR
