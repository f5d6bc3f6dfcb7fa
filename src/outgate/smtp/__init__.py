"""SMTP without I/O: grammar, sessions of server and client, the PROXY header. RFC 5321 and its extensions."""
