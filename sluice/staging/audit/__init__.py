"""The checks of a contract, applied to a loaded batch."""
