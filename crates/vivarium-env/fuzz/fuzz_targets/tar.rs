#![no_main]

mod extract;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| extract::extract(bytes, &["a.tar", "a.tgz"]));
