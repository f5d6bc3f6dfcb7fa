"""What scanning engines of others say on the wire, and what is made of it. Pure; `net` moves the octets."""
