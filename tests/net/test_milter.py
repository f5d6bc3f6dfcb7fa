"""The milter client with fakes that behave badly, and with a real one."""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.support.engine import QUESTION, Behaviour, engine, in_loop
from tests.support.installation import short_directory
from tests.support.milter import OpenDkim

from outgate.engines.address import parse_address
from outgate.engines.interface import EngineAnswer, EngineFault
from outgate.engines.milter import HEAD_MAX, Command, packet
from outgate.mail.findings import Category
from outgate.net.engine_stream import ContentGone
from outgate.net.milter import MilterClient

HEAD = b"From: ada@alpha.example\r\nSubject: s\r\n"
NO_REPLIES = sum(command.value[2] for command in Command)


async def hear(reader: asyncio.StreamReader) -> bytes:
    [length] = struct.unpack(">I", await reader.readexactly(4))
    return await reader.readexactly(length)


def milter(heard: list[bytes], replies: dict[bytes, bytes] | None = None, flags: int = 0) -> Behaviour:
    """Goes on with everything but what `replies` has another packet for, by the command's letter."""
    special = replies or {}

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await hear(reader))[:1] == b"O"
        writer.write(packet(b"O", struct.pack(">III", 6, 0x1FF, flags)))
        silent = {command.value[0] for command in Command if flags & command.value[2]}
        while True:
            said = await hear(reader)
            heard.append(said)
            letter = said[:1]
            if letter == b"Q":
                return
            if letter != b"D" and letter not in silent:
                writer.write(special.get(letter, packet(b"c")))

    return behave


async def ask(behave: Behaviour, content: bytes | Path = HEAD + b"\r\nhello\r\n") -> EngineAnswer:
    async with engine(behave, hears_all=True) as address:
        return await MilterClient("milter", address, Category.SPAM).ask(QUESTION, content)


@pytest.mark.parametrize("flags", [0, NO_REPLIES], ids=["replies", "none"])
@pytest.mark.parametrize("length", [0, 10, 65_535, 200_000, 3_000_000])
@in_loop
async def test_milter_hears_the_whole_message_in_order(tmp_path: Path, flags: int, length: int) -> None:
    body = bytes(range(256)) * (length // 256 + 1)
    body = body[:length]
    content = HEAD + b"\r\n" + body
    (tmp_path / "content").write_bytes(content)
    for source in (content, tmp_path / "content"):
        heard: list[bytes] = []
        assert await ask(milter(heard, flags=flags), source) == EngineAnswer()
        assert [said for said in heard if said[:1] == b"L"] == [b"LFrom\0ada@alpha.example\0", b"LSubject\0s\0"]
        assert b"".join(said[1:] for said in heard if said[:1] == b"B") == body
        letters = b"".join(said[:1] for said in heard if said[:1] not in b"DB")
        assert letters == b"CHMRTLLNEQ"


@pytest.mark.parametrize(
    ("content", "fields", "body"),
    [
        (b"", 0, b""),
        (b"\r\nbody", 0, b"body"),
        (b"A: b", 1, b""),
        (b"A: b\r\n\r\n", 1, b""),
        (b"A: " + b"x" * 65_529 + b"\r\n\r\nbody", 1, b"body"),
    ],
    ids=["nothing", "no-header", "no-body", "empty-body", "long-header"],
)
@in_loop
async def test_odd_messages(content: bytes, fields: int, body: bytes) -> None:
    heard: list[bytes] = []
    assert await ask(milter(heard), content) == EngineAnswer()
    assert sum(said[:1] == b"L" for said in heard) == fields
    assert b"".join(said[1:] for said in heard if said[:1] == b"B") == body


@pytest.mark.parametrize("head", [b"A: " + b"x" * 70_000, b"a:b\r\n" * (HEAD_MAX // 4)], ids=["one-field", "all-of-it"])
@in_loop
async def test_header_that_is_too_much_is_no_fault_of_the_milter(head: bytes) -> None:
    answer = await ask(milter([]), head + b"\r\n\r\nbody")
    assert [finding.name for finding in answer.findings] == ["engine-too-large"]


@pytest.mark.parametrize("letter", [b"C", b"H", b"M", b"R", b"T", b"L", b"N", b"B", b"E"])
@in_loop
async def test_verdict_at_any_step_ends_the_talk(letter: bytes) -> None:
    heard: list[bytes] = []
    answer = await ask(milter(heard, {letter: packet(b"y", b"554 5.7.1 no\0")}))
    assert [(finding.name, finding.detail) for finding in answer.findings] == [("milter-reject", "554 5.7.1 no")]
    assert heard[-1] == b"Q"
    assert heard[-2][:1] == letter


@in_loop
async def test_milter_that_has_seen_enough_of_the_body() -> None:
    heard: list[bytes] = []
    content = HEAD + b"\r\n" + bytes(500_000)
    assert await ask(milter(heard, {b"B": packet(b"s")}), content) == EngineAnswer()
    assert sum(said[:1] == b"B" for said in heard) == 1


@in_loop
async def test_changes_are_not_made_and_quarantine_is_told() -> None:
    changes = packet(b"h", b"X-Seen\0yes\0") + packet(b"p") + packet(b"b", b"x" * 65_535) + packet(b"q", b"odd\0")
    answer = await ask(milter([], {b"E": changes + packet(b"c")}))
    assert [(finding.name, finding.detail) for finding in answer.findings] == [("milter-quarantine", "odd")]


def says(octets: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hear(reader)
        writer.write(octets)
        await writer.drain()
        writer.write_eof()
        await reader.read()

    return behave


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (b"", "connection-lost"),
        (b"220 mail.example ESMTP\r\n", "nonsense"),
        (packet(b"O", struct.pack(">III", 6, 0, 0)), "connection-lost"),
        (packet(b"O", struct.pack(">III", 6, 0, 0)) + packet(b"?"), "nonsense"),
        (b"\0\0\0\0", "nonsense"),
    ],
    ids=["nothing", "other", "cut", "garbage", "empty"],
)
@in_loop
async def test_what_is_no_answer_is_a_fault(said: bytes, cause: str) -> None:
    with pytest.raises(EngineFault) as caught:
        await ask(says(said))
    assert caught.value.cause == cause


@in_loop
async def test_one_that_is_for_ever_at_it_can_be_given_up() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hear(reader)
        writer.write(packet(b"O", struct.pack(">III", 6, 0, 0)))
        while True:
            writer.write(packet(b"p") * 1_000)
            await writer.drain()

    async with engine(endless) as address:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await MilterClient("milter", address, Category.SPAM).ask(QUESTION, HEAD)


@in_loop
async def test_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ContentGone):
        await ask(milter([]), tmp_path / "absent")


@pytest.mark.parametrize(
    ("verdict", "names", "is_undecided"),
    [
        ("accept", [], False),
        ("reject", ["milter-reject"], False),
        ("discard", ["milter-discard"], False),
        ("tempfail", [], True),
        ("quarantine", ["milter-quarantine"], False),
    ],
)
@in_loop
async def test_the_real_one(verdict: str, names: list[str], is_undecided: bool) -> None:
    with short_directory() as directory:
        opendkim = OpenDkim(directory, verdict).start()
        try:
            client = MilterClient("milter", parse_address(opendkim.address), Category.SPAM)
            answer = await client.ask(QUESTION, HEAD + b"\r\nhello\r\n")
        finally:
            opendkim.stop()
    assert [finding.name for finding in answer.findings] == names
    assert answer.is_undecided is is_undecided
