"""What is found out about a message: at once where DNS has answered before, else later, and never without end."""

import asyncio

import pytest
from tests.support.lookups import KEY, FakeLookups, prover, settle
from tests.support.signing import sign_by_hand

from outgate.mail.evidence import DkimVerdict
from outgate.reception import gathering as module
from outgate.reception.interface import Answered, Names
from outgate.reception.signatures import Results

ADDRESS = "192.0.2.1"
NAMES = Names(Answered.FOUND, ("mail-a.example",), 300.0)
FIELDS = [b"From: a@alpha.example", b"Subject: s"]
BODY = b"Hello\r\n"
HEAD = sign_by_hand(FIELDS, BODY, algorithm="rsa-sha256", domain=b"alpha.example") + b"".join(
    field + b"\r\n" for field in FIELDS
)
Told = list[tuple[Results, tuple[str, ...]]]


def lookups(*, is_known: bool = False) -> FakeLookups:
    return FakeLookups({"rsa._domainkey.alpha.example": KEY}, {ADDRESS: NAMES}, is_known=is_known)


def test_what_is_known_is_told_at_once() -> None:
    told: Told = []
    gathering = prover(lookups(is_known=True)).begin(HEAD, ADDRESS)
    gathering.feed(BODY[:2])
    gathering.feed(BODY[2:])
    gathering.finish(lambda results, names: told.append((results, names)))
    ((results, names),) = told
    assert [one.verdict for one in results] == [DkimVerdict.PASS]
    assert names == ("mail-a.example",)


def test_without_signature_and_address_there_is_nothing_to_find() -> None:
    told: Told = []
    prover(lookups()).begin(b"From: a@alpha.example\r\n").finish(lambda results, names: told.append((results, names)))
    assert told == [((), ())]


@pytest.mark.parametrize("address", ["", ADDRESS])
def test_what_is_not_known_is_asked_and_told_once(address: str) -> None:
    async def scenario() -> None:
        told: Told = []
        fake = lookups()
        gathering = prover(fake).begin(HEAD, address)
        gathering.feed(BODY)
        gathering.finish(lambda results, names: told.append((results, names)))
        await settle()
        assert not told
        fake.opened.set()
        await settle()
        ((results, names),) = told
        assert [one.verdict for one in results] == [DkimVerdict.PASS]
        assert names == (("mail-a.example",) if address else ())

    asyncio.run(scenario())


def test_what_is_abandoned_is_never_told() -> None:
    async def scenario() -> None:
        told: Told = []
        fake = lookups()
        gathering = prover(fake).begin(HEAD, ADDRESS)
        gathering.finish(lambda results, names: told.append((results, names)))
        gathering.abandon()
        gathering.abandon()
        fake.opened.set()
        await settle()
        assert not told

    asyncio.run(scenario())


def test_an_address_that_dns_does_not_name_in_time_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NAMES_SECONDS", 0.01)

    async def scenario() -> None:
        told: asyncio.Future[tuple[str, ...]] = asyncio.get_running_loop().create_future()
        prover(lookups()).begin(b"From: a@b\r\n", ADDRESS).finish(lambda _, names: told.set_result(names))
        assert await told == ()

    asyncio.run(scenario())


def test_a_bug_of_ours_lets_no_message_wait_for_ever() -> None:
    async def scenario() -> None:
        faults: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["exception"]))
        told: Told = []
        fake = lookups()
        fake.fails = True
        fake.opened.set()
        prover(fake).begin(b"From: a@b\r\n", ADDRESS).finish(lambda results, names: told.append((results, names)))
        await settle()
        assert told == [((), ())]
        assert len(faults) == 1

    asyncio.run(scenario())


def test_looking_ahead_asks_once_and_not_for_what_is_known() -> None:
    async def scenario() -> None:
        fake = lookups()
        one = prover(fake)
        one.look_ahead(ADDRESS)
        await settle()
        assert fake.asked == {ADDRESS: 1}
        assert one.known_names(ADDRESS) is None
        fake.is_known = True
        one.look_ahead(ADDRESS)
        fake.opened.set()
        await settle()
        assert fake.asked == {ADDRESS: 1}
        assert one.known_names(ADDRESS) == ("mail-a.example",)

    asyncio.run(scenario())


TROUBLE = Names(Answered.TROUBLE, (), 30.0, "SERVFAIL")


def test_trouble_says_nothing_of_a_name() -> None:
    one = prover(FakeLookups(names={ADDRESS: TROUBLE}, is_known=True))
    assert one.known_names(ADDRESS) is None
    assert prover(FakeLookups(is_known=True)).known_names(ADDRESS) == ()


@pytest.mark.parametrize("is_known", [False, True])
def test_no_message_waits_for_dns_that_is_in_trouble(is_known: bool) -> None:
    async def scenario() -> None:
        told: Told = []
        fake = FakeLookups(names={ADDRESS: TROUBLE}, is_known=is_known)
        fake.opened.set()
        one = prover(fake)
        one.look_ahead(ADDRESS)
        await settle()
        one.begin(b"From: a@b\r\n", ADDRESS).finish(lambda results, names: told.append((results, names)))
        await settle()
        assert told == [((), ())]
        assert fake.asked.total() == (0 if is_known else 2)  # ahead and for the message, and no more

    asyncio.run(scenario())
