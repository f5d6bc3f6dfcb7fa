"""A DNS server for tests, on a free port of loopback, UDP and TCP: answers from a zone, fails where it is told to."""

import contextlib
import socket
import struct
import threading
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

TTL_SECONDS = 300


@dataclass
class Zone:
    """records: name to type to texts, such as {"a.example": {"MX": ["10 mx.example."]}}. rcodes: names answered with
    that code. silent: names that get no answer. A name without records exists if another name ends in it."""

    records: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    rcodes: dict[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    ttl_seconds: int = TTL_SECONDS

    def answer(self, query: dns.message.Message) -> dns.message.Message | None:
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if name in self.silent:
            return None
        if name in self.rcodes:
            response.set_rcode(dns.rcode.from_text(self.rcodes[name]))
            return response
        for _ in range(5):
            records = self.records.get(name, {})
            if "CNAME" not in records or kind == "CNAME":
                break
            alias = records["CNAME"][0]
            response.answer.append(dns.rrset.from_text(f"{name}.", self.ttl_seconds, "IN", "CNAME", alias))
            name = alias.rstrip(".").lower()
        if records.get(kind):
            response.answer.append(dns.rrset.from_text_list(f"{name}.", self.ttl_seconds, "IN", kind, records[kind]))
        elif not any(known == name or known.endswith(f".{name}") for known in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        if not records.get(kind):
            response.authority.append(
                dns.rrset.from_text("example.", 60, "IN", "SOA", "ns.example. root.example. 1 60 60 60 60")
            )
        return response


class DnsServer:
    """Serves `zone` between `__enter__` and `__exit__`; `asked` counts the questions by (name, type)."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.asked: Counter[tuple[str, str]] = Counter()
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self.port: int = self._udp.getsockname()[1]
        self._tcp = socket.create_server(("127.0.0.1", self.port))

    def __enter__(self) -> Self:
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for listening in (self._udp, self._tcp):
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()

    def _respond(self, octets: bytes) -> bytes | None:
        query = dns.message.from_wire(octets)
        question = query.question[0]
        self.asked[question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)] += 1
        response = self.zone.answer(query)
        return None if response is None else response.to_wire()

    def _serve_udp(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                octets, peer = self._udp.recvfrom(4096)
                if not octets:
                    return
                response = self._respond(octets)
                if response is not None:
                    self._udp.sendto(response, peer)

    def _serve_tcp(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._tcp.accept()
                with connection, contextlib.suppress(OSError, struct.error):
                    (length,) = struct.unpack("!H", connection.recv(2))
                    response = self._respond(connection.recv(length))
                    if response is not None:
                        connection.sendall(struct.pack("!H", len(response)) + response)
