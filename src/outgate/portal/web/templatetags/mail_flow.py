"""The way of mail as a drawing: boxes and arrows, side by side for a screen and one below the other for a phone.

Both are drawn, and the style sheet shows the one that fits: a drawing that shrinks with its page has letters that
nobody can read on a phone. Lengths are pixels of a drawing that is not shrunk, which the style sheet sees to. Colours
are its business too.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from django import template

register = template.Library()

WIDE: Final = 760  # fits where the style sheet shows it, beside the margins of a page of 800
NARROW: Final = 280  # fits into a window of 320
GAP: Final = 34  # between boxes, for an arrow
DROP: Final = 34  # the same from top to bottom
LANE: Final = 78  # beside the boxes of the narrow one, for what goes past Outgate
ABOVE: Final = 46  # over the boxes of the wide one, for the same
OURS: Final = 1.25  # times as wide as the others, since it has the longest text
PADDING: Final = 12  # above and below the text of a box
TITLE_HEIGHT: Final = 20
LINE_HEIGHT: Final = 17
BASELINE: Final = 14  # of a line, from its top
LETTER: Final = 7.3  # how wide a letter of 13 pixels is, with room for the wide ones
LABEL_LETTER: Final = 6.8  # the same of 12 pixels
LINES_MAX: Final = 4  # of the text of a box; a host name may have 253 characters, and stands in full in the guide


@dataclass(frozen=True, slots=True)
class Box:
    name: str
    says: str = ""
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """before: the boxes that mail comes through. past: what the last of them sends to the recipients itself, if
    anything. detour: what that one hands mail to, and takes it back from; detour_by: what of it does so."""

    before: tuple[Box, ...]
    ours: Box
    recipients: Box
    past: str = ""
    detour: Box | None = None
    detour_by: str = ""

    def told(self) -> str:
        """For who does not see it."""
        first, last = self.before[0], self.before[-1]
        through = f"through {last.name} " if last is not first else ""
        text = f"{first.name}: mail to outside goes {through}to Outgate ({self.ours.says}), and on to its recipients."
        if self.detour is not None:
            text += f" Before, {last.name} hands it to {self.detour.name}, which {self.detour.says}, and takes it back."
        if self.past:
            text += f" {self.past[0].upper()}{self.past[1:]} goes from {last.name} to its recipients directly."
        return text


@dataclass(slots=True)
class Drawn:
    """kind: "wide" or "narrow", the name of its looks."""

    kind: str
    width: int
    height: int = 0
    boxes: list[dict[str, Any]] = field(default_factory=list)
    arrows: list[str] = field(default_factory=list)
    past: tuple[str, str] | None = None  # a dashed line and the head of an arrow, which is not
    label: list[dict[str, Any]] = field(default_factory=list)

    def add(self, box: Box, x: int, y: int, width: int, height: int) -> None:
        lines = wrapped(box.says, width - PADDING, LETTER)
        top = y + (height - text_height(box, width)) // 2 + PADDING
        middle = x + width // 2
        self.boxes.append(
            {
                "name": box.name,
                "is_ours": box.is_ours,
                "x": x,
                "y": y,
                "width": width,
                "height": height,
                "middle": middle,
                "name_y": top + BASELINE,
                "lines": placed(lines, middle, top + TITLE_HEIGHT),
            }
        )
        self.height = max(self.height, y + height + 2)  # and half of its line

    def across(self, x: int, y: int, to: int) -> None:
        self.arrows.append(f"M{x} {y}H{to}m-7 -5l7 5l-7 5")

    def down(self, x: int, y: int, to: int) -> None:
        sign = 1 if to > y else -1
        self.arrows.append(f"M{x} {y}V{to}m-5 {-7 * sign}l5 {7 * sign}l5 {-7 * sign}")


def wide(way: Way) -> Drawn:
    drawn = Drawn("wide", WIDE)
    chain = (*way.before, way.ours, way.recipients)
    share = (WIDE - 4 - GAP * (len(chain) - 1)) / (len(chain) - 1 + OURS)
    widths = [int(share * OURS) if box.is_ours else int(share) for box in chain]
    top = ABOVE if way.past else 2
    height = max(text_height(box, width) for box, width in zip(chain, widths, strict=True))
    x, middles = 2, []
    for number, (box, width) in enumerate(zip(chain, widths, strict=True)):
        if number:
            drawn.across(x - GAP + 4, top + height // 2, x - 4)
        drawn.add(box, x, top, width, height)
        middles.append(x + width // 2)
        x += width + GAP
    last = len(way.before) - 1
    if way.past:
        start, end, line = middles[last], middles[-1], 24
        corners = f"Q{start} {line} {start + 8} {line}H{end - 8}Q{end} {line} {end} {line + 8}"
        drawn.past = (
            f"M{start} {top - 3}V{line + 8}{corners}V{top - 5}",
            f"M{end - 5} {top - 11}L{end} {top - 4}L{end + 5} {top - 11}",
        )
        drawn.label = placed([way.past], (start + end) // 2, 2)
    if way.detour is not None:
        below = top + height + GAP
        left = drawn.boxes[last]["x"]
        drawn.add(way.detour, left, below, widths[last], text_height(way.detour, widths[last]))
        drawn.down(middles[last] - 16, top + height + 4, below - 4)
        drawn.down(middles[last] + 16, below - 4, top + height + 4)
    return drawn


def narrow(way: Way) -> Drawn:
    drawn = Drawn("narrow", NARROW)
    *first, last = way.before
    there = () if way.detour is None else (Box(last.name, way.detour_by), way.detour)
    chain = (*first, *there, last, way.ours, way.recipients)
    width = NARROW - 4 - (LANE if way.past else 0)
    y, middles = 2, []
    for number, box in enumerate(chain):
        height = text_height(box, width)
        if number:
            drawn.down(2 + width // 2, y - DROP + 4, y - 4)
        drawn.add(box, 2, y, width, height)
        middles.append(y + height // 2)
        y += height + DROP
    if way.past:
        start, end, edge, line = middles[-3], middles[-1], 2 + width, NARROW - 4
        corners = f"Q{line} {start} {line} {start + 8}V{end - 8}Q{line} {end} {line - 8} {end}"
        drawn.past = (
            f"M{edge + 3} {start}H{line - 8}{corners}H{edge + 5}",
            f"M{edge + 11} {end - 5}L{edge + 4} {end}L{edge + 11} {end + 5}",
        )
        lines = wrapped(way.past, line - edge - 8, LABEL_LETTER)
        drawn.label = placed(lines, (edge + line) // 2, middles[-2] - len(lines) * LINE_HEIGHT // 2)
    return drawn


def text_height(box: Box, width: int) -> int:
    """How high a box of this width has to be."""
    return 2 * PADDING + TITLE_HEIGHT + LINE_HEIGHT * len(wrapped(box.says, width - PADDING, LETTER))


def placed(lines: list[str], x: int, top: int) -> list[dict[str, Any]]:
    return [{"x": x, "y": top + BASELINE + LINE_HEIGHT * number, "text": line} for number, line in enumerate(lines)]


def wrapped(text: str, width: int, letter: float) -> list[str]:
    """In lines of at most so many pixels, parted at blanks, and behind the dots and hyphens of a host name."""
    room = max(1, int(width / letter))
    lines = [""]
    for piece in re.findall(r"[^\s.-]*[.-]|[^\s.-]+\s*|\s+", text):
        if len(lines[-1] + piece.rstrip()) > room and lines[-1]:
            lines.append("")
        while len(piece.rstrip()) > room:
            lines[-1], piece = piece[:room], piece[room:]
            lines.append("")
        lines[-1] += piece
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) > LINES_MAX:
        lines = [*lines[: LINES_MAX - 1], f"{lines[LINES_MAX - 1][: room - 1]}…"]
    return lines


@register.inclusion_tag("web/guides/flow.html")
def mail_flow(smarthost: str, people: str, platform: str = "", **more: str) -> dict[str, Any]:
    """people: who writes; platform: what hands mail to Outgate, if that is something else. more: says (of the first),
    by (what of the platform does it), past, detour, detour_says, detour_by: see `Way`."""
    before = [Box(people, more.get("says", "mail to outside"))]
    if platform:
        before.append(Box(platform, more.get("by", "")))
    detour = Box(more["detour"], more.get("detour_says", "")) if "detour" in more else None
    ours = Box("Outgate", smarthost or "no name yet", is_ours=True)
    recipients = Box("Recipients", "anywhere outside")
    way = Way(tuple(before), ours, recipients, more.get("past", ""), detour, more.get("detour_by", ""))
    return {"drawings": (wide(way), narrow(way)), "told": way.told()}
