"""The feeds' ends in the database: documents and commands on their way to the workers, and how far these have come."""
