"""Rows that Python code gives, kept in a file so that they pass through the same readers and guards."""
