"""Delivery status notifications. Pure."""
