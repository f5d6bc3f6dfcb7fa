"""The vocabulary of mail (RFC 5321, RFC 5598): paths, replies, messages. Pure; imports nothing of Outgate."""
