# /// script
# dependencies = [
#     "sqlglot==27.20.0",
# ]
# ///
import sqlglot

print(sqlglot.transpile("SELECT EPOCH_MS(1618088028295)", read="duckdb", write="hive")[0])
