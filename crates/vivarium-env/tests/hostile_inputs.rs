//! Files and directories that a job names or ships and that are not what they seem. Nothing is followed out of what was named, and
//! nothing is waited for.

#[path = "support/resolving.rs"]
mod resolving;
mod support;

use std::os::unix::fs::symlink;
use std::path::Path;

use resolving::{message, open};
use support::wheels::Wheel;
use support::{Place, listing, with_causes};
use vivarium_env::{MaterializeLimits, PythonDependencyInfo, PythonEnvironmentManager, PythonFile};

/// Opens an environment with one directory of python files, and returns what there is of it, or the message.
fn directory(place: &Place, limits: MaterializeLimits) -> Result<Vec<String>, String> {
    let info = PythonDependencyInfo::default().with_python_files(vec![PythonFile::new(place.path("code"), "code")]);
    let settings = place.settings().with_limits(limits);
    let mut manager = PythonEnvironmentManager::new(info, std::sync::Arc::new(settings), place.job());
    if let Err(error) = manager.open() {
        assert!(place.leftovers().is_empty(), "{:?}", place.leftovers());
        return Err(with_causes(&error));
    }
    Ok(listing(&manager.create_environment().unwrap().host_path().join("python-files/code/code")))
}

fn fifo(path: &Path) {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap();
}

#[test]
fn links_in_a_directory_lead_nowhere_else() {
    for target in ["/etc/passwd", "../secret", "sub/../../secret", "..", "/"] {
        let place = Place::new();
        place.write("secret", "secret");
        place.write("code/m.py", "");
        place.write("code/sub/n.py", "");
        symlink(target, place.path("code/link")).unwrap();
        let message = directory(&place, MaterializeLimits::default()).unwrap_err();
        assert!(message.contains("'link'") && message.contains("leaves the directory"), "{target}: {message}");
    }
    // A link that stays inside is a link there, too.
    let place = Place::new();
    place.write("code/m.py", "x = 1");
    symlink("m.py", place.path("code/link.py")).unwrap();
    assert_eq!(directory(&place, MaterializeLimits::default()).unwrap(), ["link.py -> m.py", "m.py 644 \"x = 1\""]);
}

#[test]
fn fifos_and_sockets_are_refused_and_not_waited_for() {
    let place = Place::new();
    place.write("code/m.py", "");
    fifo(&place.path("code/pipe.py"));
    let message = directory(&place, MaterializeLimits::default()).unwrap_err();
    assert!(message.contains("'pipe.py'") && message.contains("it is a fifo"), "{message}");
    std::fs::remove_file(place.path("code/pipe.py")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(place.path("code/socket")).unwrap();
    let message = directory(&place, MaterializeLimits::default()).unwrap_err();
    assert!(message.contains("'socket'") && message.contains("it is a socket"), "{message}");
}

#[test]
fn a_second_name_of_a_file_is_a_file() {
    let place = Place::new();
    place.write("code/m.py", "x = 1");
    std::fs::hard_link(place.path("code/m.py"), place.path("code/n.py")).unwrap();
    assert_eq!(directory(&place, MaterializeLimits::default()).unwrap(), ["m.py 644 \"x = 1\"", "n.py 644 \"x = 1\""]);
}

#[test]
fn directories_are_counted_before_they_are_read() {
    let limits = || MaterializeLimits::default().with_entries(30).with_total_bytes(1 << 20).with_file_bytes(1 << 19);
    let place = Place::new();
    for number in 0..40 {
        place.write(&format!("code/{number}.py"), "");
    }
    let message = directory(&place, limits()).unwrap_err();
    assert!(message.contains("more than 2") && message.contains("entries"), "{message}");

    // Sparse: reading them would take hours.
    let place = Place::new();
    let sparse = |name: &str, size| {
        std::fs::File::create(place.write(name, "")).unwrap().set_len(size).unwrap();
    };
    sparse("code/a", 1 << 42);
    assert!(directory(&place, limits()).unwrap_err().contains("takes more than 524288 bytes"));
    std::fs::remove_file(place.path("code/a")).unwrap();
    for name in ["code/b", "code/c", "code/d"] {
        sparse(name, 1 << 19);
    }
    assert!(directory(&place, limits()).unwrap_err().contains("environment would take more than 1048576 bytes"));
}

#[test]
fn a_wheel_whose_metadata_would_fill_memory_never_reaches_pip() {
    let place = Place::new();
    let mut wheel = Wheel::new("alpha", "1.0");
    wheel.files.clear();
    // Two METADATA: pip reads the first one that it finds, and none of them may be large.
    let bomb = format!("Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\n\n{}", "x".repeat(8 << 20));
    let wheel = wheel.file("alpha-1.0.dist-info/METADATA", bomb);
    let path = wheel.write(&place.path("cache"));
    assert!(std::fs::metadata(path).unwrap().len() < 100_000, "a small wheel");
    let message = message(&place, "alpha\n");
    assert!(message.contains("alpha-1.0-py3-none-any.whl"), "{message}");
    assert!(message.contains("METADATA") && message.contains("more than 4194304 bytes"), "{message}");
}

#[test]
fn a_wheel_that_is_a_bomb_never_reaches_pip() {
    let place = Place::new();
    let wheel = Wheel::new("alpha", "1.0").file("alpha/zeros", vec![0; 64 << 20]);
    wheel.write(&place.path("cache"));
    let message = message(&place, "alpha\n");
    assert!(message.contains("decompression bomb") && message.contains("alpha-1.0-py3-none-any.whl"), "{message}");
}

#[test]
fn links_and_fifos_among_wheels_are_no_wheels() {
    for make in [
        (|place: &Place, path: &Path| {
            let elsewhere = Wheel::new("alpha", "1.0").write(&place.path("another-tenants"));
            symlink(elsewhere, path).unwrap();
        }) as fn(&Place, &Path),
        |_, path| fifo(path),
    ] {
        let place = Place::new();
        std::fs::create_dir(place.path("cache")).unwrap();
        make(&place, &place.path("cache/alpha-1.0-py3-none-any.whl"));
        for requirements in
            ["alpha\n".to_owned(), format!("alpha==1.0 --hash=sha256:{}\n", Wheel::new("alpha", "1.0").sha256())]
        {
            let message = message(&place, &requirements);
            assert!(message.contains("alpha-1.0-py3-none-any.whl' is not a regular file"), "{message}");
        }
    }
}

#[test]
fn a_page_of_links_among_wheels_is_not_read() {
    let place = Place::new();
    Wheel::new("alpha", "1.0").write(&place.path("cache"));
    let elsewhere = Wheel::new("beta", "1.0").write(&place.path("another-tenants"));
    place.write(
        "cache/index.html",
        format!("<html><body><a href=\"file://{}\">beta</a></body></html>", elsewhere.display()),
    );
    let message = message(&place, "alpha\nbeta\n");
    assert!(message.contains("beta: no such package"), "{message}");
    open(&place, "alpha\n").unwrap_or_else(|error| panic!("{}", with_causes(&error)));
}
