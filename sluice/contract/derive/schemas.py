"""Names of the schemas that a project's data is in. Pure.

Tables are declared under the default names; the warehouse's engine translates them to the project's own
(SQLAlchemy's `schema_translate_map`), and what is written for other tools is written with the project's own.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

STAGING, QUARANTINE, OPS, MARTS = "staging", "quarantine", "ops", "marts"


@dataclass(frozen=True, slots=True)
class Schemas:
    """The schemas of one project.

    Attributes:
        staging: published rows, and a batch's rows while a run loads them.
        quarantine: rejected rows.
        ops: Sluice's own records.
        marts: the views that readers read.
    """

    staging: str = STAGING
    quarantine: str = QUARANTINE
    ops: str = OPS
    marts: str = MARTS

    @property
    def sides(self) -> tuple[str, str]:
        """The two schemas that dbt builds in turn; one of them is behind the views of `marts`."""
        return f"{self.marts}__a", f"{self.marts}__b"

    @property
    def live(self) -> str:
        """What is behind the views of `marts`: nobody names it."""
        return f"{self.marts}__live"

    @property
    def all(self) -> tuple[str, ...]:
        """Every schema, sides included."""
        return (self.staging, self.quarantine, self.ops, self.marts, self.live, *self.sides)

    @property
    def translation(self) -> dict[str, str]:
        """The project's own name by the default name."""
        return asdict(self)


DEFAULT = Schemas()
