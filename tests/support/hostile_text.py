"""Text that runs as a script wherever a page takes it for its own, and counts wherever a spreadsheet does."""


def evil(mark: str) -> str:
    """mark: where it was put in; at most ten letters. Lists show 80 characters of what mail says: it is no longer."""
    return f"=1+{mark}\"'></textarea><img src=x onerror=alert(1)><script>alert(1)</script>"
