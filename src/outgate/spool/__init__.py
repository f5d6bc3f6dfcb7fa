"""The durable queue's storage: interface, segments on disk, memory. The only package that calls fsync."""
