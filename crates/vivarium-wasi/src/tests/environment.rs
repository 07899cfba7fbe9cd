//! `/env` is the environment, all of it, and nothing but it.

use std::os::unix::fs::symlink;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tempfile::TempDir;
use vivarium_tenancy::Account;

use super::guest::{DATA, ENV, Guest, OUT, PATH, TMP};
use crate::errno::Errno;
use crate::{Clock, WasiAccounts, WasiConfig};

const READ: u64 = 1 << 1 | 1 << 14;
const WRITE: u64 = 1 << 6;
/// What wasi-libc asks for to write where `FD_WRITE` is not inherited.
const WRITE_INTENT: u64 = 1 | 1 << 8 | 1 << 22;
const CREATE: u32 = 1;
const DIRECTORY: u32 = 2;
const EXCLUSIVE: u32 = 4;
const TRUNCATE: u32 = 8;

/// A host directory with a secret beside the environment.
fn host() -> TempDir {
    let host = tempfile::tempdir().unwrap();
    let env = host.path().join("env");
    std::fs::create_dir_all(env.join("package/inner")).unwrap();
    std::fs::write(host.path().join("secret"), "secret").unwrap();
    std::fs::write(env.join("module.py"), "x = 1\n").unwrap();
    std::fs::write(env.join("package/data"), "data").unwrap();
    symlink("package/data", env.join("inside")).unwrap();
    symlink("../module.py", env.join("package/up")).unwrap();
    symlink("../secret", env.join("out")).unwrap();
    symlink("package/../../secret", env.join("around")).unwrap();
    symlink(host.path().join("secret"), env.join("absolute")).unwrap();
    symlink("/proc/self/root", env.join("magic")).unwrap();
    symlink("loop", env.join("loop")).unwrap();
    host
}

async fn guest(host: &TempDir) -> Guest {
    let env = Dir::open_ambient_dir(host.path().join("env"), ambient_authority()).unwrap();
    Guest::new(WasiConfig { environment: Some(Arc::new(env)), ..WasiConfig::default() }).await
}

#[tokio::test]
async fn what_is_inside_can_be_read() {
    let host = host();
    let mut guest = guest(&host).await;
    for (path, content) in
        [("module.py", "x = 1\n"), ("inside", "data"), ("package/up", "x = 1\n"), ("package/../module.py", "x = 1\n")]
    {
        let (status, fd) = guest.open(ENV, path, 0, READ).await;
        assert_eq!(status, 0, "{path}");
        assert_eq!(guest.read_fd(fd, 100).await, (0, content.as_bytes().to_vec()));
        assert_eq!(guest.stat(ENV, 1, path).await, (0, 4, content.len() as u64));
        assert_eq!(guest.call("fd_close", &[fd.into()]).await, 0);
    }
    assert_eq!(guest.stat(ENV, 0, "inside").await.1, 7);
    assert_eq!(guest.stat(ENV, 1, "package").await, (0, 3, 0));
    let (status, package) = guest.open(ENV, "package", DIRECTORY, READ).await;
    assert_eq!(status, 0);
    assert_eq!(guest.list(package, 100).await, [".", "..", "data", "inner", "up"]);
    assert_eq!(guest.stat(package, 1, "data").await, (0, 4, 4));
    assert_eq!(guest.stat(package, 1, "../module.py").await.0, Errno::Perm as u32);
    assert_eq!(guest.stat(package, 1, "up").await.0, Errno::Perm as u32);
    assert_eq!(guest.open_with(ENV, 0, "inside", 0, READ, 0).await.0, Errno::Loop as u32);
    assert_eq!(guest.open(ENV, "module.py", DIRECTORY, READ).await.0, Errno::Notdir as u32);
    assert_eq!(guest.open(ENV, "module.py/", 0, READ).await.0, Errno::Notdir as u32);
    assert_eq!(guest.open(ENV, "missing", 0, READ).await.0, Errno::Noent as u32);
    // A dot or a slash behind a link: what it leads to is meant.
    symlink("package", host.path().join("env/to-package")).unwrap();
    for end in ["/", "/.", "//./."] {
        assert_eq!(guest.stat(ENV, 0, &format!("to-package{end}")).await, (0, 3, 0), "{end}");
        assert_eq!(guest.open_with(ENV, 0, &format!("to-package{end}"), 0, READ, 0).await.0, 0, "{end}");
        let through_file = format!("inside{end}");
        assert_eq!(guest.stat(ENV, 0, &through_file).await.0, Errno::Notdir as u32, "{end}");
        assert_eq!(guest.open_with(ENV, 0, &through_file, 0, READ, 0).await.0, Errno::Notdir as u32, "{end}");
    }
}

