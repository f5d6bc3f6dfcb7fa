"""What a customer may send and how: domains, sources, sender relays, auto forwards, and the switch."""
