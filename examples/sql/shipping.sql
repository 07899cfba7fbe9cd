-- How many lines of urgent and other orders came late, by way of shipping: TPC-H's query 12, the rule in Python.
--
--   wasm-run sql --file examples/sql/shipping.sql --udf examples/sql/tpch.py
--       --table lineitem=lineitem.parquet --table orders=orders.parquet

CREATE FUNCTION days_late(commit_date DATE, receipt_date DATE) RETURNS BIGINT LANGUAGE PYTHON AS $$
import datetime

def days_late(commit_date: datetime.date, receipt_date: datetime.date) -> int:
    return max((receipt_date - commit_date).days, 0)
$$;

SELECT
    l_shipmode,
    count(*) FILTER (WHERE is_urgent(o_orderpriority)) AS urgent,
    count(*) FILTER (WHERE NOT is_urgent(o_orderpriority)) AS others,
    max(days_late(l_commitdate, l_receiptdate)) AS latest
FROM orders JOIN lineitem ON o_orderkey = l_orderkey
WHERE days_late(l_commitdate, l_receiptdate) > 0 AND year_of(l_receiptdate) = 1994
GROUP BY l_shipmode
ORDER BY l_shipmode;