#[tokio::test]
async fn nothing_outside_can_be_reached() {
    let host = host();
    let mut guest = guest(&host).await;
    let absolute = host.path().join("secret").into_os_string().into_string().unwrap();
    for path in
        ["out", "around", "absolute", "magic", "magic/etc", "..", "../secret", "package/../../secret", &absolute]
    {
        assert_eq!(guest.open(ENV, path, 0, READ).await.0, Errno::Perm as u32, "{path}");
        assert_eq!(guest.stat(ENV, 1, path).await.0, Errno::Perm as u32, "{path}");
    }
    assert_eq!(guest.stat(ENV, 1, "loop").await.0, Errno::Loop as u32);
    // Not even a path of the host is shown.
    let readlink = guest.call_path("path_readlink", ENV, "absolute", &[OUT.into(), 100, (OUT + 100).into()]).await;
    assert_eq!(readlink, Errno::Perm as u32);
    let readlink = guest.call_path("path_readlink", ENV, "inside", &[OUT.into(), 7, (OUT + 100).into()]).await;
    assert_eq!((readlink, guest.read_u32(OUT + 100), guest.read(OUT, 7)), (0, 7, b"package".to_vec()));
}

#[tokio::test]
async fn nothing_can_be_changed() {
    let host = host();
    let mut guest = guest(&host).await;
    let rofs = Errno::Rofs as u32;
    for (path, flags, rights, expected) in [
        ("module.py", 0, WRITE, Errno::Rofs),
        ("module.py", 0, READ | WRITE_INTENT, Errno::Rofs),
        ("module.py", TRUNCATE, READ, Errno::Rofs),
        ("module.py", CREATE | EXCLUSIVE, WRITE, Errno::Exist),
        ("new", CREATE, WRITE, Errno::Rofs),
        ("new", 0, WRITE, Errno::Noent),
        ("missing/new", CREATE, WRITE, Errno::Noent),
        ("module.py/new", CREATE, WRITE, Errno::Notdir),
        ("package", 0, WRITE, Errno::Isdir),
        ("../new", CREATE, WRITE, Errno::Perm),
    ] {
        assert_eq!(guest.open(ENV, path, flags, rights).await.0, expected as u32, "{path} {flags}");
    }
    assert_eq!(guest.open(ENV, "module.py", CREATE, READ).await.0, 0);
    for (function, path, expected) in [
        ("path_unlink_file", "missing", Errno::Noent),
        ("path_unlink_file", "module.py", Errno::Rofs),
        ("path_unlink_file", "out", Errno::Rofs),
        ("path_remove_directory", "missing", Errno::Noent),
        ("path_remove_directory", "package/inner", Errno::Rofs),
        ("path_create_directory", "new", Errno::Rofs),
        ("path_create_directory", "package", Errno::Exist),
        ("path_create_directory", "missing/new", Errno::Noent),
        ("path_create_directory", "../new", Errno::Perm),
    ] {
        assert_eq!(guest.call_path(function, ENV, path, &[]).await, expected as u32, "{function} {path}");
    }
    guest.write(PATH, b"module.pynew");
    let (module, new) = (i64::from(PATH), i64::from(PATH) + 9);
    let env = i64::from(ENV);
    assert_eq!(guest.call("path_rename", &[env, module, 9, env, new, 3]).await, rofs);
    assert_eq!(guest.call("path_rename", &[env, new, 3, env, module, 9]).await, Errno::Noent as u32);
    assert_eq!(guest.call("path_link", &[env, 0, module, 9, env, new, 3]).await, rofs);
    assert_eq!(guest.call("path_symlink", &[module, 9, env, new, 3]).await, rofs);
    assert_eq!(guest.call("path_filestat_set_times", &[env, 0, module, 9, 0, 0, 2]).await, rofs);
    let (_, fd) = guest.open(ENV, "module.py", 0, READ).await;
    assert_eq!(guest.write_fd(fd, b"x").await.0, Errno::Badf as u32);
    assert_eq!(guest.call("fd_filestat_set_size", &[fd.into(), 0]).await, Errno::Inval as u32);
    assert_eq!(guest.call("fd_allocate", &[fd.into(), 0, 1]).await, Errno::Inval as u32);
    assert_eq!(guest.call("fd_filestat_set_times", &[fd.into(), 0, 0, 2]).await, rofs);
    assert_eq!(std::fs::read(host.path().join("env/module.py")).unwrap(), b"x = 1\n");
    // access(W_OK) is refused because of this right.
    assert_eq!(guest.call("fd_fdstat_get", &[env, OUT.into()]).await, 0);
    assert_eq!(guest.read_u64(OUT + 16) & (WRITE | WRITE_INTENT), WRITE_INTENT);
}

