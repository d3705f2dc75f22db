"""What the property test of the two ways draws (rules, frames) and how each way judges it."""
