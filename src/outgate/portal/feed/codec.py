"""Documents and commands as octets: what stands in the database is what goes to the workers."""

import msgspec

from outgate.contract.commands import Command
from outgate.contract.policy import Document

_encoder = msgspec.msgpack.Encoder()
_document_decoder: msgspec.msgpack.Decoder[Document] = msgspec.msgpack.Decoder(Document)
_command_decoder: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)


def encode(value: Document | Command) -> bytes:
    return _encoder.encode(value)


def decode_document(octets: bytes | memoryview) -> Document:
    """Raises: one of `UNDECODABLE` (mail.encoding)."""
    return _document_decoder.decode(octets)


def decode_command(octets: bytes | memoryview) -> Command:
    """Raises: one of `UNDECODABLE` (mail.encoding)."""
    return _command_decoder.decode(octets)
