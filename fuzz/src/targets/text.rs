//! Readers of text: requirements, the metadata in a script, types, sizes and times.

use vivarium::types;
use vivarium_env::{AllowedLines, GuestPython, RequirementsFile, RequirementsLock, ScriptMetadata};
use vivarium_sandbox::{parse_duration, parse_size};

/// A requirements file is read, and read again from what it is written as; the same bytes as a script with metadata, and
/// as a lock file.
pub fn requirements(bytes: &[u8]) {
    if let Ok(file) = RequirementsFile::parse(bytes, AllowedLines::default()) {
        let written = file.to_string();
        let again = RequirementsFile::parse(written.as_bytes(), AllowedLines::default());
        assert_eq!(again.expect("what was written is read").requirements, file.requirements);
    }
    if let Ok(source) = str::from_utf8(bytes) {
        let _ = ScriptMetadata::parse(source);
        let _ = RequirementsLock::parse(source, &GuestPython::default());
    }
}

pub fn requirements_seeds() -> Vec<Vec<u8>> {
    [
        "numpy==2.2.6 --hash=sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
        "# what we need\nrequests[socks,security]>=2.8.1,!=2.9 ; python_version < \"3.14\" # why\nattrs\\\n  ~=25.1\n",
        "a @ https://example.org/a.whl\n-r other.txt\n--index-url https://example.org/simple\n-e .\n${TOKEN}\n",
        "\u{feff}Django===4.2.0+local.1\r\nx.y-z_w<1; (os_name=='posix' or extra in 'a b')\r\n",
        "# /// script\n# requires-python = \">=3.11\"\n# dependencies = [\n#   \"attrs\",\n#   \"numpy<3\",\n# ]\n# ///\nprint(1)\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// A type is read and printed: what is printed is the same type. Sizes and times are read.
pub fn types(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(data_type) = types::parse(text) {
        let printed = types::print(&data_type).expect("what was read can be printed");
        assert_eq!(types::parse(&printed).as_ref(), Ok(&data_type), "{text:?} was printed as {printed:?}");
    }
    let _ = (parse_size(text), parse_duration(text));
}

pub fn types_seeds() -> Vec<Vec<u8>> {
    [
        "int64",
        "list<item: struct<a: int32 not null, b: map<string, double>>>",
        "decimal128(38, 10)",
        "timestamp[us, tz=Europe/Berlin]",
        "fixed_size_binary[16]",
        "fixed_size_list<item: float>[3]",
        "ROW<a BIGINT NOT NULL, `b c` VARCHAR(2147483647), d ARRAY<DECIMAL(10, 2)>>",
        "MAP<STRING, TIMESTAMP_LTZ(6)>",
        "month_day_nano_interval",
        "64 MiB",
        "1h30m15.5s",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
