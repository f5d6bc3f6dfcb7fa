"""What the SPF records of customers' domains say of our sending addresses: asked, kept, told."""
