"""The pages, shaped from facts."""
