"""Requests that are sent again."""

from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.utils import timezone
from tests.portal.api.conftest import Api, api_of
from tests.portal.web.conftest import People
from tests.support.portal import actions

from outgate.portal.accounts.models import ApiKey, User
from outgate.portal.api import idempotency
from outgate.portal.api.idempotency import ANSWERS_MAX, KEPT_HOURS, LEASE_SECONDS, Claim, claim, forget_old, release
from outgate.portal.api.models import KeptAnswer
from outgate.portal.api.problems import Problem
from outgate.portal.customers.models import Customer
from outgate.portal.outbound import services as outbound

pytestmark = pytest.mark.django_db(databases="__all__")
FORWARDS = "/customers/alpha/outbound/auto-forwards"


def send(api: Api, method: str, path: str, body: Any, name: str = "once-1") -> Any:
    return api.send(method, path, body, headers={"idempotency-key": name})


def test_the_same_request_is_done_once_and_answered_twice(people: People) -> None:
    api = api_of(people.operator)
    first = send(api, "POST", "/customers", {"name": "New", "partner": "other"})
    again = send(api, "POST", "/customers", {"name": "New", "partner": "other"})

    assert (first.status_code, first.content) == (201, again.content)
    assert (again.status_code, again.headers["Content-Type"]) == (201, first.headers["Content-Type"])
    assert (first.headers.get("Idempotent-Replayed"), again.headers["Idempotent-Replayed"]) == (None, "true")
    assert actions().count("customer.created") == 3  # Alpha, Beta and this one


