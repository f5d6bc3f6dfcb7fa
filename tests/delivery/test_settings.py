"""Limits that hold by standard, or among each other."""

from outgate.delivery import settings
from outgate.delivery.settings import DeliverySettings


def test_limits_make_sense_together() -> None:
    defaults = DeliverySettings("test/1", "outgate.example")
    assert defaults.recipients_per_transaction <= 100  # what every next hop must take, RFC 5321 §4.5.3.1.8
    assert defaults.destination_connections < defaults.connections * (1 - settings.KEPT_FOR_PROVEN)
    assert defaults.destination_connections >= settings.STRANGE_CONNECTIONS_FIRST
    assert settings.BACK_OFF_FIRST_SECONDS < settings.BACK_OFF_MAX_SECONDS
    assert defaults.active_max > defaults.connections
