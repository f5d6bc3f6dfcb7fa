"""Who may do what, and who did what: users and the audit log."""
