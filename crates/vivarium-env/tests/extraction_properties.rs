//! Properties: what is packed comes out as it was, and no bytes make an extractor panic or write elsewhere.

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use support::archives::{FILE, Tar, ZipEntry, zip};
use support::{Place, listing};
use vivarium_env::{PythonArchive, PythonDependencyInfo};

/// Files by path; no path is another's directory, nor differs from one in case only.
fn trees() -> impl Strategy<Value = BTreeMap<String, (u32, Vec<u8>)>> {
    let path = proptest::collection::vec("[a-c]{1,2}", 1..4).prop_map(|parts| format!("{}.f", parts.join("/")));
    let file = (0o400u32..0o1000, proptest::collection::vec(any::<u8>(), 0..300));
    proptest::collection::btree_map(path, file, 0..12)
}

fn extract(name: &str, archive: &[u8]) -> Result<Vec<String>, String> {
    let place = Place::new();
    let path = place.write(name, archive);
    let archives = vec![PythonArchive::new(path, &format!("{name}#x"))];
    let mut manager = place.manager(PythonDependencyInfo::default().with_archives(archives));
    let outcome = manager.open().map_err(|error| support::with_causes(&error)).map(|()| {
        let base = manager.create_environment().unwrap().host_path().to_owned();
        listing(&base.join("python-archives/x")).into_iter().filter(|line| line.contains(".f ")).collect()
    });
    manager.close();
    assert!(place.leftovers().is_empty());
    let outside: Vec<_> = std::fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(outside.len() <= 2, "{outside:?}");
    outcome
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_packed_comes_out(tree in trees(), deflate in any::<bool>()) {
        let expected: Vec<String> = tree
            .iter()
            .map(|(path, (mode, content))| format!("{path} {mode:o} {:?}", String::from_utf8_lossy(content)))
            .collect();
        let entries: Vec<ZipEntry> = tree
            .iter()
            .map(|(path, (mode, content))| ZipEntry { deflate, ..ZipEntry::new(path, FILE | mode, content) })
            .collect();
        prop_assert_eq!(extract("a.zip", &zip(&entries)).unwrap(), expected.clone());
        let tar = |tree: &BTreeMap<String, (u32, Vec<u8>)>| {
            tree.iter().fold(Tar::default(), |tar, (path, (mode, content))| tar.entry(b'0', path, *mode, "", content))
        };
        prop_assert_eq!(extract("a.tgz", &tar(&tree).gzip()).unwrap(), expected.clone());
        prop_assert_eq!(extract("a.tar", &tar(&tree).finish()).unwrap(), expected);
    }

    #[test]
    fn damaged_archives_are_errors_or_come_out(tree in trees(), flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let entries: Vec<ZipEntry> =
            tree.iter().map(|(path, (mode, content))| ZipEntry { deflate: true, ..ZipEntry::new(path, FILE | mode, content) }).collect();
        let tar = tree.iter().fold(Tar::default(), |tar, (path, (_, content))| tar.file(path, content));
        for (name, mut archive) in [("a.zip", zip(&entries)), ("a.tar", tar.finish())] {
            for (index, value) in &flips {
                let index = index.index(archive.len());
                archive[index] = *value;
            }
            let _ = extract(name, &archive);
        }
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        for name in ["a.zip", "a.tar", "a.tgz"] {
            let _ = extract(name, &bytes);
        }
    }
}
