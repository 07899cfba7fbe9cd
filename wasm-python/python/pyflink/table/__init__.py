"""What a file of functions takes from `pyflink.table`."""

from pyflink.common.types import Row, RowKind
from pyflink.table.data_view import ListView, MapView
from pyflink.table.types import DataTypes
from pyflink.table.udf import (
    AggregateFunction,
    AsyncScalarFunction,
    FunctionContext,
    ScalarFunction,
    TableAggregateFunction,
    TableFunction,
)

__all__ = [
    "AggregateFunction",
    "AsyncScalarFunction",
    "DataTypes",
    "FunctionContext",
    "ListView",
    "MapView",
    "Row",
    "RowKind",
    "ScalarFunction",
    "TableAggregateFunction",
    "TableFunction",
]

# What builds and runs jobs, and so is imported by files that are more than functions.
_OF_JOBS = (
    "BatchTableEnvironment",
    "EnvironmentSettings",
    "ExplainDetail",
    "Schema",
    "StatementSet",
    "StreamTableEnvironment",
    "Table",
    "TableConfig",
    "TableDescriptor",
    "TableEnvironment",
)


def __getattr__(name):
    if name in _OF_JOBS:
        raise ImportError(f"{name} builds jobs, which does not happen in a sandbox: keep functions in a file of their own")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
