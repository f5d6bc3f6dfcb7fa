"""The portal's pages: HTTP to services and selectors, and back. Loaded by the web server's process only."""
