"""Who may send what: pure decisions over a snapshot of policy documents and the facts of a message."""
