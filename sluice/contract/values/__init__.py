"""Cells and types: text to typed values, exactly."""
