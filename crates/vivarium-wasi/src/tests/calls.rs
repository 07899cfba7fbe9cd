//! Calls as wasi-libc makes them, and calls that misuse descriptors and addresses.

use super::guest::{DATA, ENV, Guest, MEMORY, OUT, PATH, TMP, VECTORS};
use crate::errno::Errno;
use crate::{Clock, Random, WasiConfig, WasiCtx, WasiError, WasiLimits};

const READ: u64 = 1 << 1;
const WRITE: u64 = 1 << 6;
const CREATE: u32 = 1;
const APPEND: u32 = 1;

#[tokio::test]
async fn the_preopens_are_env_and_tmp() {
    let mut guest = Guest::new(WasiConfig::default()).await;
    for (fd, name) in [(ENV, "/env"), (TMP, "/tmp")] {
        assert_eq!(guest.call("fd_prestat_get", &[fd.into(), OUT.into()]).await, 0);
        assert_eq!((guest.read_u32(OUT), guest.read_u32(OUT + 4)), (0, 4));
        assert_eq!(guest.call("fd_prestat_dir_name", &[fd.into(), PATH.into(), 4]).await, 0);
        assert_eq!(guest.read(PATH, 4), name.as_bytes());
        let too_short = guest.call("fd_prestat_dir_name", &[fd.into(), PATH.into(), 3]).await;
        assert_eq!(too_short, Errno::Nametoolong as u32);
    }
    for fd in [0, 5, u32::MAX] {
        assert_eq!(guest.call("fd_prestat_get", &[fd.into(), OUT.into()]).await, Errno::Badf as u32);
    }
}

#[tokio::test]
async fn arguments_and_variables_arrive() {
    let config = WasiConfig {
        args: vec!["python".to_owned(), "ü".to_owned(), String::new()],
        variables: vec![("HOME".to_owned(), "/tmp".to_owned()), ("A".to_owned(), "b=c".to_owned())],
        ..WasiConfig::default()
    };
    let mut guest = Guest::new(config).await;
    for (function, expected) in [("args", "python\0ü\0\0"), ("environ", "HOME=/tmp\0A=b=c\0")] {
        assert_eq!(guest.call(&format!("{function}_sizes_get"), &[OUT.into(), (OUT + 4).into()]).await, 0);
        let (count, bytes) = (guest.read_u32(OUT), guest.read_u32(OUT + 4));
        assert_eq!((count as usize, bytes as usize), (expected.matches('\0').count(), expected.len()));
        assert_eq!(guest.call(&format!("{function}_get"), &[OUT.into(), DATA.into()]).await, 0);
        assert_eq!(guest.read(DATA, bytes), expected.as_bytes());
        let second = expected.find('\0').unwrap() as u32 + 1;
        assert_eq!((guest.read_u32(OUT), guest.read_u32(OUT + 4)), (DATA, DATA + second));
        // Where the buffers do not fit, they fault.
        let end = MEMORY - 4;
        assert_eq!(guest.call(&format!("{function}_get"), &[OUT.into(), end.into()]).await, Errno::Fault as u32);
        assert_eq!(guest.call(&format!("{function}_get"), &[end.into(), DATA.into()]).await, Errno::Fault as u32);
    }
}

#[test]
fn what_cannot_be_passed_is_refused_by_name() {
    let refused = |config| WasiCtx::new(config).unwrap_err().to_string();
    let variable = |name: &str, value: &str| WasiConfig {
        variables: vec![(name.to_owned(), value.to_owned())],
        ..WasiConfig::default()
    };
    assert!(refused(variable("A=B", "")).contains("A=B"));
    assert!(refused(variable("", "x")).contains("empty"));
    let message = refused(variable("TOKEN", "sec\0ret"));
    assert!(message.contains("TOKEN") && !message.contains("ret"), "{message}");
    let long = WasiConfig { args: vec!["x".repeat(2 << 20)], ..WasiConfig::default() };
    assert!(matches!(WasiCtx::new(long), Err(WasiError::TooLong(_))));
    let few = WasiConfig { limits: WasiLimits { open_files: 4, ..WasiLimits::default() }, ..WasiConfig::default() };
    assert_eq!(WasiCtx::new(few).unwrap_err(), WasiError::OpenFiles(4));
}

