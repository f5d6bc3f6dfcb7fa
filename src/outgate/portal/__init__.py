"""The control plane: Django. The record of truth for policy, and what people look into. Never on a message's way."""
