"""Models that keep their rows from one build to the next: what a side starts from."""
