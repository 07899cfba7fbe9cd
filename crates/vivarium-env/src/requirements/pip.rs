//! Running the machine's pip.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Resolver;
use super::runs::Run;
use crate::error::{EnvironmentError, RequirementsError};
use crate::guest::GuestPython;
use crate::progress::OpenProgress;

const SCRIPT: &str = include_str!("run_pip.py");
/// How much of pip's output an error shows.
const OUTPUT_BYTES: u64 = 8 << 10;
/// Address space of pip, which needs a few hundred MB. What it reads of an index or a wheel beyond that ends it.
const MEMORY_BYTES: u64 = 1 << 30;
/// The variables of the host that pip is given: what it needs to be found and to reach the network, and nothing that configures
/// Python or pip. Whoever lets a tenant set variables of the process has to keep these to itself.
pub const PIP_VARIABLES: [&str; 16] = [
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "XDG_CACHE_HOME",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
];

/// How pip ended.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(super) enum Outcome {
    Done,
    /// A requirement that nothing satisfies.
    Unsatisfied {
        requirement: String,
        name: String,
        reason: Reason,
        available: Vec<String>,
    },
    /// Something else.
    Failed {
        /// The end of pip's output.
        #[serde(default)]
        output: String,
        /// Packages of which no version can be used.
        #[serde(default)]
        hopeless: Vec<Hopeless>,
    },
    /// It needed more memory than it may have.
    OutOfMemory,
    /// The machine's Python has no pip.
    Missing,
    /// Its pip has not the parts this needs.
    Unsuitable {
        output: String,
    },
}

/// A package without a usable wheel, perhaps needed by another.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Hopeless {
    /// Normalised (PEP 503).
    pub name: String,
    pub reason: Reason,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reason {
    Native,
    Source,
    Version,
    Package,
}

#[derive(Serialize)]
struct Orders<'a> {
    arguments: &'a [String],
    markers: serde_json::Value,
    network: bool,
    directories: &'a [PathBuf],
    result: &'a Path,
    log: &'a Path,
    file_bytes: u64,
    memory_bytes: u64,
    cpu_seconds: u64,
}

/// Runs pip with `arguments` in `scratch`, a directory of our own. What `directories` have a wheel of comes from nowhere else.
pub(super) fn run(
    resolver: &Resolver<'_>,
    scratch: &Path,
    arguments: &[String],
    network: bool,
    directories: &[PathBuf],
) -> Result<Outcome, EnvironmentError> {
    let Resolver { settings, guest, limits, tenant, progress, .. } = resolver;
    let failed = |source| RequirementsError::PipRun { source };
    let (result, log) = (scratch.join("result.json"), scratch.join("pip.log"));
    for leftover in [&result, &log] {
        match std::fs::remove_file(leftover) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error).into()),
            _ => {}
        }
    }
    let orders = Orders {
        arguments,
        markers: marker_environment(guest),
        network,
        directories,
        result: &result,
        log: &log,
        file_bytes: limits.archive_bytes,
        memory_bytes: MEMORY_BYTES,
        cpu_seconds: settings.timeout.as_secs().max(1),
    };
    let orders = serde_json::to_vec(&orders).map_err(|error| failed(error.into()))?;
    let mut output = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(scratch.join("output"))
        .map_err(failed)?;
    let clone = || output.try_clone().map(Stdio::from).map_err(failed);
    // A name is looked for in PATH; a path must not depend on the directory that pip runs in.
    let is_path = settings.python.components().count() > 1;
    let python = if is_path { std::path::absolute(&settings.python).map_err(failed)? } else { settings.python.clone() };
    let mut command = Command::new(python);
    // Isolated: neither the environment, nor the working directory, nor the user's packages are Python's to import.
    command.args(["-I", "-c", SCRIPT]).current_dir(scratch).env_clear().env("TMPDIR", scratch);
    // Nor is pip configured by anything but these arguments (`--isolated` still reads the machine's /etc/pip.conf, where an index
    // may be added), and no password that lies in a home directory goes to an index.
    command.env("PIP_CONFIG_FILE", "/dev/null").env("NETRC", "/dev/null");
    command.envs(PIP_VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.stdin(Stdio::piped()).stdout(clone()?).stderr(clone()?).process_group(0);
    // Its own time begins when it runs.
    let run = Run::begin(tenant, progress)?;
    let mut child = match command.spawn() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(RequirementsError::PythonMissing { python: settings.python.clone() }.into());
        }
        child => child.map_err(failed)?,
    };
    if let Some(mut input) = child.stdin.take() {
        // Python that dies before it reads is reported by what it wrote.
        let _ = input.write_all(&orders);
    }
    let status = wait(&mut child, settings.timeout, progress)?;
    if status.signal() == Some(rustix::process::Signal::XCPU.as_raw()) {
        return Err(RequirementsError::PipTimeout { seconds: settings.timeout.as_secs() }.into());
    }

    let text = tail(&mut output).map_err(failed)?;
    let outcome = std::fs::read(&result).ok().and_then(|json| serde_json::from_slice(&json).ok());
    if outcome.is_some() {
        run.done();
    }
    match outcome {
        Some(Outcome::Failed { hopeless, .. }) => Ok(Outcome::Failed { output: text, hopeless }),
        None => Ok(Outcome::Failed { output: text, hopeless: Vec::new() }),
        Some(Outcome::OutOfMemory) => Err(RequirementsError::PipMemory { limit: MEMORY_BYTES }.into()),
        Some(Outcome::Missing) => Err(RequirementsError::PipMissing { python: settings.python.clone() }.into()),
        Some(Outcome::Unsuitable { output }) => {
            Err(RequirementsError::PipUnsuitable { python: settings.python.clone(), reason: output }.into())
        }
        Some(outcome) => Ok(outcome),
    }
}

fn wait(child: &mut Child, timeout: Duration, progress: &OpenProgress) -> Result<ExitStatus, EnvironmentError> {
    let deadline = Instant::now() + timeout;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() < deadline && !progress.is_cancelled() => {
                std::thread::sleep(Duration::from_millis(5))
            }
            result => {
                let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
                if let Some(group) = group {
                    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
                }
                let _ = child.wait();
                return Err(match result {
                    Err(source) => RequirementsError::PipRun { source }.into(),
                    Ok(_) if progress.is_cancelled() => EnvironmentError::Cancelled,
                    Ok(_) => RequirementsError::PipTimeout { seconds: timeout.as_secs() }.into(),
                });
            }
        }
    }
}

fn tail(output: &mut File) -> io::Result<String> {
    let size = output.metadata()?.len();
    output.seek(SeekFrom::Start(size.saturating_sub(OUTPUT_BYTES)))?;
    let mut bytes = Vec::new();
    output.take(OUTPUT_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(vivarium_text::paragraph(text.trim(), usize::MAX))
}

/// The guest's values of the variables of environment markers (PEP 508).
fn marker_environment(guest: &GuestPython) -> serde_json::Value {
    serde_json::json!({
        "implementation_name": "cpython",
        "implementation_version": guest.full_version(),
        "os_name": "posix",
        "platform_machine": "wasm32",
        "platform_release": "",
        "platform_system": "WASI",
        "platform_version": "",
        "platform_python_implementation": "CPython",
        "python_full_version": guest.full_version(),
        "python_version": guest.short_version(),
        "sys_platform": "wasi",
    })
}
