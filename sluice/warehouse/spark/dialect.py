"""The traced checks of contracts in the SQL of Spark 3.5. Pure: compiles, imports nothing of Spark.

An expression means the same as on PostgreSQL in a session with the settings of SETTINGS, or is refused (NotInSpark).
docs/decisions/0050-checks-on-spark.md says what differs between the two, and how it was found.
"""

# ruff: noqa: ARG002 - SQLAlchemy's compilers hand over more than is asked for
from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.sql import operators
from sqlalchemy.sql.compiler import GenericTypeCompiler, IdentifierPreparer, SQLCompiler

from sluice.contract.checks.compile import Check
from sluice.contract.checks.keys import OF_KEYS, query_of
from sluice.contract.contract import Contract
from sluice.warehouse.spark.patterns import java_pattern

# What a session must have, or an expression means something else.
SETTINGS = {
    "spark.sql.ansi.enabled": "true",  # an overflow is an error, not null
    "spark.sql.session.timeZone": "UTC",  # parts and differences of times with a zone are taken in it
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",  # a product of decimals is exact, or an error
    "spark.sql.parser.escapedStringLiterals": "false",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",  # dates before 1582 are what the file says
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
}

LARGEST = "1.7976931348623157E308D"
ARITHMETIC = (operators.add, operators.sub, operators.mul, operators.truediv)
EQUAL_JSON = "it is not known which JSON values are equal"
_PRECISION = 38  # most digits of a decimal


class NotInSpark(Exception):
    """Spark has nothing that is known to mean the same."""


def spark_sql(expression: sa.ClauseElement) -> str:
    """An expression of a check as Spark reads it, with its values.

    Raises:
        NotInSpark: it has no known equal there.
    """
    return str(expression.compile(dialect=SparkDialect(), compile_kwargs={"literal_binds": True}))


def sql_of(check: Check, contract: Contract) -> str | None:
    """The SQL of a check, None if it runs in pandas; in the forms of sluice/contract/checks/version.py.

    Raises:
        NotInSpark: it has no known equal there.
    """
    if check.kind == "pandas":
        return None
    if check.kind not in OF_KEYS:
        return spark_sql(check.passes)
    if any(column.type.name == "json" and column.name in check.columns for column in contract.columns):
        raise NotInSpark(EQUAL_JSON)
    return spark_sql(query_of(check))


class _Types(GenericTypeCompiler):
    def visit_TEXT(self, type_: Any, **kw: Any) -> str:
        return "STRING"

    def visit_datetime(self, type_: Any, **kw: Any) -> str:
        return "TIMESTAMP" if type_.timezone else "TIMESTAMP_NTZ"

    def visit_NUMERIC(self, type_: Any, **kw: Any) -> str:
        if type_.precision is None:
            raise NotInSpark("a decimal of any size")
        return f"DECIMAL({type_.precision}, {type_.scale})"

    def visit_time(self, type_: Any, **kw: Any) -> str:
        return "BIGINT"  # microseconds since midnight: Spark 3.5 has no time of day

    def visit_uuid(self, type_: Any, **kw: Any) -> str:
        return "BINARY"

    def visit_large_binary(self, type_: Any, **kw: Any) -> str:
        return "BINARY"

    def visit_JSONB(self, type_: Any, **kw: Any) -> str:
        return "STRING"


class _Names(IdentifierPreparer):
    """Every name in backquotes: which words are taken depends on settings."""

    def __init__(self, dialect: Any) -> None:
        super().__init__(dialect, initial_quote="`")

    def _requires_quotes(self, value: str) -> bool:
        return True


