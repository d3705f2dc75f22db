"""What a run does, and what is kept of it."""
