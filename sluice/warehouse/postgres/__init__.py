"""The only folder that speaks PostgreSQL."""
