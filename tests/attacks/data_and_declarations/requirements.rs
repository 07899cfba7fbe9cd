//! Requirements, script headers and wheels.

use vivarium_env::{GuestPython, PythonDependencyInfo, ScriptMetadata};

use super::Shipped;
use crate::archives::{ZipEntry, zip};
use crate::case::{Case, ensure, host};
use crate::wheels::Wheel;
use crate::world::Attempt;

/// Requirements that must be refused, with wheels from a directory that `make` fills.
fn requirements(
    attempt: &Attempt,
    text: &str,
    make: impl FnOnce(&Shipped) -> std::io::Result<()>,
    words: &[&str],
) -> Result<(), String> {
    let shipped = Shipped::new(attempt)?;
    std::fs::create_dir_all(shipped.path("wheels")).and_then(|()| make(&shipped)).map_err(|error| error.to_string())?;
    let info = PythonDependencyInfo::default()
        .with_requirements_file(Some(shipped.write("requirements.txt", text.as_bytes())?))
        .with_requirements_cache_directory(Some(shipped.path("wheels")));
    shipped.refused(info, words)
}

/// Lines that would make pip read files, run programs or ask other servers.
const LINES: &[&str] = &[
    "-r /etc/passwd",
    "-c /etc/passwd",
    "-e .",
    "--editable=git+file:///x",
    "--find-links /etc",
    "--index-url https://elsewhere/simple",
    "--config-settings=x=y",
    "/etc/passwd",
    "./package",
    "~/package",
    "file:///etc/passwd",
    "x @ file:///etc/passwd",
    "x @ https://elsewhere/x-1-py3-none-any.whl",
    "x @ git+https://elsewhere/x",
    "${HOME}",
    "x==${SECRET}",
    "x --global-option=--exec",
    "x ; __import__('os').system('id')",
    "x ; python_version == '3' or open('/etc/passwd')",
    "x ; sys_platform == \"$(id)\"",
    "x\u{0}y",
    "\u{1b}[2J",
];

pub const CASES: &[Case] = &[
    host("lines of requirements that name files, servers and programs", |attempt| {
        Box::pin(async move {
            for line in LINES {
                requirements(&attempt, &format!("{line}\n"), |_| Ok(()), &["is refused"])
                    .map_err(|error| format!("{line:?}: {error}"))?;
                let shipped = Shipped::new(&attempt)?;
                let info = PythonDependencyInfo::default().with_requirements(vec![(*line).to_owned()]);
                shipped.refused(info, &["is refused"]).map_err(|error| format!("in a header, {line:?}: {error}"))?;
            }
            Ok(())
        })
    })
    .so("the environment is refused, and the line is named")
    .by("every line is taken apart, and what pip gets is written anew from the parts"),
    host("script headers that are none", |_| {
        Box::pin(async move {
            let header = |lines: &str| ScriptMetadata::parse(&format!("# /// script\n{lines}# ///\n"));
            for lines in [
                "# dependencies = \"x\"\n".to_owned(),
                "# dependencies = [1, 2]\n".to_owned(),
                "# requires-python = [\"3\"]\n".to_owned(),
                "# [tool.vivarium]\n# image = [\"x\"]\n".to_owned(),
                "# [tool.vivarium]\n# mount = \"/\"\n".to_owned(),
                format!("# dependencies = {}\n", "[".repeat(100_000)),
                format!("# {} = 1\n", "a.".repeat(100_000)),
            ] {
                let shown = lines.get(..40).unwrap_or(&lines).to_owned();
                ensure(header(&lines).is_err(), || format!("{shown} was taken"))?;
            }
            for required in ["", "===x", ">=1e99", "~=3", "<3.13; x", "../..", "3.*.*", ">=99999999999999999999"] {
                let lines = format!("# requires-python = \"{required}\"\n");
                if let Ok(Some(found)) = header(&lines) {
                    // Understood or not, it is answered.
                    let _ = found.check_python(&GuestPython::default());
                }
            }
            Ok(())
        })
    })
    .so("the header is refused, with its line")
    .by("a header is parsed into lists and texts; what is not understood is not matched"),
    host("a small wheel whose metadata fill memory", |attempt| {
        Box::pin(async move {
            let bomb = format!("Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\n\n{}", "x".repeat(64 << 20));
            for file in ["METADATA", "WHEEL", "RECORD"] {
                let wheel = |shipped: &Shipped| {
                    let entry =
                        ZipEntry { deflate: true, ..ZipEntry::file(format!("alpha-1.0.dist-info/{file}"), &bomb) };
                    std::fs::write(shipped.path("wheels/alpha-1.0-py3-none-any.whl"), zip(&[entry]))
                };
                requirements(&attempt, "alpha\n", wheel, &["alpha-1.0-py3-none-any.whl", file])?;
            }
            Ok(())
        })
    })
    .so("the environment is refused before pip runs")
    .by("wheels are judged by their directory before pip sees them; pip's memory and time are bounded besides"),
    host("wheels that lie: about their files, their package, or what they need", |attempt| {
        Box::pin(async move {
            let lied = |record: &str| Wheel { record: Some(record.to_owned()), ..Wheel::new("alpha", "1.0") };
            let url = format!("beta @ file://{}", attempt.world.canaries().join("secret.txt").display());
            for (wheel, word) in [
                (lied("alpha/__init__.py,sha256=AAAA,3\n"), "does not have the hash"),
                (lied(""), "has no hash for it"),
                (Wheel::new("alpha", "1.0").file("../up.py", ""), "outside of"),
                (Wheel::new("alpha", "1.0").file("/etc/up.py", ""), "absolute"),
                (Wheel::new("alpha", "1.0").requires(&url), "a URL"),
                (Wheel::new("alpha", "1.0").requires("beta ; __import__('os')"), "pip failed"),
            ] {
                let write = |shipped: &Shipped| wheel.write(&shipped.path("wheels")).metadata().map(drop);
                requirements(&attempt, "alpha\n", write, &[]).map_err(|error| format!("{word}: {error}"))?;
            }
            Ok(())
        })
    })
    .so("the environment is refused")
    .by("wheels only, unpacked by us; every file must have the hash of the wheel's list, and nothing is built or run"),
    host("links, fifos and pages of links among wheels", |attempt| {
        Box::pin(async move {
            let name = "wheels/alpha-1.0-py3-none-any.whl";
            let link = |shipped: &Shipped| {
                let elsewhere = Wheel::new("alpha", "1.0").write(&shipped.path("of-another-tenant"));
                std::os::unix::fs::symlink(elsewhere, shipped.path(name))
            };
            requirements(&attempt, "alpha\n", link, &["is not a regular file"])?;
            let fifo = |shipped: &Shipped| {
                Ok(rustix::fs::mkfifoat(rustix::fs::CWD, shipped.path(name), rustix::fs::Mode::RWXU)?)
            };
            requirements(&attempt, "alpha\n", fifo, &["is not a regular file"])?;
            let page = |shipped: &Shipped| {
                let elsewhere = Wheel::new("alpha", "1.0").write(&shipped.path("of-another-tenant"));
                let page = format!("<a href=\"file://{}\">alpha</a>", elsewhere.display());
                std::fs::write(shipped.path("wheels/index.html"), page)
            };
            requirements(&attempt, "alpha\n", page, &["no such package"])
        })
    })
    .so("the environment is refused, and nothing is waited for")
    .by("pip gets a directory of ours, with the wheels that were judged and nothing else"),
];