def test_another_request_under_the_same_name_is_refused(alpha: Api) -> None:
    assert send(alpha, "POST", FORWARDS, {"address": "a@x.example"}).status_code == 201

    for method, path, body in (
        ("POST", FORWARDS, {"address": "b@x.example"}),
        ("PUT", "/customers/alpha/outbound/status", {"on": True}),
        ("DELETE", f"{FORWARDS}?address=a@x.example", None),
    ):
        answer = send(alpha, method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")


def test_names_of_two_keys_have_nothing_to_do_with_each_other(people: People) -> None:
    mine, other = api_of(people.admin), api_of(people.admin)

    assert send(mine, "POST", FORWARDS, {"address": "a@x.example"}).status_code == 201
    assert send(other, "POST", FORWARDS, {"address": "b@x.example"}).status_code == 201


def test_what_failed_changed_nothing_and_is_tried_anew(alpha: Api, people: People) -> None:
    path = f"{FORWARDS}?address=a@x.example"
    assert send(alpha, "DELETE", path, None).status_code == 404
    assert not KeptAnswer.objects.exists()

    alpha.send("POST", FORWARDS, {"address": "a@x.example"})
    assert send(alpha, "DELETE", path, None).status_code == 204
    assert send(alpha, "DELETE", path, None).status_code == 204
    assert not people.alpha.auto_forwards.exists()


def test_new_users_password_is_not_kept(alpha: Api) -> None:
    body = {"email": "new@alpha.example", "role": "customer-viewer"}
    first, again = send(alpha, "POST", "/users", body), send(alpha, "POST", "/users", body)

    password = first.json()["password"]
    assert len(password) >= 20
    assert again.json() == {**first.json(), "password": None}
    assert password.encode() not in bytes(KeptAnswer.objects.get().body or b"")
    assert User.objects.get(email="new@alpha.example").check_password(password)


def test_second_of_two_at_once_is_told_to_wait(alpha: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    inner: list[Any] = []
    add = outbound.add_auto_forward

    def adding(**more: Any) -> Any:
        if not inner:
            inner.append(send(alpha, "POST", FORWARDS, {"address": "a@x.example"}))
        return add(**more)

    monkeypatch.setattr(outbound, "add_auto_forward", adding)
    assert send(alpha, "POST", FORWARDS, {"address": "a@x.example"}).status_code == 201
    (second,) = inner
    assert (second.status_code, second.json()["code"]) == (409, "under-way")
    assert second.headers["Retry-After"] == "1"


def test_crash_leaves_neither_the_change_nor_an_answer(
    alpha: Api, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(idempotency, "_settle", fail)
    with pytest.raises(ZeroDivisionError):
        send(alpha, "POST", FORWARDS, {"address": "a@x.example"})
    assert not people.alpha.auto_forwards.exists()
    assert not KeptAnswer.objects.exists()


def test_who_was_overtaken_takes_back_what_it_did(alpha: Api, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    add = outbound.add_auto_forward

    def adding(**more: Any) -> Any:
        KeptAnswer.objects.update(token="another")
        return add(**more)

    monkeypatch.setattr(outbound, "add_auto_forward", adding)
    assert send(alpha, "POST", FORWARDS, {"address": "a@x.example"}).status_code == 409
    assert not people.alpha.auto_forwards.exists()


def test_claim_of_the_dead_passes_to_who_comes_after(people: People) -> None:
    key, now = _key(people), timezone.now()
    first = claim(key=key, name="n", fingerprint="f", now=now)
    assert isinstance(first, Claim)
    with pytest.raises(Problem):
        claim(key=key, name="n", fingerprint="f", now=now + timedelta(seconds=LEASE_SECONDS - 1))

    second = claim(key=key, name="n", fingerprint="f", now=now + timedelta(seconds=LEASE_SECONDS))
    assert isinstance(second, Claim)
    assert second.token != first.token
    release(first)  # it was none of the first one's any more
    assert KeptAnswer.objects.get().token == second.token


def test_answers_are_forgotten_after_a_day(people: People) -> None:
    key, now = _key(people), timezone.now()
    claim(key=key, name="n", fingerprint="f", now=now)
    KeptAnswer.objects.update(status=200, body=b"{}")
    late = now + timedelta(hours=KEPT_HOURS)

    assert isinstance(claim(key=key, name="n", fingerprint="f", now=late - timedelta(seconds=1)), HttpResponse)
    assert isinstance(claim(key=key, name="n", fingerprint="other", now=late), Claim)
    forget_old(now=late)
    assert KeptAnswer.objects.count() == 1
    forget_old(now=late + timedelta(hours=KEPT_HOURS))
    assert not KeptAnswer.objects.exists()


def test_of_too_many_answers_the_oldest_go(people: People) -> None:
    key, now = _key(people), timezone.now()
    KeptAnswer.objects.bulk_create(
        KeptAnswer(key=key, name=f"old-{number}", at=now - timedelta(seconds=ANSWERS_MAX - number), status=200)
        for number in range(ANSWERS_MAX)
    )
    claim(key=key, name="new", fingerprint="f", now=now)

    assert KeptAnswer.objects.count() == ANSWERS_MAX
    assert not KeptAnswer.objects.filter(name="old-0").exists()


def test_answer_that_is_too_large_is_not_kept_but_what_it_was_for_is_not_done_again(
    alpha: Api, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "ANSWER_OCTETS_MAX", 10)
    assert send(alpha, "POST", FORWARDS, {"address": "a@x.example"}).status_code == 201
    people.alpha.auto_forwards.all().delete()

    again = send(alpha, "POST", FORWARDS, {"address": "a@x.example"})
    assert (again.status_code, again.json()["code"]) == (409, "done-already")
    assert not people.alpha.auto_forwards.exists()


@pytest.mark.parametrize("name", ["", " ", "a" * 256, "é", "a\tb", "a b"])
def test_strange_name_is_refused(alpha: Api, name: str) -> None:
    answer = send(alpha, "POST", FORWARDS, {"address": "a@x.example"}, name)

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-malformed")


def test_reading_takes_no_notice(alpha: Api) -> None:
    assert send(alpha, "GET", "/customers/alpha", None).status_code == 200
    assert not KeptAnswer.objects.exists()


def test_deleting_the_customer_with_its_keys_is_answered(people: People) -> None:
    api = api_of(people.operator)
    api_of(people.admin)

    for _ in range(2):
        assert send(api, "DELETE", "/customers/alpha", None).status_code == 204
    assert not Customer.objects.filter(slug="alpha").exists()


def _key(people: People) -> ApiKey:
    api_of(people.admin)
    return ApiKey.objects.get()
