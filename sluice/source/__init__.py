"""A file in: addresses, downloads, formats."""
