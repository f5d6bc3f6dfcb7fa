"""The processes, one a file, and how they are wired. Only here are settings read and implementations chosen."""
