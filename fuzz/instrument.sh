#!/bin/sh
# For RUSTC_WORKSPACE_WRAPPER: rustc, with what libFuzzer needs in our crates: a counter for every edge, and calls that show it comparisons.
# Programs that run during the build have none.
case " $* " in
*" --crate-name build_script_"* | *" proc-macro "* | *" --print "* | *" -vV "*) exec "$@" ;;
esac
exec "$@" -C passes=sancov-module \
    -C llvm-args=-sanitizer-coverage-level=4 \
    -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
    -C llvm-args=-sanitizer-coverage-pc-table \
    -C llvm-args=-sanitizer-coverage-trace-compares
