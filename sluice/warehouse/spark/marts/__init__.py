"""The marts in Iceberg: two sides, the views that readers have, and the one row that says which side they read."""