class _Expressions(SQLCompiler):
    def visit_binary(self, binary: Any, *given: Any, **kw: Any) -> str:
        if binary.operator not in (operators.is_, operators.is_not):
            _refuse_json(binary.left, binary.right)
        return str(super().visit_binary(binary, *given, **kw))

    def visit_unary(self, unary: Any, *given: Any, **kw: Any) -> str:
        if unary.operator is operators.distinct_op:
            _refuse_json(unary.element)
        return str(super().visit_unary(unary, *given, **kw))

    def visit_collate_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """Spark compares texts by their bytes in UTF-8, which is the order of code points: COLLATE "C"."""
        return self.process(binary.left, **kw)

    def visit_regexp_match_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        pattern = self.render_literal_value(java_pattern(binary.right.value), sa.Text())
        return f"{self.process(binary.left, **kw)} RLIKE {pattern}"

    def visit_not_regexp_match_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return f"NOT {self.visit_regexp_match_op_binary(binary, operator, **kw)}"

    # -- numbers ---------------------------------------------------------------------------------------

    def _generate_generic_binary(self, binary: Any, opstring: str, *given: Any, **kw: Any) -> str:
        """What arithmetic of doubles made is looked at before it is used in more of it.

        An infinity minus another is NaN, which is larger than all on Spark. PostgreSQL raises before that.
        """
        if binary.operator in ARITHMETIC and _is_double(binary.type):
            parts = [self._finite(part, **kw) for part in (binary.left, binary.right)]
            return opstring.join(parts)
        return str(super()._generate_generic_binary(binary, opstring, *given, **kw))

    def visit_truediv_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return self._generate_generic_binary(binary, " / ", **kw)

    def _finite(self, part: Any, **kw: Any) -> str:
        text = self.process(part, **kw)
        return _checked(text) if _is_computed_double(part) else text

    def visit_avg_func(self, function: Any, **kw: Any) -> str:
        """The exact total as a double, by the number of values: Spark's own adds doubles, or rounds to six digits."""
        [value] = function.clauses
        text = self.process(value, **kw)
        if _is_double(value.type):
            return _checked(f"avg({text})")
        if isinstance(value.type, sa.Numeric):  # in millionths, so that the one division rounds and nothing else
            return f"CAST(sum({text}) * 1000000 AS DOUBLE) / (count({text}) * 1000000)"
        return f"CAST(sum(CAST({text} AS DECIMAL({_PRECISION}, 0))) AS DOUBLE) / count({text})"

    def visit_sum_func(self, function: Any, **kw: Any) -> str:
        [value] = function.clauses
        text = self.process(value, **kw)
        if _is_double(value.type):
            return _checked(f"sum({text})")
        if isinstance(value.type, sa.Integer):  # PostgreSQL's sum of integers has no limit
            text = f"CAST({text} AS DECIMAL({_PRECISION}, 0))"
        return f"sum({text})"

    # -- times -----------------------------------------------------------------------------------------

    def visit_timezone_func(self, function: Any, **kw: Any) -> str:
        """The local time in UTC, the zone of the session."""
        zone, moment = function.clauses
        if zone.value != "UTC":
            raise NotInSpark(f"the local time of {zone.value}")
        return f"CAST({self.process(moment, **kw)} AS TIMESTAMP_NTZ)"

    def visit_extract(self, extract: Any, **kw: Any) -> str:
        text = self.process(extract.expr, **kw)
        if extract.field == "epoch":  # of an interval
            days, hours, minutes, seconds = (f"EXTRACT({part} FROM {text})" for part in _PARTS)
            whole = f"CAST({days} AS BIGINT) * 86400 + {hours} * 3600 + {minutes} * 60"
            return f"({whole} + {seconds})"
        return f"EXTRACT({_FIELDS.get(extract.field, extract.field)} FROM {text})"

    # -- values ----------------------------------------------------------------------------------------

    def render_literal_value(self, value: Any, type_: Any) -> str:
        match value:
            case None | bool():
                return {None: "NULL", True: "true", False: "false"}[value]
            case int():
                return f"{value}L" if isinstance(type_, sa.BigInteger) else str(value)
            case float():
                return f"{value!r}D"
            case Decimal():
                return f"{value:f}BD"
            case str():
                escaped = value.replace("\\", "\\\\").replace("'", "\\'")
                return f"'{escaped}'"
            case datetime():
                return f"{'TIMESTAMP_NTZ' if value.tzinfo is None else 'TIMESTAMP'} '{value.isoformat(' ')}'"
            case date():
                return f"DATE '{value.isoformat()}'"
            case timedelta():
                return _interval(value)
        raise NotInSpark(f"the value {value!r}")


_FIELDS = {"isodow": "DOW_ISO"}
_PARTS = ("DAY", "HOUR", "MINUTE", "SECOND")


class SparkDialect(DefaultDialect):
    """Only compiles: there is no driver behind it."""

    name = "spark"
    statement_compiler = _Expressions
    type_compiler_cls = _Types
    preparer: type[IdentifierPreparer] = _Names
    supports_native_boolean = True
    div_is_floordiv = False


def _interval(span: timedelta) -> str:
    sign, span = ("-", -span) if span < timedelta(0) else ("", span)
    minutes, seconds = divmod(span.seconds, 60)
    clock = f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}.{span.microseconds:06}"
    return f"INTERVAL '{sign}{span.days} {clock}' DAY TO SECOND"


def _checked(text: str) -> str:
    """A double that was computed, which is an error if it is infinite or NaN."""
    asked = f"CASE WHEN v IS NULL OR abs(v) <= {LARGEST} THEN v ELSE raise_error('a number is out of range') END"
    return f"element_at(transform(array({text}), v -> {asked}), 1)"


def _is_double(type_: Any) -> bool:
    return isinstance(type_, sa.Double)


def _is_computed_double(part: Any) -> bool:
    """Whether it is arithmetic of doubles, and not a column or a value."""
    while isinstance(part, sa.sql.elements.Grouping | sa.TypeCoerce):
        part = part.element if isinstance(part, sa.sql.elements.Grouping) else part.typed_expression
    if isinstance(part, sa.sql.functions.FunctionElement):  # abs()
        return any(map(_is_computed_double, part.clauses))
    return isinstance(part, sa.BinaryExpression) and part.operator in ARITHMETIC and _is_double(part.type)


def _refuse_json(*parts: Any) -> None:
    if any(isinstance(part.type, sa.JSON) for part in parts):
        raise NotInSpark(EQUAL_JSON)
