"""The second round: dbt builds and tests a side, then readers get it."""
