"""Sockets, TLS, DNS, clock: implements what the other packages declare. Moves octets and knows no policy."""
