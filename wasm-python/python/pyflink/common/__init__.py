"""Rows and their kinds."""

from pyflink.common.types import Row, RowKind

__all__ = ["Row", "RowKind"]
