"""Training: each tool is a generator of events."""
