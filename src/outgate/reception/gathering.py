"""What must be found out about a message before it can be judged: its DKIM signatures, and the names of its source.

Only mail from a provider's shared addresses, and mail with a signature, comes here; and where DNS has answered before,
it is found at once. How long it may take is bounded; what is not known then counts for nothing.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from outgate.mail.fields import has_signature
from outgate.reception.interface import Answered, Lookups
from outgate.reception.signatures import Results, SignatureCheck, Signatures

NAMES_SECONDS: Final = 5.0  # for DNS to name an address; then it has no name

Done = Callable[[Results, tuple[str, ...]], None]


class Prover:
    """What all gatherings of a worker share. Used on the event loop's thread only."""

    def __init__(self, signatures: Signatures, lookups: Lookups) -> None:
        self._signatures = signatures
        self._lookups = lookups
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, head: bytes, address: str = "") -> "Gathering":
        """For a message with the header block `head`; address: whose names are wanted too, if any."""
        return Gathering(self, self._signatures.begin(head) if has_signature(head) else None, address)

    def known_names(self, address: str) -> tuple[str, ...] | None:
        """Forward-confirmed names of an address; None: nobody has said. So it is also while DNS is in trouble, which
        says nothing of a name: a message that waits for it goes by `told_names`."""
        known = self._lookups.known_names(address)
        return None if known is None or known.answered is Answered.TROUBLE else known.names

    def told_names(self, address: str) -> tuple[str, ...] | None:
        """For the judgement of a message: what the cache has, no name while it says that DNS is in trouble; None: to be
        asked. A message does not wait for an answer that has just failed to come."""
        known = self._lookups.known_names(address)
        return None if known is None else known.names

    def look_ahead(self, address: str) -> None:
        """The names of this address will be wanted soon."""
        if self._lookups.known_names(address) is None:
            self.start_names(address, lambda _names: None)

    def start_names(self, address: str, done: Callable[[tuple[str, ...]], None]) -> None:
        """Look them up in a task; `done` comes at the latest a moment after `NAMES_SECONDS`."""
        task = asyncio.get_running_loop().create_task(self._find_names(address, done))
        self._tasks.add(task)  # the loop itself holds tasks but weakly
        task.add_done_callback(self._tasks.discard)

    async def _find_names(self, address: str, done: Callable[[tuple[str, ...]], None]) -> None:
        names: tuple[str, ...] = ()
        try:
            async with asyncio.timeout(NAMES_SECONDS):
                names = (await self._lookups.confirmed_names(address)).names
        except TimeoutError:
            pass
        except Exception as error:  # our own bug: the message must not wait for ever
            asyncio.get_running_loop().call_exception_handler(
                {"message": "the names of an address could not be found", "exception": error}
            )
        done(names)


class Gathering:
    """Of one message; made by `Prover.begin`."""

    __slots__ = ("_address", "_check", "_done", "_names", "_prover", "_results")

    def __init__(self, prover: Prover, check: SignatureCheck | None, address: str) -> None:
        self._prover = prover
        self._check = check
        self._address = address
        self._done: Done | None = None
        self._results: Results | None = None
        self._names: tuple[str, ...] | None = None

    def feed(self, octets: bytes) -> None:
        """More of the body, which begins behind the empty line; any cutting gives the same."""
        if self._check is not None:
            self._check.feed(octets)

    def finish(self, done: Done) -> None:
        """The body is complete. `done` gets the signatures' results and the names, exactly once: from within this call
        if all is known, else later, though the peer may be gone by then."""
        self._done = done
        if not self._address:
            self._names = ()
        else:
            self._names = self._prover.told_names(self._address)
            if self._names is None:
                self._prover.start_names(self._address, self._found_names)
        if self._check is None:
            self._found_results(())
        else:
            self._check.finish(self._found_results)

    def abandon(self) -> None:
        """The message is given up: `done` will not be called any more. Idempotent, at any time."""
        self._done = None
        if self._check is not None:
            self._check.abandon()

    def _found_results(self, results: Results) -> None:
        self._results = results
        self._tell()

    def _found_names(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._tell()

    def _tell(self) -> None:
        results, names = self._results, self._names
        if results is None or names is None:
            return
        done, self._done = self._done, None
        if done is not None:
            done(results, names)
