"""Checks of signatures: at once where keys are known, else by one task; whatever DNS and the peer do."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.dns_server import DnsServer, Zone
from tests.support.signing import Algorithm, key, sign_by_hand

from outgate.mail.evidence import SIGNATURES_MAX, DkimVerdict, SignatureResult
from outgate.mail.fields import has_signature
from outgate.net.resolver import DnsResolver, ResolverSettings
from outgate.reception import signatures as module
from outgate.reception.interface import Answered, Names, Texts
from outgate.reception.signatures import Results, SignatureCheck, Signatures

ResultT = TypeVar("ResultT")

PASS, FAIL, PERMERROR, TEMPERROR = DkimVerdict.PASS, DkimVerdict.FAIL, DkimVerdict.PERMERROR, DkimVerdict.TEMPERROR
FIELDS = [b"From: a@alpha.example", b"Subject: s"]
BODY = b"Hello\r\n"
NAME = "rsa._domainkey.alpha.example"
FOUND = Texts(Answered.FOUND, (key("rsa-sha256").record,), 300.0)
NONE = Texts(Answered.NONE, (), 300.0)
TROUBLE = Texts(Answered.TROUBLE, (), 5.0, "SERVFAIL")


def head(*signatures: bytes, fields: list[bytes] = FIELDS) -> bytes:
    return b"".join(signatures) + b"".join([field + b"\r\n" for field in fields])


def signature(algorithm: Algorithm = "rsa-sha256", *, domain: bytes = b"alpha.example", tags: bytes = b"") -> bytes:
    return sign_by_hand(FIELDS, BODY, algorithm=algorithm, domain=domain, tags=tags)


class FakeLookups:
    """answers: by name. `opened` lets questions be answered; what was answered is known after that."""

    def __init__(self, answers: dict[str, Texts], *, known: bool = False) -> None:
        self.answers = answers
        self.cache = dict(answers) if known else {}
        self.asked: Counter[str] = Counter()
        self.opened = asyncio.Event()

    async def texts(self, name: str) -> Texts:
        self.asked[name] += 1
        await self.opened.wait()
        found = self.cache[name] = self.answers.get(name, NONE)
        return found

    def known_texts(self, name: str) -> Texts | None:
        return self.cache.get(name)

    async def confirmed_names(self, address: str) -> Names:
        raise AssertionError

    def known_names(self, address: str) -> Names | None:
        raise AssertionError


class FakeThreads:
    """A thread that is done at once; broken: it is gone."""

    def __init__(self) -> None:
        self.runs = 0
        self.is_broken = False

    def run(self, work: Callable[[], ResultT]) -> Awaitable[ResultT]:
        if self.is_broken:
            raise RuntimeError("no thread")
        self.runs += 1
        future: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        future.set_result(work())
        return future


class Laboratory:
    """Signatures over what is faked, and what `done` was told."""

    def __init__(self, answers: dict[str, Texts] | None = None, *, known: bool = False) -> None:
        self.lookups = FakeLookups({NAME: FOUND} if answers is None else answers, known=known)
        self.threads = FakeThreads()
        self.seconds = 0.0
        self.now = 1_800_000_000.0
        self.told: list[Results] = []
        self.shared = Signatures(
            lookups=self.lookups, threads=self.threads, now=lambda: self.now, monotonic=lambda: self.seconds
        )

    def check(self, head: bytes, body: bytes = BODY) -> SignatureCheck:
        check = self.shared.begin(head)
        check.feed(body)
        return check

    def finish(self, head: bytes, body: bytes = BODY) -> None:
        self.check(head, body).finish(self.told.append)

    async def settle(self) -> None:
        """Until no task is left."""
        self.lookups.opened.set()
        while self.shared._tasks:
            await asyncio.wait(list(self.shared._tasks))

    def verdicts(self) -> list[list[DkimVerdict]]:
        return [[one.verdict for one in results] for results in self.told]


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (b"", False),
        (b"From: x\r\n", False),
        (b"X-Google-DKIM-Signature: x\r\n", False),
        (b"DKIM-Signature: x\r\n", True),
        (b"From: x\r\ndkim-signature : x\r\n", True),
    ],
)
def test_a_cheap_look_tells_whether_there_may_be_a_signature(block: bytes, expected: bool) -> None:
    assert has_signature(block) is expected


@given(st.lists(st.sampled_from([b"DKIM-Signature", b"dkim-signature", b"\r\n", b":", b" ", b"x", b"\r", b"\n"])))
def test_the_cheap_look_misses_none(parts: list[bytes]) -> None:
    block = b"".join(parts)
    check = Laboratory().check(block)
    assert has_signature(block) or not check._signatures


def test_what_dns_has_told_before_is_judged_at_once() -> None:
    async def scenario() -> None:
        laboratory = Laboratory(known=True)
        laboratory.finish(head(signature()))
        assert laboratory.told == [(SignatureResult("alpha.example", "rsa", PASS),)]
        assert not laboratory.lookups.asked
        assert not laboratory.shared._tasks

    run(scenario)


def test_a_key_is_asked_for_once_and_parsed_once_while_it_holds() -> None:
    async def scenario() -> None:
        laboratory = Laboratory()
        block = head(signature())
        laboratory.finish(block)
        assert not laboratory.told
        assert len(laboratory.shared._tasks) == 1
        await laboratory.settle()
        laboratory.lookups.cache.clear()
        laboratory.finish(block)
        assert laboratory.verdicts() == [[PASS], [PASS]]
        laboratory.seconds = 300.0
        laboratory.finish(block)
        await laboratory.settle()
        assert laboratory.verdicts() == [[PASS]] * 3
        assert laboratory.lookups.asked == {NAME: 2}

    run(scenario)


@pytest.mark.parametrize(
    ("answer", "verdict", "detail"),
    [
        (NONE, PERMERROR, "no key in DNS"),
        (TROUBLE, TEMPERROR, "the key is not to be had: SERVFAIL"),
        (Texts(Answered.FOUND, (b"v=DKIM1; p=",), 300.0), PERMERROR, "key in DNS: it is revoked"),
        (Texts(Answered.FOUND, (b"\xff" * 300,) * 40, 300.0), PERMERROR, "key in DNS: not a tag list"),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_keys_that_are_none(answer: Texts, verdict: DkimVerdict, detail: str, known: bool) -> None:
    async def scenario() -> None:
        laboratory = Laboratory({NAME: answer}, known=known)
        laboratory.finish(head(signature()))
        await laboratory.settle()
        assert laboratory.told == [(SignatureResult("alpha.example", "rsa", verdict, detail),)]

    run(scenario)


def test_trouble_is_not_remembered_here() -> None:
    async def scenario() -> None:
        laboratory = Laboratory({NAME: TROUBLE}, known=True)
        laboratory.finish(head(signature()))
        laboratory.lookups.cache[NAME] = FOUND
        laboratory.finish(head(signature()))
        assert laboratory.verdicts() == [[TEMPERROR], [PASS]]

    run(scenario)


def test_all_keys_are_asked_for_at_a_time_and_each_once() -> None:
    async def scenario() -> None:
        laboratory = Laboratory({NAME: FOUND, "rsa._domainkey.beta.example": TROUBLE})
        laboratory.finish(head(signature(), signature(domain=b"beta.example"), signature(), b"DKIM-Signature: x\r\n"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert laboratory.lookups.asked == {NAME: 1, "rsa._domainkey.beta.example": 1}
        await laboratory.settle()
        assert laboratory.verdicts() == [[PASS, TEMPERROR, PASS, DkimVerdict.NEUTRAL]]

    run(scenario)


def test_dns_that_is_silent_is_trouble_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEYS_SECONDS", 0.01)

    async def scenario() -> None:
        laboratory = Laboratory({NAME: FOUND, "ed25519._domainkey.alpha.example": FOUND})
        laboratory.lookups.cache[NAME] = FOUND
        laboratory.finish(head(signature("ed25519-sha256"), signature()))
        await asyncio.wait(list(laboratory.shared._tasks))
        assert laboratory.told == [
            (
                SignatureResult("alpha.example", "ed25519", TEMPERROR, "no answer for the key in 0.01 s"),
                SignatureResult("alpha.example", "rsa", PASS),
            )
        ]
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    run(scenario)


def test_lookups_that_raise_are_trouble() -> None:
    async def scenario() -> None:
        laboratory = Laboratory()

        async def texts(name: str) -> Texts:
            raise OSError(name)

        laboratory.lookups.texts = texts  # type: ignore[method-assign]
        laboratory.finish(head(signature()))
        await laboratory.settle()
        assert laboratory.verdicts() == [[TEMPERROR]]

    run(scenario)


def test_what_needs_no_key_is_not_asked_for() -> None:
    async def scenario() -> None:
        laboratory = Laboratory()
        laboratory.finish(head(signature(tags=b" x=5;")))
        laboratory.finish(head(signature(), fields=[b"From: mallory@beta.example", *FIELDS]))
        laboratory.finish(head())
        assert laboratory.verdicts() == [[FAIL], [FAIL], []]
        assert not laboratory.lookups.asked

    run(scenario)


def test_a_signature_that_expires_while_dns_is_asked_counts_as_it_was() -> None:
    async def scenario() -> None:
        laboratory = Laboratory()
        laboratory.finish(head(signature(tags=b" x=1800000001;")))
        laboratory.now += 5
        await laboratory.settle()
        assert laboratory.verdicts() == [[PASS]]

    run(scenario)


def test_what_is_given_up_is_not_told_of() -> None:
    async def scenario() -> None:
        laboratory = Laboratory()
        check = laboratory.check(head(signature()))
        check.finish(laboratory.told.append)
        check.abandon()
        check.abandon()
        await laboratory.settle()
        assert not laboratory.told
        assert laboratory.shared.known_key(NAME) is not None  # the next message has it

    run(scenario)


def test_the_end_of_the_process_ends_the_waiting_without_a_word() -> None:
    async def scenario() -> None:
        laboratory = Laboratory()
        laboratory.finish(head(signature()))
        (task,) = laboratory.shared._tasks
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert not laboratory.told

    run(scenario)


def test_many_signatures_and_huge_headers_are_judged_in_a_thread() -> None:
    async def scenario() -> None:
        laboratory = Laboratory(known=True)
        laboratory.finish(head(*[signature()] * 1000))
        laboratory.finish(head(signature(), fields=[b"X: " + b"x" * module.INLINE_OCTETS, *FIELDS]))
        assert not laboratory.told
        await laboratory.settle()
        assert sorted(laboratory.verdicts(), key=len) == [[PASS], [PASS] * SIGNATURES_MAX]
        assert laboratory.threads.runs == 2
        laboratory.finish(head(*[signature()] * module.INLINE_SIGNATURES))
        assert laboratory.verdicts()[2] == [PASS] * module.INLINE_SIGNATURES
        assert laboratory.threads.runs == 2

    run(scenario)


def test_a_thread_that_is_gone_lets_no_message_wait() -> None:
    async def scenario() -> None:
        laboratory = Laboratory(known=True)
        laboratory.threads.is_broken = True
        reported: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
        laboratory.finish(head(*[signature()] * 8, b"DKIM-Signature: x\r\n"))
        await laboratory.settle()
        assert laboratory.verdicts() == [[TEMPERROR] * 8]
        assert [type(one["exception"]) for one in reported] == [RuntimeError]

    run(scenario)


def test_keys_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEYS_MAX", 3)

    async def scenario() -> None:
        names = [f"rsa._domainkey.d{number}.example" for number in range(5)]
        laboratory = Laboratory(dict.fromkeys(names, FOUND), known=True)
        for number in range(5):
            laboratory.finish(head(signature(domain=b"d%d.example" % number)))
        assert list(laboratory.shared._keys) == names[2:]
        assert laboratory.verdicts() == [[PASS]] * 5

    run(scenario)


@given(st.lists(st.integers(0, 30), max_size=5))
def test_any_cutting_of_the_body_gives_the_same(cuts: list[int]) -> None:
    async def scenario() -> None:
        laboratory = Laboratory(known=True)
        check = laboratory.shared.begin(head(signature()))
        for start, end in itertools.pairwise((0, *sorted(cuts), 40)):
            check.feed(BODY[start:end])
        check.finish(laboratory.told.append)
        assert laboratory.verdicts() == [[PASS]]

    run(scenario)


@given(st.binary(max_size=200), st.binary(max_size=100))
def test_nothing_that_a_message_holds_raises(noise: bytes, body: bytes) -> None:
    async def scenario() -> None:
        laboratory = Laboratory(known=True)
        laboratory.finish(noise + b"\r\n" + head(signature()) + noise, body)
        await laboratory.settle()
        assert len(laboratory.told) == 1

    run(scenario)


def test_with_real_dns() -> None:
    record = key("rsa-sha256").record.decode()
    zone = Zone(
        {NAME: {"TXT": [f'"{record[:200]}" "{record[200:]}"']}}, rcodes={"rsa._domainkey.beta.example": "SERVFAIL"}
    )

    async def scenario(port: int) -> list[list[DkimVerdict]]:
        laboratory = Laboratory()
        settings = ResolverSettings((f"127.0.0.1:{port}",), try_seconds=0.5, question_seconds=0.5)
        laboratory.shared._lookups = DnsResolver(settings)
        block = head(*[signature(domain=b"%s.example" % name) for name in (b"alpha", b"beta", b"gamma")])
        laboratory.finish(block)
        await laboratory.settle()
        laboratory.finish(block)
        await laboratory.settle()
        return laboratory.verdicts()

    with DnsServer(zone) as server:
        assert asyncio.run(scenario(server.port)) == [[PASS, TEMPERROR, PERMERROR]] * 2
    assert sum(count for (_, kind), count in zone.asked.items() if kind == "TXT") <= 5  # SERVFAIL is tried again
