//! Snapshots of environments, as they lie on a disk.

use vivarium_sandbox::fuzzing::read_snapshot;

const MAGIC: &[u8; 32] = b"vivarium environment snapshot 1\n";

/// Memories of at most so many bytes are made.
const MEMORY: u64 = 1 << 20;

/// A stored snapshot. The first byte says whether its hash is made right, else few changes get past it.
pub fn snapshot(bytes: &[u8]) {
    let Some((&how, content)) = bytes.split_first() else { return };
    let file =
        if how % 2 == 0 { [MAGIC, &blake3::hash(content).as_bytes()[..], content].concat() } else { content.to_vec() };
    if let Some(size) = read_snapshot(&file[..], MEMORY) {
        assert!(size <= file.len() as u64, "{size} bytes in a file of {}", file.len());
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let stored = |runs: &str, size: u64, data: &[u8]| {
        let header =
            format!(r#"{{"image":"{}","variables":["HOME"],"memory_size":{size},"runs":[{runs}]}}"#, "0".repeat(64));
        [&(header.len() as u32).to_le_bytes()[..], header.as_bytes(), data].concat()
    };
    let two = stored(r#"{"address":0,"length":4},{"address":8,"length":2}"#, 65536, b"abcdef");
    let none = stored("", 131_072, b"");
    let whole = [MAGIC, &blake3::hash(&none).as_bytes()[..], &none].concat();
    vec![[&[0], &two[..]].concat(), [&[0], &none[..]].concat(), [&[1], &whole[..]].concat()]
}
