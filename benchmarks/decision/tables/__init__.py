"""The tables, in the order of the report."""

from benchmarks.decision.tables.auto import AUTO, MIXED, REACTION
from benchmarks.decision.tables.bursts import BURSTS
from benchmarks.decision.tables.common import Table
from benchmarks.decision.tables.drift import DRIFT
from benchmarks.decision.tables.error_rates import ERROR_RATES
from benchmarks.decision.tables.late import LATE
from benchmarks.decision.tables.latencies import LATENCY
from benchmarks.decision.tables.limit import LIMIT

TABLES: tuple[Table, ...] = (
    ERROR_RATES,
    LIMIT,
    AUTO,
    MIXED,
    REACTION,
    LATENCY,
    DRIFT,
    BURSTS,
    LATE,
)
