"""What a check function is called with to find its SQL."""