#[tokio::test]
async fn a_file_is_written_read_and_appended_to() {
    let mut guest = Guest::new(WasiConfig::default()).await;
    let (status, fd) = guest.open(TMP, "f", CREATE, READ | WRITE).await;
    assert_eq!((status, fd), (0, 5));
    assert_eq!(guest.write_fd(fd, b"hello world").await, (0, 11));
    assert_eq!(guest.call("fd_seek", &[fd.into(), -5, 2, OUT.into()]).await, 0);
    assert_eq!(guest.read_u64(OUT), 6);
    assert_eq!(guest.read_fd(fd, 100).await, (0, b"world".to_vec()));
    assert_eq!(guest.read_fd(fd, 100).await, (0, Vec::new()));
    assert_eq!(guest.call("fd_seek", &[fd.into(), 0, 0, OUT.into()]).await, 0);
    assert_eq!(guest.call("fd_fdstat_set_flags", &[fd.into(), APPEND.into()]).await, 0);
    assert_eq!(guest.write_fd(fd, b"!").await, (0, 1));
    assert_eq!(guest.call("fd_tell", &[fd.into(), OUT.into()]).await, 0);
    assert_eq!(guest.read_u64(OUT), 12);
    guest.write_vectors(&[(DATA, 3), (DATA + 3, 0), (DATA + 3, 100)]);
    assert_eq!(guest.call("fd_pread", &[fd.into(), VECTORS.into(), 3, 4, OUT.into()]).await, 0);
    assert_eq!((guest.read_u32(OUT), guest.read(DATA, 8)), (8, b"o world!".to_vec()));
    assert_eq!(guest.call("fd_close", &[fd.into()]).await, 0);
    assert_eq!(guest.call("fd_close", &[fd.into()]).await, Errno::Badf as u32);
    assert_eq!(guest.stat(TMP, 1, "f").await, (0, 4, 12));
}

#[tokio::test]
async fn a_descriptor_does_what_it_was_opened_for() {
    let mut guest = Guest::new(WasiConfig::default()).await;
    let (_, writer) = guest.open(TMP, "f", CREATE, WRITE).await;
    let (_, reader) = guest.open(TMP, "f", 0, READ).await;
    let (_, directory) = guest.open(TMP, ".", 2, READ).await;
    assert_eq!(guest.read_fd(writer, 1).await.0, Errno::Badf as u32);
    assert_eq!(guest.write_fd(reader, b"x").await.0, Errno::Badf as u32);
    assert_eq!(guest.call("fd_filestat_set_size", &[reader.into(), 1]).await, Errno::Inval as u32);
    assert_eq!(guest.read_fd(directory, 1).await.0, Errno::Isdir as u32);
    assert_eq!(guest.write_fd(directory, b"x").await.0, Errno::Badf as u32);
    assert_eq!(guest.call_path("path_create_directory", reader, "d", &[]).await, Errno::Notdir as u32);
    assert_eq!(guest.call_path("path_create_directory", 99, "d", &[]).await, Errno::Badf as u32);
    assert_eq!(guest.open(TMP, ".", 0, WRITE).await.0, Errno::Isdir as u32);
    for stream in 0..3u32 {
        assert_eq!(guest.call("fd_seek", &[stream.into(), 0, 0, OUT.into()]).await, Errno::Spipe as u32);
        assert_eq!(guest.call("sock_shutdown", &[stream.into(), 0]).await, Errno::Notsock as u32);
    }
    // wasi-libc computes open flags from rights: O_RDONLY for one, O_WRONLY for the other.
    for (fd, expected) in [(writer, WRITE), (reader, READ)] {
        assert_eq!(guest.call("fd_fdstat_get", &[fd.into(), OUT.into()]).await, 0);
        assert_eq!(guest.read_u64(OUT + 8) & (READ | WRITE), expected);
        assert_eq!(guest.read(OUT, 1), [4]);
    }
}

#[tokio::test]
async fn a_directory_is_neither_made_nor_cut_by_opening_it() {
    let mut guest = Guest::new(WasiConfig::default()).await;
    assert_eq!(guest.open(TMP, "f", CREATE, WRITE).await.0, 0);
    let (directory, exclusive, truncate) = (2, 4, 8);
    for directory_of in [ENV, TMP] {
        for path in [".", "f", "nothing"] {
            for with in [CREATE, CREATE | exclusive, exclusive, truncate] {
                let (status, _) = guest.open(directory_of, path, directory | with, READ).await;
                assert_eq!(status, Errno::Inval as u32, "{path} with {with}");
            }
        }
    }
}

