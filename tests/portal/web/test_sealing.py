"""Second factors are sealed in the database, and what was there before is read."""

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import generate_totp_secret
from django.test import Client
from tests.portal.web.conftest import PASSWORD, People, give_factor
from tests.support.browser import code_of

from outgate.portal.web.sealing import Unreadable, is_sealed, seal, unseal

CODE = "/account/security/authenticate/"


def test_what_is_sealed_is_read_with_the_same_key_alone() -> None:
    first, second = seal("SECRET", "key"), seal("SECRET", "key")

    assert first != second
    assert "SECRET" not in first
    assert unseal(first, ["key"]) == unseal(first, ["new", "key"]) == "SECRET"
    with pytest.raises(Unreadable):
        unseal(first, ["another"])
    with pytest.raises(Unreadable):
        unseal(first[:-8] + ("AAAAAAAA" if first[-8:] != "AAAAAAAA" else "BBBBBBBB"), ["key"])


def test_what_was_never_sealed_is_read_as_it_stands() -> None:
    assert unseal("JBSWY3DPEHPK3PXP", ["key"]) == "JBSWY3DPEHPK3PXP"
    assert not is_sealed(generate_totp_secret())


def stored(people: People, kind: str, name: str) -> str:
    return str(Authenticator.objects.get(user=people.operator, type=kind).data[name])


def step_in(people: People, secret: str) -> Any:
    client = Client()
    client.post("/account/login/", {"login": people.operator.email, "password": PASSWORD})
    return client.post(CODE, {"code": code_of(secret)})


@pytest.mark.django_db(databases="__all__")
def test_secrets_stand_in_no_row(people: People) -> None:
    Authenticator.objects.filter(user=people.operator).delete()
    secret = give_factor(people.operator)

    assert is_sealed(stored(people, "totp", "secret"))
    assert is_sealed(stored(people, "recovery_codes", "seed"))
    assert secret not in str(list(Authenticator.objects.values()))
    assert step_in(people, secret).status_code == 302


@pytest.mark.django_db(databases="__all__")
def test_row_from_before_still_works_and_is_sealed_by_its_use(people: People) -> None:
    secret = generate_totp_secret()
    Authenticator.objects.filter(user=people.operator, type="totp").update(data={"secret": secret})

    assert step_in(people, secret).status_code == 302
    assert is_sealed(stored(people, "totp", "secret"))
    assert unseal(stored(people, "totp", "secret"), [_secret_key()]) == secret


@pytest.mark.django_db(databases="__all__")
def test_row_of_a_former_key_is_sealed_anew_by_its_use(people: People, settings: Any) -> None:
    Authenticator.objects.filter(user=people.operator).delete()
    secret = give_factor(people.operator)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 40, [_secret_key()]

    assert step_in(people, secret).status_code == 302
    assert unseal(stored(people, "totp", "secret"), ["n" * 40]) == secret


@pytest.mark.django_db(databases="__all__")
def test_another_key_is_said_plainly_and_nobody_gets_in(people: People, settings: Any) -> None:
    Authenticator.objects.filter(user=people.operator).delete()
    secret = give_factor(people.operator)
    settings.SECRET_KEY = "n" * 40

    answer = step_in(people, secret)
    assert answer.status_code == 503
    assert "outgate user reset-factors" in answer.content.decode()


def _secret_key() -> str:
    from django.conf import settings

    return str(settings.SECRET_KEY)
