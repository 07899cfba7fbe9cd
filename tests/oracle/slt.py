#!/usr/bin/env python3
"""Runs sqllogictest files with Python functions around columns and constants, and without: the rows must not change.

    tests/oracle/slt.py DIR                 every .slt file in the folder, such as DataFusion's datafusion/sqllogictest/test_files
    tests/oracle/slt.py DIR --only case     the files whose paths have the word in them

What a file expects is not looked at: a query is compared with itself. Tables that a file creates get views in their place, whose columns go through
functions that return what they get, in all kinds; and constants of queries are arguments of such functions. Statements and queries that fail without
functions are left out (they need files or options that are not here), and so are those that are about plans and types, or ask for chance or the time.
README.md says what came out.
"""

import sys

import program


def main() -> int:
    """Runs the files that the options ask for; the exit status is 1 when a query differs."""
    options = program.parser(__doc__)
    options.add_argument("folder", metavar="DIR", help="a folder with .slt files")
    for option in options._actions:
        if option.dest == "only":
            option.type, option.help = str, "files whose paths have this in them"
    arguments = options.parse_args()
    program.in_environment(arguments)
    # Its imports are those of the environment.
    import slt_cases

    return slt_cases.run_all(arguments)


if __name__ == "__main__":
    sys.exit(main())
