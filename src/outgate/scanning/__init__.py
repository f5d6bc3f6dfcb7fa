"""Scanning: what is in a message. Pure: a message in, findings out; who runs it, and for how long, is `app`'s."""
