"""The tabs of a customer's Settings."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Tab:
    """view: name of its address. more: names of further addresses that belong to it."""

    view: str
    title: str
    more: frozenset[str] = frozenset()

    def has(self, view: str) -> bool:
        return view == self.view or view in self.more


SETTINGS: Final = (
    Tab("general", "General", frozenset({"delete-customer"})),
    Tab("outbound", "Outbound Smarthost"),
    Tab("guides", "Set-up guides", frozenset({"guide"})),
    Tab("policies", "Policies"),
    Tab("access", "Access"),
)


def settings_tab(view: str) -> Tab | None:
    """The tab that an address belongs to."""
    return next((tab for tab in SETTINGS if tab.has(view)), None)
