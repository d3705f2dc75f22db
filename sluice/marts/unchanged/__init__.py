"""Which nodes of the dbt project a side has already, built from exactly what they would be built from now."""
