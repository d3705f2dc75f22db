"""Files that are derived from contracts."""
