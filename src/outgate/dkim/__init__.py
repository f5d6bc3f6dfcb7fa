"""DKIM signatures: read, hash, judge. Pure: keys and the time are arguments. RFC 6376, RFC 8301, RFC 8463."""
