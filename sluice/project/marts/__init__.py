"""What sluice.toml says of the marts."""
