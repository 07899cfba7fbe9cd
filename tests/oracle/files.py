#!/usr/bin/env python3
"""Compares what wasm-run reads and writes with pyarrow and DuckDB, over random tables.

    tests/oracle/files.py --ci                     a fixed set, in a minute on two cores
    tests/oracle/files.py --cases 10000 --seed 7
    tests/oracle/files.py --time 2h                as many as two hours allow
    tests/oracle/files.py --seed 7 --only 1234     one case again

A case is a table of random types and values, which somebody else writes to a file: pyarrow, DuckDB, or this program with the spellings of
others (text); in a random format with random options. `wasm-run run` reads it, or `wasm-run sql` by CREATE EXTERNAL TABLE, gives one column to a
function that returns what it gets, and writes all to another file in a random format, by COPY in SQL. That is read by pyarrow and by DuckDB, text also by this program, and everything has to be equal:
names, values, and types as far as the format has them. What a format cannot hold has to be refused; README.md says what is.
"""

import sys

import program

CI = {"cases": 450, "seed": 1}


def main() -> int:
    """Runs the cases that the options ask for; the exit status is 1 when one differs."""
    arguments = program.parser(__doc__).parse_args()
    program.in_environment(arguments)
    if arguments.ci:
        arguments.cases, arguments.seed = CI["cases"], CI["seed"]
    # Its imports are those of the environment.
    import file_cases

    alone = lambda number, asked: file_cases.Case(number, arguments.seed, asked).run()  # noqa: E731
    together = lambda numbers, asked: file_cases.together(numbers, arguments.seed, asked)  # noqa: E731
    return program.run_all("files", arguments, alone, together)


if __name__ == "__main__":
    sys.exit(main())
