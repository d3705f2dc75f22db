"""Every table of the schema `ops`."""
