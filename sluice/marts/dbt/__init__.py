"""All that runs dbt."""
