"""A dbt project that has its own schemas: its packages, what of it cannot be published, its snapshots."""
