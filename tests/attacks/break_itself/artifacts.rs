//! Sources, compiled modules, environments and images that were tampered with.

use std::fs;
use std::io;
use std::path::Path;

use vivarium_sandbox::{CompileEvent, Error, Image, ImageError};

use crate::case::{Case, call, ensure, host, load};
use crate::guests::Guest;
use crate::outcome::Ends;
use crate::world::Attempt;

const OWN: &str = "it is the tenant's own code, in the tenant's own instance";

/// Modules of the environment that no honest compiler wrote.
pub fn plant(environment: &Path) -> io::Result<()> {
    // Python 3.13's magic number, no flags, no time; then a code object that is none.
    let header = [0xf3, 0x0d, 0x0d, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let pyc = |rest: &[u8]| [&header, rest].concat();
    fs::write(environment.join("truncated.pyc"), pyc(&[0xe3, 0, 0]))?;
    fs::write(environment.join("no_code.pyc"), pyc(b"i\x2a\0\0\0"))?;
    fs::write(environment.join("huge.pyc"), pyc(b"(\xff\xff\xff\x7f"))?;
    fs::write(environment.join("deep.pyc"), pyc(&b"(\x01\0\0\0".repeat(100_000)))?;
    fs::write(environment.join("old.pyc"), [0; 64])?;
    fs::write(environment.join("rot13.py"), "# coding: rot13\nvzcbeg bf\n")?;
    fs::write(environment.join("utf7.py"), "# coding: utf-7\n+AGkAbQBwAG8AcgB0- os\n")?;
    fs::write(environment.join("unknown_coding.py"), "# coding: \x1b[2J\n")?;
    fs::write(environment.join("bytes.py"), [b"x = '", &[0xff, 0xfe, 0x80][..], b"'\n"].concat())?;
    fs::write(environment.join("nul.py"), b"x = 1\0\nimport os\n")?;
    fs::write(environment.join("json.py"), "raise SystemError('the module of the tenant, not that of the library')\n")
}

/// An image directory with a small guest.
fn image(attempt: &Attempt, name: &str) -> Result<std::path::PathBuf, String> {
    let directory = attempt.world.root.path().join(name);
    fs::create_dir(&directory)
        .and_then(|()| fs::write(directory.join("guest.wasm"), Guest::default().wasm()))
        .map_err(|error| error.to_string())?;
    compiles(attempt, &directory)?;
    Ok(directory)
}

/// Opens the image; tells whether it was compiled.
fn compiles(attempt: &Attempt, directory: &Path) -> Result<bool, String> {
    let mut compiled = false;
    let seen = |event| compiled |= matches!(event, CompileEvent::Compiled { .. });
    Image::compile(attempt.world.image.runtime(), directory, seen).map_err(|error| error.to_string())?;
    Ok(compiled)
}

fn machine_code(directory: &Path) -> Result<std::path::PathBuf, String> {
    let files = fs::read_dir(directory.join("compiled")).map_err(|error| error.to_string())?;
    let code = files
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|found| found == "cwasm"));
    code.ok_or_else(|| "no machine code".to_owned())
}

