"""What the site shows, read from the warehouse and dbt."""
