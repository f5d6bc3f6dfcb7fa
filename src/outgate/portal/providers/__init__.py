"""What is known of the providers' networks, and when their sources were and will be asked."""
