//! The decoder of results, over a linear memory whose every byte the fuzzer chooses.

#![no_main]

#[path = "../../crates/vivarium-sandbox/tests/any_bytes/check.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    check::check(input);
});
