"""Links to set a password: who gets one, how long it works, what it leaves behind."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from tests.support.portal import ACTOR, actions, customer

from outgate.contract.commands import SendNotice
from outgate.portal.accounts import links, services
from outgate.portal.accounts.models import AuditEntry, LinkRequest, PasswordLink, Role, User
from outgate.portal.errors import Invalid
from outgate.portal.feed.codec import decode_command
from outgate.portal.feed.models import OrderedCommand
from outgate.portal.feed.services import record_heartbeat

pytestmark = pytest.mark.django_db(databases="__all__")
SITE = "https://portal.example.com"
PASSWORD = "correct-horse-battery"
EMAIL = "admin@example.com"


@pytest.fixture(autouse=True)
def _quick(settings: object) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]


@pytest.fixture
def worker() -> None:
    record_heartbeat(worker="mx1/1", revision=1, queued=0, now=timezone.now())


def user(*, password: str | None = PASSWORD) -> User:
    return services.add_user(
        actor=ACTOR, email=EMAIL, role=Role.CUSTOMER_ADMIN, password=password, customer=customer("Alpha")
    )


def letters() -> list[SendNotice]:
    found = [decode_command(row.body) for row in OrderedCommand.objects.order_by("pk")]
    return [each for each in found if isinstance(each, SendNotice)]


def secret_in(letter: SendNotice) -> str:
    found = re.search(rf"{re.escape(SITE + links.PATH)}([\w-]+)/\n", letter.text)
    assert found, letter.text
    return found[1]


def ask(email: str = EMAIL, address: str = "203.0.113.9", **more: object) -> bool:
    return links.request_reset(email=email, address=address, site_url=SITE, now=timezone.now())


def use(secret: str, password: str = "another-horse-battery", *, later: timedelta = timedelta()) -> User:
    return links.set_password(secret=secret, password=password, address="203.0.113.9", now=timezone.now() + later)


def test_forgotten_password_is_set_by_the_link_once(worker: None) -> None:
    made = user()

    assert ask(f" {EMAIL.upper()} ")
    (letter,) = letters()
    assert (letter.recipients, letter.is_private) == ((EMAIL,), True)
    secret = secret_in(letter)
    assert links.user_of(secret, timezone.now()) == made
    use(secret)
    made.refresh_from_db()
    assert made.check_password("another-horse-battery")
    with pytest.raises(links.LinkGone):
        use(secret)
    assert actions()[-2:] == ["user.password-link-sent", "user.password-set"]
    assert "A new password was set." in letters()[-1].text


def test_secret_is_neither_in_the_database_nor_in_the_audit_log(worker: None) -> None:
    user()
    ask()
    secret = secret_in(letters()[0])

    assert secret not in str(list(PasswordLink.objects.values()))
    assert secret not in str(list(AuditEntry.objects.values()))


def test_link_lasts_an_hour_and_an_invitation_a_week(worker: None) -> None:
    made = user()
    ask()
    reset = secret_in(letters()[-1])
    assert links.user_of(reset, timezone.now() + timedelta(minutes=59)) == made
    with pytest.raises(links.LinkGone):
        use(reset, later=timedelta(minutes=61))

    made.set_unusable_password()
    made.save()
    links.send_link(actor=ACTOR, user=made, site_url=SITE, now=timezone.now())
    invitation = secret_in(letters()[-1])
    assert "operator@example.com has made an account for you" in letters()[-1].text
    assert links.user_of(invitation, timezone.now() + timedelta(days=6, hours=23)) == made
    assert links.user_of(invitation, timezone.now() + timedelta(days=7, minutes=1)) is None
    assert actions()[-1] == "user.invited"


def test_weak_password_leaves_the_link_good(worker: None) -> None:
    user()
    ask()
    secret = secret_in(letters()[-1])

    with pytest.raises(Invalid) as found:
        use(secret, "short")
    assert found.value.field == "password"
    use(secret)


def test_newer_link_ends_the_one_before(worker: None) -> None:
    user()
    ask()
    ask()
    first, second = (secret_in(letter) for letter in letters())

    assert links.user_of(first, timezone.now()) is None
    assert links.user_of(second, timezone.now()) is not None


@pytest.mark.parametrize("change", ["password", "email", "disabled"])
def test_link_ends_with_what_it_was_sent_for(change: str, worker: None) -> None:
    made = user()
    ask()
    secret = secret_in(letters()[-1])
    match change:
        case "password":
            services.set_password(actor=ACTOR, user=made, password="third-horse-battery")
        case "email":
            services.set_email(actor=ACTOR, user=made, email="other@example.com")
        case "disabled":
            services.set_active(actor=ACTOR, user=made, is_active=False)
            services.set_active(actor=ACTOR, user=made, is_active=True)

    assert links.user_of(secret, timezone.now()) is None


def test_nothing_is_sent_to_strangers_and_the_disabled(worker: None) -> None:
    made = user()
    services.set_active(actor=ACTOR, user=made, is_active=False)

    assert ask()
    assert ask("nobody@example.com")
    assert not letters()
    assert LinkRequest.objects.count() == 2


def test_account_gets_few_links_an_hour_whoever_asks(worker: None) -> None:
    made = user()
    for number in range(links.REQUESTS_PER_ACCOUNT + 2):
        assert ask(address=f"203.0.113.{number}")
    assert len(letters()) == links.REQUESTS_PER_ACCOUNT

    # Who floods an account keeps its administrator from nothing.
    for _ in range(links.REQUESTS_PER_ACCOUNT):
        links.send_link(actor=ACTOR, user=made, site_url=SITE, now=timezone.now())
    with pytest.raises(Invalid, match="within the hour"):
        links.send_link(actor=ACTOR, user=made, site_url=SITE, now=timezone.now())
    links.send_link(actor=ACTOR, user=made, site_url=SITE, now=timezone.now() + timedelta(minutes=61))


def test_address_asks_only_so_often(worker: None) -> None:
    for number in range(links.REQUESTS_PER_ADDRESS):
        assert ask(f"user{number}@example.com")

    assert not ask("one-more@example.com")
    assert ask("one-more@example.com", address="198.51.100.7")
    LinkRequest.objects.update(at=timezone.now() - timedelta(minutes=61))
    assert ask("one-more@example.com")
    assert LinkRequest.objects.count() == 1  # the old ones are gone


def test_without_a_worker_an_administrator_is_told_and_a_stranger_is_not() -> None:
    made = user()

    assert ask()
    with pytest.raises(Invalid, match="no worker"):
        links.send_link(actor=ACTOR, user=made, site_url=SITE, now=timezone.now())
    assert not PasswordLink.objects.exists()
    assert not OrderedCommand.objects.exists()
