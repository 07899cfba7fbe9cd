#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| vivarium_fuzz::targets::image(input));
