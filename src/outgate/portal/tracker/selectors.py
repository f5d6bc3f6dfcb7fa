"""Reads the tracker."""

from outgate.portal.tracker.models import ShippingCursor

BEGINNING = (0, 0)


def shipping_cursor(log: str) -> tuple[int, int]:
    """How far `log` has been recorded: file and offset."""
    return ShippingCursor.objects.filter(log=log).values_list("file", "offset").first() or BEGINNING
