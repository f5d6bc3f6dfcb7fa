"""What became of each message, from the workers' events."""
