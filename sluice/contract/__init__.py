"""What a dataset must be. Pure: no orchestrator, no connection, no network."""
