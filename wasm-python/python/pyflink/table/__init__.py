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
