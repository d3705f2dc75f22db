"""The manifest of what readers have, for dbt to compare with and to read from."""

from __future__ import annotations

import gzip
import json

import sqlalchemy as sa


def read(connection: sa.Connection, kept: bytes) -> bytes:
    """A build's manifest, of this database: one that was restored may have another name than when it was built."""
    manifest = json.loads(gzip.decompress(kept))
    name = connection.engine.url.database
    for node in (*manifest["nodes"].values(), *manifest["sources"].values()):
        if relation := node.get("relation_name"):  # "database"."schema"."name"
            node["relation_name"] = relation.replace(f'"{node["database"]}"', f'"{name}"', 1)
        node["database"] = name
    return json.dumps(manifest).encode()
