#![no_main]

use vivarium_env::{AllowedLines, RequirementsFile, ScriptMetadata};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(file) = RequirementsFile::parse(bytes, AllowedLines::default()) {
        let written = file.to_string();
        let again =
            RequirementsFile::parse(written.as_bytes(), AllowedLines::default()).expect("what was written is read");
        assert_eq!(again.requirements, file.requirements);
    }
    if let Ok(source) = str::from_utf8(bytes) {
        let _ = ScriptMetadata::parse(source);
    }
});
