//! Attacks on the scratch quota, by name.

use std::sync::Arc;

use vivarium_tenancy::Account;

use super::scratch_files::{Files, path};
use crate::errno::Errno;
use crate::scratch::{OpenOptions, Scratch, ScratchLimits, SharedAccounts};

/// A quota of one mebibyte and 100 files.
const LIMITS: ScratchLimits = ScratchLimits { bytes: 1 << 20, files: 100, file_bytes: 1 << 30 };

fn files() -> Files {
    Files::new(LIMITS)
}

#[test]
fn filling_up_stops_at_the_quota_and_deleting_gives_it_back() {
    let mut files = files();
    let file = files.create("f").unwrap();
    let chunk = [1; 10_000];
    let mut size = 0;
    let refused = loop {
        match files.0.write(file, size, &chunk, 0) {
            Ok(written) => size += written as u64,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, Errno::Nospc);
    assert!(size < 1 << 20 && size > 1_040_000, "{size}");
    assert!(files.0.usage().bytes <= LIMITS.bytes);
    // What is there can still be overwritten, and a full file system can still be cleaned and reordered.
    assert_eq!(files.0.write(file, 0, &chunk, 0), Ok(chunk.len()));
    files.rename("f", "g").unwrap();
    files.0.close(file);
    files.unlink("g").unwrap();
    assert_eq!((files.0.usage().bytes, files.0.usage().files), (0, 0));
    assert!(files.0.usage().peak_bytes > 1_040_000);
}

#[test]
fn a_sparse_file_costs_what_was_written() {
    let mut files = files();
    let file = files.create("f").unwrap();
    files.0.set_size(file, LIMITS.file_bytes, 0).unwrap();
    assert!(files.0.usage().bytes < 1000);
    assert_eq!(files.0.set_size(file, LIMITS.file_bytes + 1, 0), Err(Errno::Fbig));
    assert_eq!(files.0.set_size(file, u64::MAX, 0), Err(Errno::Fbig));
    // One byte in every page costs a page each.
    let written = (0..1000).take_while(|page| files.0.write(file, page * 4096, b"x", 0).is_ok()).count();
    assert_eq!(written, 255);
    assert_eq!(files.0.write(file, 999 * 4096, b"x", 0), Err(Errno::Nospc));
    // And going over the end of the largest file is cut, then refused.
    files.0.set_size(file, 0, 0).unwrap();
    assert_eq!(files.0.write(file, LIMITS.file_bytes - 2, b"four", 0), Ok(2));
    assert_eq!(files.0.write(file, LIMITS.file_bytes, b"x", 0), Err(Errno::Fbig));
}

#[test]
fn reserving_is_charged_or_refused_whole() {
    let mut files = files();
    let file = files.create("f").unwrap();
    let before = files.0.usage().bytes;
    assert_eq!(files.0.reserve(file, 0, 2 << 20, 0), Err(Errno::Nospc));
    assert_eq!(files.0.reserve(file, u64::MAX, 2, 0), Err(Errno::Fbig));
    assert_eq!(files.0.reserve(file, 0, 0, 0), Err(Errno::Inval));
    assert_eq!((files.0.usage().bytes, files.0.size(file)), (before, Ok(0)));
    files.0.reserve(file, 4095, 2, 0).unwrap();
    assert_eq!((files.0.usage().bytes, files.0.size(file)), (before + 8192, Ok(4097)));
}

#[test]
fn an_unlinked_open_file_costs_until_it_is_closed() {
    let mut files = files();
    let page = [0; 4096];
    let mut held = Vec::new();
    let refused = loop {
        let attempt = files.create("f").and_then(|file| {
            held.push(file);
            files.0.write(file, 0, &page, 0)
        });
        let _ = files.unlink("f");
        if let Err(error) = attempt {
            break error;
        }
    };
    assert_eq!(refused, Errno::Nospc);
    assert_eq!(files.0.usage().files, 100);
    assert!(files.0.usage().bytes >= 100 * 4096);
    held.into_iter().for_each(|file| files.0.close(file));
    assert_eq!((files.0.usage().bytes, files.0.usage().files), (0, 0));
}

#[test]
fn a_replaced_open_file_costs_until_it_is_closed() {
    let mut files = files();
    files.put("old", &[0; 8192]).unwrap();
    let old = files.create("old").unwrap();
    files.put("new", b"").unwrap();
    let before = files.0.usage();
    files.rename("new", "old").unwrap();
    assert_eq!(files.0.usage().files, before.files);
    assert!(files.0.usage().bytes > 8192);
    assert_eq!(files.0.write(old, 0, b"still here", 0), Ok(10));
    files.0.close(old);
    assert_eq!(files.0.usage().files, 1);
    assert!(files.0.usage().bytes < 1000);
}

#[test]
fn hard_links_cost_their_names() {
    let mut files = files();
    files.put("f", b"").unwrap();
    let made = (0..).take_while(|index| files.link("f", &format!("{index:0>200}")).is_ok()).count();
    assert!(made < (LIMITS.bytes / 200) as usize, "{made}");
    assert!(files.0.usage().bytes <= LIMITS.bytes);
    assert_eq!(files.0.usage().files, 1);
    for index in 0..made {
        files.unlink(&format!("{index:0>200}")).unwrap();
    }
    files.unlink("f").unwrap();
    assert_eq!((files.0.usage().bytes, files.0.usage().files), (0, 0));
}

#[test]
fn a_million_empty_files_stop_at_the_limit() {
    let mut files = Files::new(ScratchLimits { bytes: 1 << 30, files: 10_000, file_bytes: 1 << 30 });
    let made = (0..1_000_000).take_while(|index| files.put(&index.to_string(), b"").is_ok()).count();
    assert_eq!(made, 10_000);
    assert_eq!(files.put("one more", b""), Err(Errno::Nospc));
    assert_eq!(files.mkdir("one more"), Err(Errno::Nospc));
    assert_eq!(files.symlink("x", "one more"), Err(Errno::Nospc));
    assert_eq!(files.list(".").unwrap().len(), 10_000);
}

#[test]
fn link_texts_are_charged() {
    let mut files = files();
    let text = "x/".repeat(2000);
    let made = (0..100).take_while(|index| files.symlink(&text, &index.to_string()).is_ok()).count();
    assert_eq!(made, 100);
    assert!(files.0.usage().bytes >= 100 * 4000);
    (0..made).for_each(|index| files.unlink(&index.to_string()).unwrap());
    assert_eq!(files.0.usage().bytes, 0);
}

#[test]
fn the_deepest_directory_is_no_trouble() {
    let mut files = Files::new(ScratchLimits { bytes: 1 << 30, files: 50_000, file_bytes: 1 << 30 });
    let mut here = files.0.root();
    let name = path("d").unwrap();
    for _ in 0..50_000 {
        files.0.create_directory(here, &name, 0).unwrap();
        here = files.0.open(here, &name, OpenOptions::default(), 0).unwrap().0;
    }
    assert_eq!(files.0.create_directory(here, &name, 0), Err(Errno::Nospc));
    // Moving the top into the bottom looks at every directory between them, and is refused.
    let root = files.0.root();
    assert_eq!(files.0.rename(root, &name, here, &path("x").unwrap(), 0), Err(Errno::Inval));
}

#[test]
fn a_failed_call_charges_nothing() {
    let mut files = files();
    files.mkdir("d").unwrap();
    let before = files.0.usage();
    let long = "n".repeat(255);
    assert_eq!(files.put("missing/f", b""), Err(Errno::Noent));
    assert_eq!(files.mkdir("d"), Err(Errno::Exist));
    assert_eq!(files.symlink("x", "d"), Err(Errno::Exist));
    assert_eq!(files.link("d", &long), Err(Errno::Perm));
    assert_eq!(files.rename("d", "d/x"), Err(Errno::Inval));
    assert_eq!(files.0.usage(), before);
    // With a few bytes left neither inode nor name may stay behind.
    let file = files.create("f").unwrap();
    while files.0.write(file, files.0.size(file).unwrap(), &[0; 4096], 0).is_ok() {}
    let _ = (0..).take_while(|index| files.mkdir(&format!("d{index}")).is_ok()).count();
    let _ = (0..).take_while(|index| files.link("f", &format!("l{index}")).is_ok()).count();
    let full = files.0.usage();
    assert_eq!(files.mkdir(&long), Err(Errno::Nospc));
    assert_eq!(files.symlink(&long, "s"), Err(Errno::Nospc));
    assert_eq!(files.link("f", &long), Err(Errno::Nospc));
    assert_eq!(files.rename("f", &long), Err(Errno::Nospc));
    assert_eq!((files.0.usage().bytes, files.0.usage().files), (full.bytes, full.files));
}

#[test]
fn shared_accounts_bound_the_sum_and_are_given_back() {
    let (bytes, files) = (Arc::new(Account::new(1 << 20)), Arc::new(Account::new(3)));
    let shared = || SharedAccounts { bytes: Some(bytes.clone()), files: Some(files.clone()) };
    let open = |scratch: &mut Scratch, name: &str| {
        let options = OpenOptions { create: true, write: true, ..OpenOptions::default() };
        scratch.open(scratch.root(), &path(name).unwrap(), options, 0).map(|(inode, _)| inode)
    };
    let mut one = Scratch::new(ScratchLimits::default(), shared(), 0).unwrap();
    let mut other = Scratch::new(ScratchLimits::default(), shared(), 0).unwrap();
    let file = open(&mut one, "f").unwrap();
    assert_eq!(one.write(file, 0, &[0; 900 << 10], 0), Ok(900 << 10));
    let file = open(&mut other, "f").unwrap();
    let written = other.write(file, 0, &[0; 900 << 10], 0).unwrap();
    assert!(written > 100 << 10 && written < 124 << 10, "{written}");
    assert_eq!(other.write(file, written as u64, &[0; 4096], 0), Err(Errno::Nospc));
    assert_eq!(bytes.used(), one.usage().bytes + other.usage().bytes);
    assert!(bytes.used() <= 1 << 20);
    drop(one);
    assert_eq!((bytes.used(), files.used()), (other.usage().bytes, 1));
    open(&mut other, "g").unwrap();
    open(&mut other, "h").unwrap();
    assert_eq!(open(&mut other, "i"), Err(Errno::Nospc));
    drop(other);
    assert_eq!((bytes.used(), files.used()), (0, 0));
}
