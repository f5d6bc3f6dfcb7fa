"""DSNs as messages of our own. That they come before the end of the message they are about is tried in test_rounds."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import structs
from tests.support.delivery import CONTENT, START, Clock, make_message, play
from tests.support.relay import DirectThreads

from outgate.delivery.notices import Notices, deserves_notice, owes_word
from outgate.mail.findings import ScanReport
from outgate.mail.message import Lane, Message, RecipientProgress, Status, first_progress
from outgate.spool.interface import SpoolError, SpoolFull
from outgate.spool.memory import MemorySpool


class Desk:
    def __init__(self) -> None:
        self.spool = MemorySpool(post=asyncio.get_running_loop().call_soon)
        self.submitted: list[tuple[Message, bytes | None]] = []
        self.notices = Notices(
            spool=self.spool,
            threads=DirectThreads(),
            clock=Clock(),
            host_name="outgate.example",
            new_queue_id=lambda: "0000000000NEW",
            submit=lambda message, content: self.submitted.append((message, content)),
            fault=lambda queue_id, error: None,
        )

    async def tell(
        self, message: Message, recipients: Sequence[RecipientProgress], content: bytes | None = CONTENT
    ) -> SpoolError | None:
        done: asyncio.Future[SpoolError | None] = asyncio.get_running_loop().create_future()
        self.notices.send(message, recipients, range(len(recipients)), content, done.set_result)
        error = await done
        await self.notices.wait_until_quiet()
        return error

    async def tell_held(self, message: Message) -> SpoolError | None:
        done: asyncio.Future[SpoolError | None] = asyncio.get_running_loop().create_future()
        self.notices.tell_held(message, CONTENT, done.set_result)
        error = await done
        await self.notices.wait_until_quiet()
        return error

    @property
    def text(self) -> str:
        content = self.submitted[0][1]
        assert content is not None
        return content.decode()


def failed(reply: str, next_hop: str = "mx.receiver.example [192.0.2.1]") -> RecipientProgress:
    return RecipientProgress(Status.FAILED, reply, next_hop)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"reason": "null-reverse-path", "reverse_path": ""}, False),
        ({"reason": "own-notice", "reverse_path": ""}, False),
        ({"reason": "auto-forward"}, False),
        ({"reason": "postmaster"}, False),
    ],
)
def test_who_is_told(fields: dict[str, Any], expected: bool) -> None:
    assert deserves_notice(make_message("A", **fields)) is expected


def held_message(**fields: Any) -> Message:
    """What would have been refused, had it not been for other recipients."""
    return make_message(
        "A",
        "bob@receiver.example",
        "carol@receiver.example",
        **{
            "lane": int(Lane.HELD),
            "lane_reason": "content-attachment",
            "report": ScanReport(action="reject", reason="content-attachment"),
            **fields,
        },
    )


@pytest.mark.parametrize(
    ("fields", "changes", "expected"),
    [
        ({}, {}, True),
        ({}, {"told": True}, False),
        ({}, {"held": False}, False),
        ({}, {"attempts": 1}, False),
        ({"report": ScanReport(action="hold")}, {}, False),
        ({"lane": 0}, {"held": True}, False),
        ({"reason": "auto-forward"}, {}, False),
        ({"reverse_path": ""}, {}, False),
    ],
)
def test_who_is_told_that_a_message_is_held(fields: dict[str, Any], changes: dict[str, Any], expected: bool) -> None:
    message = held_message(**fields)
    assert owes_word(message, structs.replace(first_progress(message), **changes)) is expected


def test_notice_of_what_is_held_says_so() -> None:
    async def scenario() -> None:
        desk = Desk()
        assert await desk.tell_held(held_message()) is None
        assert desk.submitted[0][0].subject == "Your message is held"
        text = desk.text
        assert text.count("Action: delayed\r\nStatus: 4.7.1\r\nDiagnostic-Code: x-outgate; 450 4.7.1 content-att") == 2
        assert "Held for:\r\n    bob@receiver.example\r\n    carol@receiver.example\r\n" in text
        assert "failed" not in text
        assert "Subject: hello\r\n" in text

    play(scenario)


def test_a_notice_is_a_message_of_our_own_and_durable_before_it_is_submitted() -> None:
    async def scenario() -> None:
        desk = Desk()
        assert await desk.tell(make_message("A"), [failed("550 5.1.1 no such user")]) is None
        ((notice, content),) = desk.submitted
        assert content is not None
        assert notice.queue_id == "0000000000NEW"
        assert notice.customer_id == ""
        assert notice.reverse_path.is_null
        assert [path.text for path in notice.forward_paths] == ["alice@alpha.example"]
        assert notice.reason == "own-notice"
        assert notice.received_at == START
        assert notice.size_octets == len(content)
        assert notice.needs == 0
        assert list(desk.spool.disk.messages) == ["0000000000NEW"]

    play(scenario)


@pytest.mark.parametrize(
    ("reply", "next_hop", "field", "why"),
    [
        ("550 5.1.1 no", "mx.example [192.0.2.1]", "smtp; 550 5.1.1 no", "The next hop refused"),
        ("550 no code", "mx.example [192.0.2.1]", "smtp; 550 no code", "The next hop refused"),
        ("550 5.1.2 domain-not-found: x", "", "x-outgate; 550 5.1.2 domain-not-found: x", "DNS says"),
        ("550 5.4.7 expired: was 451", "", "x-outgate; 550 5.4.7 expired: was 451", "was tried again and again"),
        ("550 expired: a liar", "mx.example [192.0.2.1]", "smtp; 550 expired: a liar", "The next hop refused"),
        ("550 unheard-of: x", "", "x-outgate; 550 unheard-of: x", "The next hop refused"),
    ],
)
def test_the_reason_is_explained_and_nobodys_words_are_anothers(
    reply: str, next_hop: str, field: str, why: str
) -> None:
    async def scenario() -> None:
        desk = Desk()
        await desk.tell(make_message("A"), [failed(reply, next_hop)])
        assert f"Diagnostic-Code: {field}\r\n" in desk.text
        assert why in desk.text.replace("\r\n", " ")

    play(scenario)


@pytest.mark.parametrize("is_hot", [True, False])
def test_the_header_of_the_original_is_inside(is_hot: bool) -> None:
    async def scenario() -> None:
        desk = Desk()
        message = make_message("A")
        desk.spool.accept(message, CONTENT, lambda error: None)
        await desk.tell(message, [failed("550 no")], CONTENT if is_hot else None)
        assert "Subject: hello\r\n" in desk.text
        assert "\r\nHello\r\n" not in desk.text

    play(scenario)


def test_a_content_that_cannot_be_read_is_no_reason_to_stay_silent() -> None:
    async def scenario() -> None:
        desk = Desk()
        assert await desk.tell(make_message("A"), [failed("550 5.1.1 no")], None) is None
        assert "Final-Recipient: rfc822; bob@receiver.example" in desk.text

    play(scenario)


def test_without_room_nothing_is_submitted() -> None:
    async def scenario() -> None:
        desk = Desk()
        desk.spool.fail_next(SpoolFull("no room"))
        assert isinstance(await desk.tell(make_message("A"), [failed("550 no")]), SpoolFull)
        assert not desk.submitted

    play(scenario)