pub const CASES: &[Case] = &[
    load("source with NUL", "x = 1\0\nimport os", Ends::Raises("SyntaxError")).by("Python refuses it"),
    host("source that is one line of megabytes", |attempt| {
        Box::pin(async move {
            let source = format!("x = '{}'", "x".repeat(8 << 20));
            let module = attempt.module(&source).await.map_err(|error| error.to_string())?;
            ensure(module.signatures().is_empty(), || "it has functions".to_owned())
        })
    })
    .so("it is loaded")
    .by("`Limits::request_bytes` and `Limits::memory`"),
    load("source with a hostile encoding cookie", "# coding: rot13\nvzcbeg bf\n", Ends::Raises("SyntaxError"))
        .by("source of functions is text; cookies have no effect"),
    load("a cookie that names no encoding", "# coding: \x1b[2J\nx = 1\n", Ends::Returns("0 functions"))
        .by("source of functions is text; cookies have no effect"),
    call(
        "modules of the environment with hostile cookies",
        "
        import importlib

        def attack():
            outcomes = []
            for name in ('rot13', 'utf7', 'unknown_coding', 'bytes', 'nul'):
                try:
                    importlib.import_module(name)
                    outcomes.append('imported')
                except SyntaxError:
                    outcomes.append('refused')
            return outcomes
        ",
        Ends::Returns("['refused', 'imported', 'imported', 'refused', 'refused']"),
    )
    .by(OWN),
    call(
        "compiled modules of the environment that are damaged",
        "
        import importlib

        def attack():
            outcomes = set()
            for name in ('truncated', 'no_code', 'huge', 'deep', 'old'):
                try:
                    importlib.import_module(name)
                    outcomes.add('imported')
                except (EOFError, ImportError, ValueError, MemoryError, TypeError):
                    outcomes.add('refused')
            return outcomes
        ",
        Ends::Returns("{'refused'}"),
    )
    .by("Python refuses them; what it did not would be contained"),
    call(
        "a module in the environment with a name of the standard library",
        "
        import sys

        def attack():
            import json
            return json.dumps([1])
        ",
        Ends::Returns("'[1]'"),
    )
    .by("the standard library comes first"),
    host("hostile names of files", |attempt| {
        Box::pin(async move {
            for name in [
                "",
                "..",
                "../../etc/passwd",
                "/etc/passwd",
                "\u{1b}[2J.py",
                "a\nb.py",
                "json.py",
                "sys.py",
                "vivarium.py",
                "__main__.py",
                &"n".repeat(100_000),
            ] {
                let source = vivarium::FunctionSource::inline(name, "def f(x: int) -> int: return x\n");
                let module = vivarium::Module::load(&attempt.world.image, attempt.config(), source).await;
                let module = module.map_err(|error| format!("{name:?}: {error}"))?;
                ensure(module.signatures().len() == 1, || format!("{name:?}"))?;
            }
            Ok(())
        })
    })
    .so("the functions are loaded under a harmless name")
    .by("a file's name names a module that hides no other"),
    host("names of modules that are none", |attempt| {
        Box::pin(async move {
            for name in ["../x", "", ".", "os.system", "a b", "\u{1b}", "x\0", "/etc/passwd"] {
                let source = vivarium::FunctionSource::module(name);
                match vivarium::Module::load(&attempt.world.image, attempt.config(), source).await {
                    Err(vivarium::Error::Python(_)) => {}
                    other => return Err(format!("{name:?}: {other:?}")),
                }
            }
            Ok(())
        })
    })
    .so("loading fails: Import or Protocol error")
    .by("names are identifiers with dots"),
    host("a precompiled image that was tampered with", |attempt| {
        Box::pin(async move {
            let directory = image(&attempt, "tampered-code")?;
            let path = machine_code(&directory)?;
            let mut code = fs::read(&path).map_err(|error| error.to_string())?;
            let middle = code.len() / 2;
            code[middle] ^= 1;
            fs::write(&path, code).map_err(|error| error.to_string())?;
            ensure(compiles(&attempt, &directory)?, || "tampered machine code was loaded".to_owned())
        })
    })
    .so("it is compiled again from the module")
    .by("machine code is only loaded when its hash is the recorded one and nobody else could write it"),
    host("a snapshot that was tampered with", |attempt| {
        Box::pin(async move {
            let directory = image(&attempt, "tampered-snapshot")?;
            fs::write(directory.join("guest.wasm"), b"\0asm\x01\0\0\0 junk").map_err(|error| error.to_string())?;
            match Image::open(attempt.world.image.runtime(), &directory) {
                Err(Error::Image(ImageError::Compile(_))) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
    })
    .so("the image is refused")
    .by("a module is validated before it is compiled"),
    host("an image that others can write to", |attempt| {
        Box::pin(async move {
            use std::os::unix::fs::PermissionsExt;
            let directory = image(&attempt, "open-image")?;
            fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).map_err(|error| error.to_string())?;
            match Image::open(attempt.world.image.runtime(), &directory) {
                Err(Error::Image(ImageError::Untrusted { .. })) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
    })
    .so("the image is refused")
    .by("machine code is only loaded when its hash is the recorded one and nobody else could write it"),
];
