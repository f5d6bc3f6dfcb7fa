"""A scanner process: takes one message after the other from its worker, and says what is in it.

It opens nothing but the files that hold large content, and can make none. What a message makes it use is bounded by the
system: a message that takes more ends the process, and its worker holds that message as one that cannot be scanned.
Standard input is its end of the worker's socket pair; the end of that is its own. Arguments are files of YARA rules.
"""

import gc
import mmap
import os
import resource
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Final

from msgspec import structs

from outgate.app.scanners import built_in, readers
from outgate.app.yara_rules import load
from outgate.contract.scanning import NO_SCANNING
from outgate.mail.findings import Category, Finding, ScanReport
from outgate.scanning.interface import Context
from outgate.scanning.order import LENGTH, ScanCustomer, ScanOrder, decode_order, encode_report
from outgate.scanning.pipeline import Pipeline

MEMORY_MAX: Final = 1536 * 1024 * 1024  # octets of address space: content of 150 MiB, decoded, twice, and the libraries
DESCRIPTORS_MAX: Final = 32  # open files of a scanner process
NICENESS: Final = 5  # mail that needs no scanning goes first
READ_OCTETS: Final = 64 * 1024  # at a time

_NOBODY: Final = ScanCustomer((), NO_SCANNING)


class ScannerProcess:
    """Answers orders from a stream, one at a time."""

    def __init__(self, pipeline: Pipeline, stream: socket.socket) -> None:
        self._pipeline = pipeline
        self._stream = stream
        self._received = stream.makefile("rb", READ_OCTETS)  # one system call for a frame and its length
        self._customers: dict[str, tuple[ScanCustomer, frozenset[str]]] = {}

    def run(self) -> None:
        """Until the worker is gone."""
        while (order := self._next()) is not None:
            self._stream.sendall(encode_report(self.report(order)))

    def report(self, order: ScanOrder) -> ScanReport:
        if order.forget:
            self._customers.clear()
        if order.customer is not None:
            self._customers[order.key] = order.customer, frozenset(order.customer.domains)
        customer, domains = self._customers.get(order.key, (_NOBODY, frozenset()))
        context = Context(order.reverse_path, order.forward_paths, domains, order.source, customer.policy)
        began = time.perf_counter()
        report = self._scan(order, context)
        return structs.replace(report, seconds=time.perf_counter() - began)

    def _scan(self, order: ScanOrder, context: Context) -> ScanReport:
        if not order.path:
            return self._pipeline.scan(order.content, context)
        try:
            with Path(order.path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as octets:
                return self._pipeline.scan(octets, context)
        except (OSError, ValueError, BufferError) as error:
            return ScanReport((Finding(Category.UNSCANNABLE, "mime", "content-unreadable", 100, type(error).__name__),))

    def _next(self) -> ScanOrder | None:
        head = self._read(LENGTH.size)
        if head is None:
            return None
        body = self._read(LENGTH.unpack(head)[0])
        return None if body is None else decode_order(body)

    def _read(self, length: int) -> bytes | None:
        octets = self._received.read(length)
        return octets if len(octets) == length else None


def confine() -> None:
    """Give up what scanning does not need. Cannot be undone."""
    os.nice(NICENESS)
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY_MAX),
        (resource.RLIMIT_NOFILE, DESCRIPTORS_MAX),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(limit)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (bound, bound))


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker decides
    stream = socket.socket(fileno=os.dup(0))
    rules = (load(sys.argv[1:]),) if sys.argv[1:] else ()
    pipeline = Pipeline((*built_in(), *rules), readers())
    gc.collect()
    gc.freeze()
    confine()
    stream.sendall(encode_report(ScanReport(version=pipeline.version)))  # ready
    ScannerProcess(pipeline, stream).run()
    sys.stdout.close()


if __name__ == "__main__":
    main()
