"""Delivery status notifications: what a sender is told of mail that could not be relayed. RFC 3464. Pure."""
