"""The database that batches are loaded into."""
