"""Events of each run for a lineage server, in the OpenLineage standard: the night, each load, each dbt node.

Only where OPENLINEAGE_URL or an openlineage.yml names one. No run waits for it, and none fails because of it.
"""
