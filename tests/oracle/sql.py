#!/usr/bin/env python3
"""Compares queries with Python functions with the same queries without, in wasm-run and in DuckDB.

    tests/oracle/sql.py --ci                     a fixed set, in a minute on two cores
    tests/oracle/sql.py --cases 1000 --seed 7    ten queries a case
    tests/oracle/sql.py --time 2h                as many as two hours allow
    tests/oracle/sql.py --seed 7 --only 1234     one case again

A case is two random tables and random queries. Around columns and parts of expressions stand functions that return what they get, in every kind
that there is; in the place of operators and aggregates of SQL stand functions that do the same in Python; and behind AND, OR, CASE, COALESCE and
FILTER functions that fail for the rows that have no business there. The rows have to be those that the query has without a function, and those
that DuckDB has.
"""

import sys

import program

CI = {"cases": 40, "seed": 1}


def main() -> int:
    """Runs the cases that the options ask for; the exit status is 1 when one differs."""
    options = program.parser(__doc__)
    # A query that the engine has no plan for ends the process of all of them, and in one case of twenty there is one.
    options.set_defaults(together=1)
    arguments = options.parse_args()
    program.in_environment(arguments)
    if arguments.ci:
        arguments.cases, arguments.seed = CI["cases"], CI["seed"]
    # Its imports are those of the environment.
    import sql_cases

    alone = lambda number, asked: sql_cases.Case(number, arguments.seed, asked).run()  # noqa: E731
    together = lambda numbers, asked: sql_cases.together(numbers, arguments.seed, asked)  # noqa: E731
    return program.run_all("sql", arguments, alone, together)


if __name__ == "__main__":
    sys.exit(main())
