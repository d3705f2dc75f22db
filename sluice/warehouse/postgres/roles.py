"""The users of a warehouse, and what each may do: made, granted, and given what is theirs. In the caller's transaction.

The loader, as which runs work, owns what Sluice writes, and is a member of the transformer: it drops old tables of a
side, points views to new ones, and ends sessions. The transformer, as which dbt works, owns the two sides, and reads
published rows and the ledger, but no rejected row and no audited one. The reader reads the views of the marts alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

import sqlalchemy as sa
from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from sluice.contract.derive.schemas import Schemas
from sluice.contract.errors import ConfigError
from sluice.contract.formatting import MASK
from sluice.warehouse.postgres.session import execute

LOCK_WAIT = "20s"  # for a table whose owner changes, while somebody reads it
# Everything that has an owner, and what has the one of something else: sequences of columns, parts of extensions
OBJECTS = """
owned(class, oid, owner, namespace) AS (
    SELECT CAST('pg_namespace' AS regclass), oid, nspowner, oid FROM pg_namespace WHERE nspname !~ '^pg_'
    UNION ALL SELECT CAST('pg_class' AS regclass), oid, relowner, relnamespace FROM pg_class
        WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND relpersistence <> 't'
    UNION ALL SELECT CAST('pg_proc' AS regclass), oid, proowner, pronamespace FROM pg_proc
    UNION ALL SELECT CAST('pg_type' AS regclass), t.oid, typowner, typnamespace FROM pg_type t
        LEFT JOIN pg_class c ON c.oid = typrelid WHERE typtype IN ('d', 'e', 'r') OR c.relkind = 'c'
),
of_others AS (
    SELECT classid, objid FROM pg_depend d LEFT JOIN pg_class c ON d.classid = CAST('pg_class' AS regclass)
        AND c.oid = d.objid WHERE deptype = 'e' OR (c.relkind = 'S' AND deptype IN ('a', 'i'))
)
"""
NOT_THEIRS = sa.text(
    """
WITH OBJECTS SELECT replace(i.type, 'composite ', '') || ' ' || i.identity
FROM owned, pg_identify_object(class, owned.oid, 0) i
WHERE namespace IN (SELECT oid FROM pg_namespace WHERE nspname = :schema)
    AND owner <> (SELECT oid FROM pg_roles WHERE rolname = :role) AND (class, owned.oid) NOT IN (TABLE of_others)
ORDER BY class <> CAST('pg_namespace' AS regclass), 1
""".replace("OBJECTS", OBJECTS)
)
# What a user may not read of a schema yet; of partitions only the whole
UNREAD = sa.text("""
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = :schema AND c.relkind = ANY(:kinds) AND NOT c.relispartition
    AND NOT has_table_privilege(:role, c.oid, 'SELECT') ORDER BY 1
""")
MAY_NOT_READ = sa.text("""
SELECT DISTINCT CAST(pg_get_userbyid(s.nspowner) AS text) FROM pg_namespace s, pg_class c
WHERE s.nspname = ANY(:sides) AND c.relname = :name AND s.nspowner <> c.relowner
    AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = :staging)
    AND has_schema_privilege(s.nspowner, c.relnamespace, 'USAGE')
    AND NOT has_table_privilege(s.nspowner, c.oid, 'SELECT')
""")
BY_DEFAULT = sa.text("""
SELECT EXISTS (
    SELECT FROM pg_default_acl d, aclexplode(defaclacl) a WHERE defaclobjtype = 'r' AND privilege_type = 'SELECT'
    AND defaclrole = (SELECT oid FROM pg_roles WHERE rolname = :owner)
    AND grantee = (SELECT oid FROM pg_roles WHERE rolname = :role)
    AND defaclnamespace = (SELECT oid FROM pg_namespace WHERE nspname = :schema)
)
""")
ATTRIBUTES = sa.text(
    "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls FROM pg_roles "
    "WHERE rolname = :role"
)
# Whether the user of this session may grant a role, or take it away
MAY_GRANT = sa.text("""
SELECT rolsuper OR pg_has_role(CAST(:role AS name), 'MEMBER WITH ADMIN OPTION')
    OR (rolcreaterole AND CAST(current_setting('server_version_num') AS integer) < 160000)
