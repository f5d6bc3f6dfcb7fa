"""What is handed to a scanner process, and what comes back: one frame each, the length before it.

A process is told of a customer once, and again when its policy has changed; orders name it by key.
"""

import struct
from typing import Final

import msgspec
from msgspec import Struct

from outgate.contract.scanning import ScanPolicy
from outgate.mail.findings import ScanReport

LENGTH: Final = struct.Struct("<I")
FRAME_MAX: Final = 64 * 1024 * 1024  # octets; a customer of 20,000 domains takes half a megabyte
CUSTOMERS_MAX: Final = 1_000  # that a process remembers; then it forgets them all


class ScanCustomer(Struct, frozen=True, array_like=True):
    """domains: canonical."""

    domains: tuple[str, ...]
    policy: ScanPolicy


class ScanOrder(Struct, frozen=True, array_like=True):
    """One message. key: of its customer; customer: given if the process does not know the key. forget: all keys before
    this one. content: the octets, or empty where `path` names the file that holds them."""

    key: str
    reverse_path: str
    forward_paths: tuple[str, ...]
    source: str
    content: bytes = b""
    path: str = ""
    customer: ScanCustomer | None = None
    forget: bool = False


_order_encoder = msgspec.msgpack.Encoder()
_order_decoder = msgspec.msgpack.Decoder(ScanOrder)
_report_decoder = msgspec.msgpack.Decoder(ScanReport)


def encode_order(order: ScanOrder) -> bytes:
    return _framed(order)


def encode_report(report: ScanReport) -> bytes:
    return _framed(report)


def decode_order(octets: bytes) -> ScanOrder:
    """octets: of one frame, without its length. Raises: msgspec.DecodeError."""
    return _order_decoder.decode(octets)


def decode_report(octets: bytes) -> ScanReport:
    """octets: of one frame, without its length. Raises: msgspec.DecodeError."""
    return _report_decoder.decode(octets)


def _framed(value: ScanOrder | ScanReport) -> bytes:
    buffer = bytearray(LENGTH.size)
    _order_encoder.encode_into(value, buffer, LENGTH.size)
    LENGTH.pack_into(buffer, 0, len(buffer) - LENGTH.size)
    return bytes(buffer)
