"""SMTP without I/O: grammar, the server's session, the client's session, the PROXY header. RFC 5321 and its extensions."""
