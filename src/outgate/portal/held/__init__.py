"""Mail that waits: what people decide over it."""
