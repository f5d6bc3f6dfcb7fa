"""A DNS server on loopback for tests: says what it is told, by UDP and TCP, and counts what it is asked."""

import socket
import socketserver
import struct
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

UDP_MAX = 512

Records = Mapping[str, Mapping[str, Sequence[str]]]


class Zone:
    """records: name to type to texts. rcodes: name to REFUSED, SERVFAIL and the like, or SILENT for no answer at all.

    A name that is not there does not exist; CNAMEs are followed within the zone.
    """

    def __init__(self, records: Records, *, rcodes: Mapping[str, str] | None = None, ttl: int = 300) -> None:
        self.records = {name.lower(): dict(types) for name, types in records.items()}
        self.rcodes = dict(rcodes or {})
        self.ttl = ttl
        self.asked: Counter[tuple[str, str]] = Counter()
        self.asked_by_tcp = 0

    def answer(self, query: dns.message.Message) -> dns.message.Message | None:
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked[name, kind] += 1
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        rcode = self.rcodes.get(name)
        if rcode == "SILENT":
            return None
        if rcode:
            response.set_rcode(dns.rcode.from_text(rcode))
            return response
        current = name
        while (types := self.records.get(current)) is not None and "CNAME" in types:
            response.answer.append(dns.rrset.from_text(f"{current}.", self.ttl, "IN", "CNAME", types["CNAME"][0]))
            current = types["CNAME"][0].rstrip(".").lower()
        if types is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        if types and kind in types:
            response.answer.append(dns.rrset.from_text(f"{current}.", self.ttl, "IN", kind, *types[kind]))
        else:
            soa = f"ns.example. hostmaster.example. 1 60 60 60 {self.ttl}"
            response.authority.append(dns.rrset.from_text("example.", self.ttl, "IN", "SOA", soa))
        return response


class DnsServer:
    """Serves `zone` on `port` of 127.0.0.1 while it is entered."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        zone = self.zone

        class Udp(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                octets, reply_socket = self.request
                response = zone.answer(dns.message.from_wire(octets))
                if response is None:
                    return
                wire = response.to_wire()
                if len(wire) > UDP_MAX:
                    cut = dns.message.make_response(dns.message.from_wire(octets))
                    cut.flags |= dns.flags.TC
                    wire = cut.to_wire()
                reply_socket.sendto(wire, self.client_address)

        class Tcp(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                (length,) = struct.unpack("!H", self.rfile.read(2))
                zone.asked_by_tcp += 1
                response = zone.answer(dns.message.from_wire(self.rfile.read(length)))
                if response is not None:
                    wire = response.to_wire()
                    self.wfile.write(struct.pack("!H", len(wire)) + wire)

        self._udp, self._tcp = _bind(Udp, Tcp)
        self.port: int = self._udp.server_address[1]
        for server in (self._udp, self._tcp):
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in (self._udp, self._tcp):
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()


def _bind(
    udp: type[socketserver.BaseRequestHandler], tcp: type[socketserver.BaseRequestHandler]
) -> tuple[socketserver.UDPServer, socketserver.TCPServer]:
    """Both on one port; a free one for UDP may be taken for TCP, so it is tried again."""
    for _ in range(20):
        first = socketserver.UDPServer(("127.0.0.1", 0), udp)
        try:
            second = socketserver.TCPServer(("127.0.0.1", first.server_address[1]), tcp)
        except OSError:
            first.server_close()
            continue
        second.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return first, second
    raise OSError("no port that is free for both UDP and TCP")
