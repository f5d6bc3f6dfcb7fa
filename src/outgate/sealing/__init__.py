"""Seals held content, so that what lies in a worker's store cannot be read there: by whoever holds the disk, a backup
of it, or the worker's account. `keys` is for the key of one content, `content` for the content itself."""
