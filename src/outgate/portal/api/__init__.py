"""The HTTP API `/api/v1`: for programs, with keys. The same selectors and services as the pages."""
