"""From a due message to an outcome for each recipient: order, route, attempt, retry, DSN."""
