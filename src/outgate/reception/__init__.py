"""From a session's events to an accepted, spooled message: asks policy, keeps the content, promises the 250."""