#[tokio::test]
async fn renumbering_moves_and_closes() {
    let mut guest = Guest::new(WasiConfig::default()).await;
    let (_, one) = guest.open(TMP, "one", CREATE, WRITE).await;
    let (_, other) = guest.open(TMP, "other", CREATE, WRITE).await;
    assert_eq!(guest.call_path("path_unlink_file", TMP, "other", &[]).await, 0);
    assert_eq!(guest.store.data().scratch_usage().files, 2);
    assert_eq!(guest.call("fd_renumber", &[one.into(), other.into()]).await, 0);
    assert_eq!(guest.store.data().scratch_usage().files, 1);
    assert_eq!(guest.write_fd(one, b"x").await.0, Errno::Badf as u32);
    assert_eq!(guest.write_fd(other, b"x").await, (0, 1));
    assert_eq!(guest.call("fd_renumber", &[other.into(), 99]).await, Errno::Badf as u32);
    assert_eq!(guest.call("fd_renumber", &[other.into(), other.into()]).await, 0);
    assert_eq!(guest.stat(TMP, 1, "one").await, (0, 4, 1));
}

#[tokio::test]
async fn open_files_are_limited() {
    let limits = WasiLimits { open_files: 8, ..WasiLimits::default() };
    let mut guest = Guest::new(WasiConfig { limits, ..WasiConfig::default() }).await;
    for index in 5..8 {
        assert_eq!(guest.open(TMP, "f", CREATE, WRITE).await, (0, index));
    }
    let (status, _) = guest.open(TMP, "not made", CREATE, WRITE).await;
    assert_eq!(status, Errno::Mfile as u32);
    assert_eq!(guest.stat(TMP, 1, "not made").await.0, Errno::Noent as u32);
    assert_eq!(guest.store.data().open_files(), 8);
    assert_eq!(guest.call("fd_close", &[6]).await, 0);
    assert_eq!(guest.open(TMP, "f", 0, READ).await, (0, 6));
}

#[tokio::test]
async fn directories_are_listed_through_buffers_of_any_size() {
    let mut guest = Guest::new(WasiConfig::default()).await;
    let names: Vec<_> = (0..50).map(|index| format!("{index}{}", "n".repeat(index))).collect();
    for name in &names {
        assert_eq!(guest.call_path("path_create_directory", TMP, name, &[]).await, 0);
    }
    for buffer in [80, 100, 128, 999, 4096, 65_536] {
        let listed = guest.list(TMP, buffer).await;
        assert_eq!(listed[..2], [".", ".."]);
        assert_eq!(listed[2..], names, "{buffer}");
    }
    let past_the_end = [TMP.into(), DATA.into(), 100, -1, OUT.into()];
    assert_eq!(guest.call("fd_readdir", &past_the_end).await, 0);
    assert_eq!(guest.read_u32(OUT), 0);
}

#[tokio::test]
async fn nothing_crosses_the_preopens() {
    let mut guest = Guest::new(WasiConfig::default()).await;
    assert_eq!(guest.open(TMP, "f", CREATE, WRITE).await.0, 0);
    guest.write(PATH, b"f");
    for (from, to) in [(TMP, ENV), (ENV, TMP)] {
        let rename = guest.call("path_rename", &[from.into(), PATH.into(), 1, to.into(), PATH.into(), 1]).await;
        assert_eq!(rename, Errno::Xdev as u32);
        let link = guest.call("path_link", &[from.into(), 0, PATH.into(), 1, to.into(), PATH.into(), 1]).await;
        assert_eq!(link, Errno::Xdev as u32);
    }
}

#[tokio::test]
async fn addresses_outside_of_memory_fault() {
    let mut guest = Guest::new(WasiConfig::default()).await;
    let (_, fd) = guest.open(TMP, "f", CREATE, READ | WRITE).await;
    let end = i64::from(MEMORY);
    for (function, arguments) in [
        ("clock_time_get", vec![0, 0, end - 7]),
        ("fd_filestat_get", vec![fd.into(), end - 63]),
        ("fd_fdstat_get", vec![fd.into(), -1]),
        ("fd_write", vec![fd.into(), end - 7, 1, OUT.into()]),
        ("fd_write", vec![fd.into(), -8, 2, OUT.into()]),
        ("fd_readdir", vec![TMP.into(), end - 1, 2, 0, OUT.into()]),
        ("fd_readdir", vec![TMP.into(), 1, -1, 0, OUT.into()]),
        ("path_create_directory", vec![TMP.into(), end - 1, 2]),
        ("path_create_directory", vec![TMP.into(), 0, -1]),
        ("random_get", vec![end - 1, 2]),
        ("random_get", vec![1, -1]),
        ("poll_oneoff", vec![end - 47, OUT.into(), 1, OUT.into()]),
        ("poll_oneoff", vec![OUT.into(), end - 31, 1, OUT.into()]),
    ] {
        assert_eq!(guest.call(function, &arguments).await, Errno::Fault as u32, "{function} {arguments:?}");
    }
    // A descriptor that could not be told is not opened, and its file not made.
    guest.write(PATH, b"g");
    let open = [TMP.into(), 0, PATH.into(), 1, CREATE.into(), WRITE as i64, 0, 0, end - 3];
    assert_eq!(guest.call("path_open", &open).await, Errno::Fault as u32);
    assert_eq!((guest.store.data().open_files(), guest.stat(TMP, 0, "g").await.0), (6, Errno::Noent as u32));
}