FROM pg_roles WHERE rolname = current_user
""")
HAS_ROLE = sa.text("SELECT pg_has_role(CAST(:member AS name), CAST(:role AS name), 'USAGE')")
STATISTICS, ALL_DATA = "pg_read_all_stats", "pg_read_all_data"


@dataclass(frozen=True, slots=True)
class Roles:
    """Names of the three users of a warehouse."""

    loader: str
    transformer: str
    reader: str

    @property
    def all(self) -> tuple[str, ...]:
        return astuple(self)

    def owner_of(self, schema: str, schemas: Schemas) -> str:
        """Whose a schema is, with everything in it."""
        return self.transformer if schema in schemas.of_sides else self.loader


@dataclass(frozen=True, slots=True)
class Separation:
    """What is done to a warehouse, so that each user has what it needs and no more. Done again, it does nothing.

    Attributes:
        statements: what was run, without passwords.
    """

    connection: sa.Connection
    schemas: Schemas
    roles: Roles
    statements: list[str] = field(default_factory=list)

    def users(self, passwords: Mapping[str, str], former: str | None = None) -> None:
        """Make the users that are missing, and grant what they need of the server and the database.

        Args:
            passwords: by name, for those that are made; one that exists keeps its own.
            former: who owned the warehouse before; it keeps its rights there.

        Raises:
            ConfigError: one of them may do more than it should.
        """
        loader, transformer, reader = self.roles.all
        for role in self.roles.all:
            self._make(role, passwords.get(role, ""))
        user = str(self.connection.scalar(sa.text("SELECT current_user")))
        for member in (loader, former, user):
            for role in (transformer, loader):
                if member not in (None, role) and not self._has(str(member), role):
                    self._do("GRANT {} TO {}", role, str(member))
        # A publish waits for the transactions of others that would find the marts empty
        if not self._has(loader, STATISTICS) and self._may_grant(STATISTICS):
            self._do("GRANT {} TO {}", STATISTICS, loader)
        if self._has(reader, ALL_DATA) and self._may_grant(ALL_DATA):
            self._do("REVOKE {} FROM {}", ALL_DATA, reader)
        needed = {loader: ("CONNECT", "CREATE", "TEMPORARY"), transformer: ("CONNECT", "TEMPORARY")}
        for role, rights in {**needed, reader: ("CONNECT",)}.items():
            self._on_database(role, rights)

    def contents(self) -> None:
        """Give each user the schemas that are its own, and the rights to read those of others, also of what will come.

        Raises:
            psycopg2.Error: as the driver raises it.
        """
        _, transformer, reader = self.roles.all
        for schema in self.schemas.all:
            self._give(schema, self.roles.owner_of(schema, self.schemas))
        self._may_read(transformer, self.schemas.staging, kinds="p", to_come=False)  # each table when it is made
        self._may_read(transformer, self.schemas.ops, kinds="r", to_come=True)
        for schema in self.schemas.published:
            self._may_read(reader, schema, kinds="v", to_come=True)

    def _give(self, schema: str, role: str) -> None:
        """Let a schema with everything in it belong to a user."""
        closed = False
        for thing in not_theirs(self.connection, schema, role):
            if not closed and thing.split()[0] != "schema" and not self._on_schema(role, schema, "CREATE"):
                self._do("GRANT CREATE ON SCHEMA {} TO {}", schema, role)  # of a side that is live, its owner lacks it
                closed = True
            self._do(f"ALTER {thing.replace('{', '{{').replace('}', '}}')} OWNER TO {{}}", role)
        if closed:
            self._do("REVOKE CREATE ON SCHEMA {} FROM {}", schema, role)

    def _make(self, role: str, password: str) -> None:
        may_more = self.connection.scalar(ATTRIBUTES, {"role": role})
        if may_more:
            raise ConfigError(
                f"the user {role!r} is a superuser, or may make databases or users, so no right binds it. Nothing was "
                "changed. Name another user, or take that from it"
            )
        if may_more is not None:
            return
        self._do("CREATE ROLE {} LOGIN", role)
        if role == self.roles.reader:
            self._do("ALTER ROLE {} SET default_transaction_read_only = on", role)
        if password:
            driver = self.connection.connection.driver_connection
            verifier = sql.Literal(encrypt_password(password, role, driver, "scram-sha-256"))
            change = sql.SQL("ALTER ROLE {} PASSWORD {}")
            execute(self.connection, change.format(sql.Identifier(role), verifier))
            self._note(change.format(sql.Identifier(role), sql.Literal(MASK)))

    def _on_database(self, role: str, rights: tuple[str, ...]) -> None:
        may = sa.text("SELECT has_database_privilege(:role, current_database(), :right)")
        missing = [each for each in rights if not self.connection.scalar(may, {"role": role, "right": each})]
        if missing:
            name = str(self.connection.scalar(sa.text("SELECT current_database()")))
            self._do(f"GRANT {', '.join(missing)} ON DATABASE {{}} TO {{}}", name, role)

    def _may_read(self, role: str, schema: str, kinds: str, to_come: bool) -> None:
        if not self._on_schema(role, schema, "USAGE"):
            self._do("GRANT USAGE ON SCHEMA {} TO {}", schema, role)
        unread = {"schema": schema, "role": role, "kinds": list(kinds)}
        for name in self.connection.scalars(UNREAD, unread).all():
            statement = sql.SQL("GRANT SELECT ON {} TO {}").format(sql.Identifier(schema, name), sql.Identifier(role))
            execute(self.connection, statement)
            self._note(statement)
        facts = {"owner": self.roles.loader, "role": role, "schema": schema}
        if to_come and not self.connection.scalar(BY_DEFAULT, facts):
            default = "ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {} GRANT SELECT ON TABLES TO {}"
            self._do(default, self.roles.loader, schema, role)

    def _on_schema(self, role: str, schema: str, right: str) -> bool:
        may = sa.text("SELECT has_schema_privilege(:role, CAST(:schema AS text), :right)")
        return bool(self.connection.scalar(may, {"role": role, "schema": schema, "right": right}))

    def _has(self, member: str, role: str) -> bool:
        """Whether it is a member that needs no SET ROLE; a superuser is one of every role."""
        return bool(self.connection.scalar(HAS_ROLE, {"member": member, "role": role}))

    def _may_grant(self, role: str) -> bool:
        return bool(self.connection.scalar(MAY_GRANT, {"role": role}))

    def _do(self, statement: str, *names: str) -> None:
        composed = sql.SQL(statement).format(*map(sql.Identifier, names))
        execute(self.connection, composed)
        self._note(composed)

    def _note(self, statement: sql.Composable) -> None:
        driver: Any = self.connection.connection.driver_connection
        self.statements.append(statement.as_string(driver))


def not_theirs(connection: sa.Connection, schema: str, role: str) -> list[str]:
    """What belongs to somebody else in a schema, as ALTER names it: `table staging.orders`; the schema comes first."""
    return list(connection.scalars(NOT_THEIRS, {"schema": schema, "role": role}))


def let_sides_read(connection: sa.Connection, schemas: Schemas, dataset_id: str) -> None:
    """Let the owner of the sides read a table of `staging`, where that is another user than owns the table.

    Not by default privileges, which would show it the rows that are still being audited, too.
    """
    for role in connection.scalars(
        MAY_NOT_READ, {"sides": list(schemas.of_sides), "staging": schemas.staging, "name": dataset_id}
    ).all():
        grant = sql.SQL("GRANT SELECT ON {} TO {}")
        execute(connection, grant.format(sql.Identifier(schemas.staging, dataset_id), sql.Identifier(role)))


def exists(connection: sa.Connection, role: str) -> bool:
    """Whether the server has such a user."""
    return bool(connection.scalar(sa.text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :r)"), {"r": role}))


def owners_of(connection: sa.Connection, schemas: Sequence[str]) -> set[str]:
    """Who owns those of the schemas that there are."""
    query = sa.text("SELECT CAST(pg_get_userbyid(nspowner) AS text) FROM pg_namespace WHERE nspname = ANY(:schemas)")
    return set(connection.scalars(query, {"schemas": list(schemas)}))
