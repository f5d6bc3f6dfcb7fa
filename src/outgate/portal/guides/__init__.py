"""How a customer's mail system is set up: scripts, and the proof that it works."""
