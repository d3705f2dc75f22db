"""The program of a temporary Prefect server."""