#[tokio::test]
async fn the_hosts_descriptors_cannot_be_used_up() {
    let host = host();
    let mut guest = guest(&host).await;
    for index in 5..37 {
        assert_eq!(guest.open(ENV, if index % 2 == 0 { "module.py" } else { "." }, 0, READ).await, (0, index));
    }
    assert_eq!(guest.open(ENV, "module.py", 0, READ).await.0, Errno::Mfile as u32);
    assert_eq!(guest.open(TMP, "f", CREATE, WRITE).await.0, 0);
    assert_eq!(guest.call("fd_close", &[5]).await, 0);
    assert_eq!(guest.open(ENV, "module.py", 0, READ).await, (0, 5));
}

#[tokio::test]
async fn a_named_pipe_does_not_hold_up_the_host() {
    let host = host();
    rustix::fs::mkfifoat(rustix::fs::CWD, host.path().join("env/pipe"), rustix::fs::Mode::RWXU).unwrap();
    let mut guest = guest(&host).await;
    assert_eq!(guest.open(ENV, "pipe", 0, READ).await.0, Errno::Acces as u32);
}

#[tokio::test]
async fn listings_do_not_depend_on_the_host() {
    let (one, other) = (host(), tempfile::tempdir().unwrap());
    std::fs::create_dir(other.path().join("env")).unwrap();
    let mut names: Vec<_> =
        std::fs::read_dir(one.path().join("env")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort_by(|one, other| other.cmp(one));
    for name in names {
        std::fs::write(other.path().join("env").join(name), "").unwrap();
    }
    let expected =
        [".", "..", "absolute", "around", "inside", "loop", "magic", "module.py", "out", "package"].map(str::to_owned);
    for host in [&one, &other] {
        assert_eq!(guest(host).await.list(ENV, 100).await, expected);
    }
}

#[tokio::test]
async fn a_fixed_clock_dates_the_files_too() {
    let host = host();
    let env = Dir::open_ambient_dir(host.path().join("env"), ambient_authority()).unwrap();
    let config =
        WasiConfig { environment: Some(Arc::new(env)), clock: Clock::Fixed(5_000_000_000), ..WasiConfig::default() };
    let mut guest = Guest::new(config).await;
    assert_eq!(guest.stat(ENV, 1, "module.py").await.0, 0);
    for time in [40, 48, 56] {
        assert_eq!(guest.read_u64(OUT + time), 5_000_000_000);
    }
    assert_eq!(guest.read_u64(OUT + 8), 1, "the first file seen has the first number");
}

#[tokio::test]
async fn without_an_environment_it_is_empty() {
    let mut guest = Guest::new(WasiConfig::default()).await;
    assert_eq!(guest.list(ENV, 100).await, [".", ".."]);
    assert_eq!(guest.stat(ENV, 1, ".").await, (0, 3, 0));
    let (status, fd) = guest.open(ENV, ".", DIRECTORY, READ).await;
    assert_eq!(status, 0);
    assert_eq!(guest.list(fd, 100).await, [".", ".."]);
    assert_eq!(guest.stat(ENV, 1, "x").await.0, Errno::Noent as u32);
    assert_eq!(guest.stat(ENV, 1, "../x").await.0, Errno::Perm as u32);
    assert_eq!(guest.open(ENV, "x", CREATE, WRITE).await.0, Errno::Rofs as u32);
    assert_eq!(guest.open(ENV, "x/y", CREATE, WRITE).await.0, Errno::Noent as u32);
    assert_eq!(guest.call_path("path_create_directory", ENV, "x", &[]).await, Errno::Rofs as u32);
    assert_eq!(guest.call_path("path_unlink_file", ENV, "x", &[]).await, Errno::Noent as u32);
}

/// The epoch does not interrupt the host: a call whose work grows with a directory stops by itself now and then.
#[tokio::test]
async fn listing_a_large_directory_lets_others_run() {
    const FILES: u32 = 5000;
    let host = tempfile::tempdir().unwrap();
    for file in 0..FILES {
        std::fs::write(host.path().join(format!("{file:05}")), "").unwrap();
    }
    let env = Dir::open_ambient_dir(host.path(), ambient_authority()).unwrap();
    let mut guest = Guest::new(WasiConfig { environment: Some(Arc::new(env)), ..WasiConfig::default() }).await;
    let mut polls = 0;
    {
        let arguments = [ENV.into(), DATA.into(), 4096, 0, OUT.into()];
        let mut call = std::pin::pin!(guest.call("fd_readdir", &arguments));
        while futures::poll!(&mut call).is_pending() {
            polls += 1;
        }
    }
    // Once when they are read and once when they are numbered.
    assert!(polls >= 2 * (FILES / 1024), "{polls}");
    let names = guest.list(ENV, 4096).await;
    assert_eq!(names.len() as u32, FILES + 2);
    assert!(names.is_sorted());
}

#[tokio::test]
async fn files_of_the_host_are_counted_over_guests() {
    let host = host();
    let (tenant, process) = (Arc::new(Account::new(3)), Arc::new(Account::new(4)));
    let guest = async |host_files: Vec<Arc<Account>>| {
        let env = Dir::open_ambient_dir(host.path().join("env"), ambient_authority()).unwrap();
        let environment = Some(Arc::new(env));
        let accounts = WasiAccounts::default().with_host_files(host_files);
        Guest::new(WasiConfig { environment, accounts, ..WasiConfig::default() }).await
    };
    let of_tenant = vec![Arc::clone(&tenant), Arc::clone(&process)];
    let (mut one, mut two) = (guest(of_tenant.clone()).await, guest(of_tenant).await);
    let mut other = guest(vec![Arc::clone(&process)]).await;
    let (status, first) = one.open(ENV, "module.py", 0, READ).await;
    assert_eq!(status, 0);
    assert_eq!(one.open(ENV, "package", DIRECTORY, READ).await.0, 0);
    assert_eq!(two.open(ENV, "module.py", 0, READ).await.0, 0);
    assert_eq!(two.open(ENV, "module.py", 0, READ).await.0, Errno::Mfile as u32);
    assert_eq!(two.open(ENV, "no such file", 0, READ).await.0, Errno::Mfile as u32);
    // Another tenant has its own, and the process has one left.
    assert_eq!(other.open(ENV, "module.py", 0, READ).await.0, 0);
    assert_eq!(other.open(ENV, "module.py", 0, READ).await.0, Errno::Mfile as u32);
    assert_eq!((tenant.used(), process.used()), (3, 4));
    // Files of scratch are none of the host's.
    assert_eq!(two.open(TMP, "x", CREATE, WRITE).await.0, 0);
    assert_eq!(one.call("fd_close", &[first.into()]).await, 0);
    assert_eq!(two.open(ENV, "no such file", 0, READ).await.0, Errno::Noent as u32);
    assert_eq!(two.open(ENV, "module.py", 0, READ).await.0, 0);
    drop((one, two, other));
    assert_eq!((tenant.used(), process.used()), (0, 0));
}

#[tokio::test]
async fn what_the_host_remembers_of_the_environment_is_charged() {
    let host = host();
    let account = Arc::new(Account::new(1000));
    let env = Dir::open_ambient_dir(host.path().join("env"), ambient_authority()).unwrap();
    let accounts = WasiAccounts::default().with_host_memory(Some(Arc::clone(&account)));
    let mut guest =
        Guest::new(WasiConfig { environment: Some(Arc::new(env)), accounts, ..WasiConfig::default() }).await;
    assert_eq!(account.used(), 0);
    // A number for each file, once.
    for path in ["module.py", "package/../module.py"] {
        assert_eq!((guest.stat(ENV, 1, path).await.0, account.used()), (0, 64));
    }
    // Eight names do not fit. The directory's own number stays.
    let list = |length: u32| [ENV.into(), DATA.into(), length.into(), 0, OUT.into()];
    assert_eq!((guest.call("fd_readdir", &list(4096)).await, account.used()), (Errno::Nomem as u32, 128));
    account.set_limit(2000);
    assert_eq!(
        guest.call("fd_readdir", &list(4096)).await,
        Errno::Nomem as u32,
        "eight names, and no number for the last"
    );
    account.set_limit(10_000);
    assert_eq!(guest.call("fd_readdir", &list(100)).await, 0);
    let names: u64 = ["module.py", "package", "inside", "out", "around", "absolute", "magic", "loop"]
        .iter()
        .map(|name| 192 + name.len() as u64)
        .sum();
    assert_eq!(account.used(), names + 9 * 64, "while the listing goes on");
    assert_eq!(guest.list(ENV, 4096).await.len(), 10);
    assert_eq!(account.used(), 9 * 64);
    account.set_limit(0);
    assert_eq!(guest.stat(ENV, 1, "package").await.0, 0);
    assert_eq!(guest.stat(ENV, 1, "package/data").await.0, Errno::Nomem as u32);
    drop(guest);
    assert_eq!(account.used(), 0);
}
