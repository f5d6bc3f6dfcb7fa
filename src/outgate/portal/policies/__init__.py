"""What a customer wants of scanning."""