#[tokio::test]
async fn vectors_are_counted_checked_and_cut() {
    let mut guest = Guest::new(WasiConfig::default()).await;
    let (_, fd) = guest.open(TMP, "f", CREATE, READ | WRITE).await;
    let vectors = i64::from(VECTORS);
    assert_eq!(guest.call("fd_write", &[fd.into(), vectors, 1025, OUT.into()]).await, Errno::Inval as u32);
    assert_eq!(guest.call("fd_write", &[fd.into(), vectors, -1, OUT.into()]).await, Errno::Inval as u32);
    assert_eq!(guest.call("fd_write", &[fd.into(), vectors, 0, OUT.into()]).await, 0);
    // A thousand times the whole memory ends in a short count.
    guest.write_vectors(&[(0, MEMORY); 1024]);
    assert_eq!(guest.call("fd_write", &[fd.into(), vectors, 1024, OUT.into()]).await, 0);
    assert_eq!(guest.read_u32(OUT), 8 << 20);
    // One bad vector spoils the call before it has an effect.
    guest.write_vectors(&[(DATA, 4), (MEMORY, 1)]);
    let at_start = [fd.into(), vectors, 2, 0, OUT.into()];
    assert_eq!(guest.call("fd_pwrite", &at_start).await, Errno::Fault as u32);
    assert_eq!(guest.stat(TMP, 0, "f").await.2, 8 << 20);
}

#[tokio::test]
async fn a_read_into_its_own_vectors_is_harmless() {
    let mut guest = Guest::new(WasiConfig::default()).await;
    let (_, fd) = guest.open(TMP, "f", CREATE, READ | WRITE).await;
    assert_eq!(guest.write_fd(fd, &[0xff; 64]).await, (0, 64));
    guest.write_vectors(&[(VECTORS, 16), (VECTORS, 16), (OUT, 8)]);
    assert_eq!(guest.call("fd_pread", &[fd.into(), VECTORS.into(), 3, 0, OUT.into()]).await, 0);
    assert_eq!(guest.read_u32(OUT), 40);
    assert_eq!(guest.read(VECTORS, 16), [0xff; 16]);
}

#[tokio::test]
async fn snapshots_see_the_same_world_every_time() {
    let config = || WasiConfig { clock: Clock::Fixed(42_000), random: Random::Seeded(7), ..WasiConfig::default() };
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut guest = Guest::new(config()).await;
        assert_eq!(guest.call("random_get", &[DATA.into(), 100]).await, 0);
        assert_eq!(guest.call("clock_time_get", &[0, 0, OUT.into()]).await, 0);
        assert_eq!(guest.read_u64(OUT), 42_000);
        guest.open(TMP, "f", CREATE, WRITE).await;
        guest.stat(TMP, 0, "f").await;
        seen.push((guest.read(DATA, 100), guest.read(OUT, 64)));
    }
    assert_eq!(seen[0], seen[1]);
    let mut other = Guest::new(WasiConfig { random: Random::Seeded(8), ..config() }).await;
    other.call("random_get", &[DATA.into(), 100]).await;
    assert_ne!(other.read(DATA, 100), seen[0].0);
}

#[tokio::test]
async fn random_bytes_and_clocks_are_bounded() {
    let mut guest = Guest::new(WasiConfig::default()).await;
    assert_eq!(guest.call("random_get", &[0, 65_536]).await, 0);
    assert_eq!(guest.call("random_get", &[0, 65_537]).await, Errno::Inval as u32);
    for clock in 0..4 {
        assert_eq!(guest.call("clock_res_get", &[clock, OUT.into()]).await, 0);
        assert_eq!(guest.call("clock_time_get", &[clock, 0, OUT.into()]).await, 0);
        assert!(guest.read_u64(OUT) > 0);
    }
    assert_eq!(guest.call("clock_time_get", &[4, 0, OUT.into()]).await, Errno::Inval as u32);
}

#[tokio::test]
async fn exit_is_an_error_with_its_status() {
    let mut guest = Guest::new(WasiConfig::default()).await;
    for code in [0, 1, 255, -1] {
        assert_eq!(guest.exit(code).await.unwrap().0, code as i32);
    }
    assert_eq!(guest.call("proc_raise", &[9]).await, Errno::Notsup as u32);
    assert_eq!(guest.call("sched_yield", &[]).await, 0);
}
