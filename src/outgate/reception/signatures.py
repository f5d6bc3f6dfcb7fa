"""The DKIM signatures of a message on its way in: body hashes while the content comes, then keys from DNS, verdicts.

Nothing here concerns a message without a DKIM-Signature field: `mail.fields.has_signature` tells, and then no check is
made.

Hashing stays on the event loop, piece by piece as the content comes: the scans over a piece hold the interpreter's
lock, so in a thread they would keep the loop waiting just as long. What is left to a thread is the judging of a huge
header, or of many signatures, where the public key operation lets go of the lock.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Final

from msgspec import Struct

from outgate.dkim.body import BodyHashes
from outgate.dkim.canonical import HeaderFields
from outgate.dkim.key import NO_KEY, KeyFlaw, PublicKey, parse_key
from outgate.dkim.signature import Flaw, Signature, read_signatures
from outgate.dkim.verify import verdict_without_key, verify
from outgate.mail.evidence import DkimVerdict, SignatureResult
from outgate.reception.interface import Answered, Lookups, Texts, Threads

KEYS_SECONDS: Final = 10.0  # for DNS to give all keys of one message; then those that are missing are in trouble
KEYS_MAX: Final = 4_096  # parsed keys that are kept, of some 3 KiB each
INLINE_HEAD_OCTETS: Final = 32 * 1024  # of header that is judged on the loop
INLINE_OCTETS: Final = 64 * 1024  # the same, counted once for each signature
INLINE_SIGNATURES: Final = 4  # of one message that are judged on the loop; Ed25519 needs 0.15 ms for each

Results = tuple[SignatureResult, ...]
Done = Callable[[Results], None]
Key = PublicKey | KeyFlaw


class _HeldKey(Struct, frozen=True):
    key: Key
    expires_at: float  # monotonic


class Signatures:
    """What all checks of a worker share: DNS, the clocks, and the parsed keys.

    now: seconds since the epoch. monotonic: for how long keys hold. Used on the event loop's thread only.
    """

    def __init__(
        self, *, lookups: Lookups, threads: Threads, now: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        self._lookups = lookups
        self._monotonic = monotonic
        self._keys: dict[str, _HeldKey] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.threads = threads
        self.now = now

    def begin(self, head: bytes) -> "SignatureCheck":
        """For a message with the header block `head`: its lines with their CR LF, without the empty line behind."""
        return SignatureCheck(self, head)

    def known_key(self, name: str) -> Key | None:
        """The key of that name as far as no question is needed."""
        held = self._keys.get(name)
        if held is not None and held.expires_at > self._monotonic():
            return held.key
        texts = self._lookups.known_texts(name)
        return None if texts is None else self._learn(name, texts)

    async def look_up(self, names: Collection[str]) -> dict[str, Key]:
        """All of them at a time, in `KEYS_SECONDS` at most."""
        asking = {asyncio.ensure_future(self._lookups.texts(name)): name for name in names}
        keys: dict[str, Key] = {}
        try:
            if asking:
                await asyncio.wait(asking, timeout=KEYS_SECONDS)
        finally:
            for question, name in asking.items():
                if question.done() and not question.cancelled() and question.exception() is None:
                    keys[name] = self._learn(name, question.result())
                else:
                    question.cancel()
                    keys[name] = KeyFlaw(DkimVerdict.TEMPERROR, f"no answer for the key in {KEYS_SECONDS:g} s")
        return keys

    def _learn(self, name: str, texts: Texts) -> Key:
        if texts.answered is Answered.TROUBLE:  # DNS itself remembers that for a while
            return KeyFlaw(DkimVerdict.TEMPERROR, f"the key is not to be had: {texts.detail}")
        key = parse_key(texts.texts) if texts.texts else NO_KEY
        keys = self._keys
        keys.pop(name, None)
        while len(keys) >= KEYS_MAX:
            del keys[next(iter(keys))]  # the oldest
        keys[name] = _HeldKey(key, self._monotonic() + texts.holds_seconds)
        return key

    def start(self, check: "SignatureCheck", missing: Collection[str]) -> None:
        """Go on with `check` in a task."""
        task = asyncio.get_running_loop().create_task(check.go_on(missing))
        self._tasks.add(task)  # the loop itself holds tasks but weakly
        task.add_done_callback(self._tasks.discard)


class SignatureCheck:
    """The check of one message. Never raises for anything that the message or DNS holds; made by `Signatures.begin`."""

    __slots__ = ("_done", "_fields", "_hashes", "_head", "_keys", "_now", "_shared", "_signatures", "_well_written")

    def __init__(self, shared: Signatures, head: bytes) -> None:
        self._shared = shared
        self._head = head
        self._signatures = read_signatures(head)
        self._well_written = [one for one in self._signatures if isinstance(one, Signature)]
        self._hashes = BodyHashes(self._signatures)
        self._fields: HeaderFields | None = None
        self._keys: dict[str, Key] = {}
        self._now = 0.0
        self._done: Done | None = None

    def feed(self, octets: bytes) -> None:
        """More of the body, which begins behind the empty line; any cutting gives the same."""
        self._hashes.update(octets)

    def finish(self, done: Done) -> None:
        """The body is complete: `done` gets the results, topmost signature first (at most `SIGNATURES_MAX`), exactly
        once, on the event loop's thread: from within this call if all keys are known and little is to be done, else
        later, at the latest a moment after `KEYS_SECONDS`, from one task.

        Does not depend on the connection: `done` comes though the peer is gone, unless `abandon` was called.
        """
        self._done = done
        self._now = self._shared.now()
        missing: set[str] = set()
        for name in self._wanted():
            key = self._shared.known_key(name)
            if key is None:
                missing.add(name)
            else:
                self._keys[name] = key
        if missing or self._is_large():
            self._shared.start(self, missing)
        else:
            self._tell(self._judge())

    def abandon(self) -> None:
        """The message is given up: `done` will not be called any more. Idempotent, at any time."""
        self._done = None

    async def go_on(self, missing: Collection[str]) -> None:
        """With keys that must be asked for, or more to do than the loop may wait for. Of `Signatures.start`."""
        shared = self._shared
        try:
            self._keys.update(await shared.look_up(missing))
            if self._done is None:
                return
            results = await shared.threads.run(self._judge) if self._is_large() else self._judge()
        except Exception as error:  # our own bug, or the end of the threads: the message must not wait for ever
            asyncio.get_running_loop().call_exception_handler(
                {"message": "the DKIM signatures of a message could not be judged", "exception": error}
            )
            results = tuple([_without_verdict(one) for one in self._signatures])
        self._tell(results)

    def _is_large(self) -> bool:
        signatures, octets = len(self._well_written), len(self._head)
        return (
            signatures > INLINE_SIGNATURES
            or (signatures > 0 and octets > INLINE_HEAD_OCTETS)
            or (octets * signatures > INLINE_OCTETS)
        )

    def _wanted(self) -> set[str]:
        """The names of the keys without which there is no verdict; of all keys where finding out is much to do."""
        signatures = self._well_written
        if not signatures or self._is_large():
            return {one.key_name for one in signatures}
        fields = self._fields = HeaderFields(self._head)
        digests = self._hashes.digests()
        return {one.key_name for one in signatures if verdict_without_key(one, fields, digests, self._now) is None}

    def _judge(self) -> Results:
        """On any thread; nothing is changed meanwhile."""
        fields = self._fields or HeaderFields(self._head if self._well_written else b"")  # flaws need no look at it
        digests = self._hashes.digests()
        return tuple(
            [
                one.result
                if isinstance(one, Flaw)
                else verify(one, fields, digests, self._keys.get(one.key_name, NO_KEY), self._now)
                for one in self._signatures
            ]
        )

    def _tell(self, results: Results) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(results)


def _without_verdict(signature: Signature | Flaw) -> SignatureResult:
    if isinstance(signature, Flaw):
        return signature.result
    return signature.result(DkimVerdict.TEMPERROR, "internal error")
