"""Reads SPF records and checks senders against them, without asking DNS itself: RFC 7208. Pure."""
