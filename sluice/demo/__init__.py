"""Demo deliveries."""
