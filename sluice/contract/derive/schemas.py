"""Names of the schemas that a project's data is in. Pure.

Tables are declared under the default names; the warehouse's engine translates them to the project's own
(SQLAlchemy's `schema_translate_map`), and what is written for other tools is written with the project's own.
"""

from __future__ import annotations

from dataclasses import dataclass

STAGING, QUARANTINE, OPS, MARTS = "staging", "quarantine", "ops", "marts"


@dataclass(frozen=True, slots=True)
class Schemas:
    """The schemas of one project.

    Attributes:
        staging: published rows, and a batch's rows while a run loads them.
        quarantine: rejected rows.
        ops: Sluice's own records.
        marts: the views that readers read.
        others: further schemas with such views.
        internal: schemas that dbt builds into and nobody reads; there are only their sides.
    """

    staging: str = STAGING
    quarantine: str = QUARANTINE
    ops: str = OPS
    marts: str = MARTS
    others: tuple[str, ...] = ()
    internal: tuple[str, ...] = ()

    @property
    def sides(self) -> tuple[str, str]:
        """The two schemas that dbt builds in turn; one of them is behind the views of `marts`.

        Where there are several schemas, each has two sides, and those of `marts` stand for all.
        """
        return f"{self.marts}__a", f"{self.marts}__b"

    @property
    def review(self) -> str:
        """A third side, which is never published: what `sluice diff` builds."""
        return f"{self.marts}__diff"

    @property
    def live(self) -> str:
        """What is behind the views of `marts`: nobody names it."""
        return self.behind(self.marts)

    @property
    def published(self) -> tuple[str, ...]:
        """The schemas that readers read."""
        return (self.marts, *self.others)

    @property
    def built(self) -> tuple[str, ...]:
        """The schemas that dbt builds, by the names that they have without a side."""
        return (*self.published, *self.internal)

    @property
    def of_sides(self) -> tuple[str, ...]:
        """Every schema of both sides."""
        return tuple(part for side in self.sides for part in self.parts(side))

    @property
    def all(self) -> tuple[str, ...]:
        """Every schema, sides included."""
        readers = (name for each in self.published for name in (each, self.behind(each)))
        return (self.staging, self.quarantine, self.ops, *readers, *self.of_sides)

    @property
    def translation(self) -> dict[str, str]:
        """The project's own name by the default name."""
        return {STAGING: self.staging, QUARANTINE: self.quarantine, OPS: self.ops, MARTS: self.marts}

    def behind(self, schema: str) -> str:
        """The schema behind the views of a published one."""
        return f"{schema}__live"

    def on_side(self, schema: str, side: str) -> str:
        """The schema that a side has for one that dbt builds. What is not a side, such as `dev`, has one schema."""
        return f"{schema}{side.removeprefix(self.marts)}" if side in (*self.sides, self.review) else side

    def parts(self, side: str) -> tuple[str, ...]:
        """Every schema of a side."""
        return tuple(dict.fromkeys(self.on_side(schema, side) for schema in self.built))

    def known_as(self, schema: str) -> str:
        """The name that readers know, of a schema of any side; any other schema's own."""
        sides = (*self.sides, self.review)
        return next((each for each in self.built for s in sides if self.on_side(each, s) == schema), schema)

    def mart(self, schema: str, name: str) -> str:
        """What a mart is called: by its name alone, if it is in `marts`; else with its schema."""
        return name if schema == self.marts else f"{schema}.{name}"

    def relation(self, mart: str) -> tuple[str, str]:
        """Schema and name of a mart, for readers."""
        schema, dot, name = mart.partition(".")
        return (schema, name) if dot and schema in self.others else (self.marts, mart)

    def table(self, mart: str, side: str) -> tuple[str, str]:
        """Schema and name of a mart on a side."""
        schema, name = self.relation(mart)
        return self.on_side(schema, side), name


DEFAULT = Schemas()
