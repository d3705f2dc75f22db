"""Rows of a file."""
