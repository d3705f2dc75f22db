"""Spark: a contract's checks in its SQL."""
