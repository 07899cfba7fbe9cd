//! Python environments as Flink jobs ship them, materialised as trees to preopen read-only in a sandbox.
//!
//! ```text
//!   options          python.files, .requirements, .archives, .executable, ...      options, distributed
//!      |
//!   PythonDependencyInfo                                                           dependencies
//!      |
//!   PythonEnvironmentManager   open / create_environment / close, one base         manager, base_directory
//!      |                       directory a job
//!      +-- requirements        pip decides which wheels; no package code runs      requirements/
//!      +-- store               the same inputs make one tree a machine and tenant  store/
//!      +-- materialize         files, archives and wheels become a tree            materialize, archive/, tree/
//!      +-- scan                what is in it that the user should know             scan, report
//!      v
//!   PythonEnvironment          variables, Python path, working directory, home,    environment, view, inspect
//!                              as the host and as the guest see them; the tree
//! ```
//!
//! The behaviour is that of Apache Flink 2.3 (its `PythonEnvironmentManager` and what surrounds it), except where that
//! is unsafe for hostile input.
//!
//! Invariants
//! * Everything a job ships is hostile. A refusal is an error that names the archive and the entry; nothing is
//!   written outside the base directory, and nothing is left behind.
//! * Files are written below directory handles, never through joined paths and never through links ([`Refusal`]).
//! * No code that a job ships runs on the host: no interpreter, no build, no start-up hook.
//! * The process's own environment variables are not read, except those that pip needs to reach the network.
//! * This crate knows nothing of the sandbox except its two fixed paths ([`GuestPython`]).
//!
//! ```
//! use std::sync::Arc;
//! use vivarium_env::{EnvironmentSettings, JobId, PythonDependencyInfo, PythonEnvironmentManager, PythonFile};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("rates.py");
//! # std::fs::write(&path, "RATE = 3\n")?;
//! let info = PythonDependencyInfo::default().with_python_files(vec![PythonFile::new(path, "rates.py")]);
//! let mut manager = PythonEnvironmentManager::new(info, Arc::new(EnvironmentSettings::default()), JobId::new("job-1")?);
//! manager.open()?;
//! let environment = manager.create_environment()?;
//! assert_eq!(environment.guest().python_path, ["/env/python-files/rates.py"]);
//! let preopen = environment.tree()?;
//! assert!(preopen.exists("python-files/rates.py/rates.py"));
//! manager.close();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod archive;
mod base_directory;
mod dependencies;
mod distributed;
mod environment;
mod error;
mod execution_mode;
mod guest;
mod inspect;
mod interpreter;
mod limits;
mod manager;
mod materialize;
mod open_job;
mod options;
mod progress;
mod report;
mod requirements;
mod scan;
mod store;
mod tree;
mod view;

pub use archive::LeftOut;
pub use dependencies::{DEFAULT_EXECUTABLE, PythonArchive, PythonDependencyInfo, PythonFile};
pub use distributed::{DistributedDependencies, DistributedFile};
pub use environment::PythonEnvironment;
pub use error::{EnvironmentError, Refusal, RequirementsError, Role, StoreError, Unsatisfied, UnsatisfiedReason};
pub use execution_mode::ExecutionMode;
pub use guest::{BundledPackage, GuestPython};
pub use inspect::{EnvironmentInspection, SideInspection, TreeFile, TreeFileKind};
pub use interpreter::{ExecutionType, PythonInterpreterConfig, is_python_exec_from_archives};
pub use limits::MaterializeLimits;
pub use manager::{EnvironmentSettings, PythonEnvironmentManager};
pub use options::{PythonOptions, keys};
pub use progress::{OpenEvent, OpenProgress};
pub use report::{Distribution, NativeModule, ShadowedBy, ShadowedModule, TreeReport};
pub use requirements::{
    AllowedLines, LockedPackage, PIP_VARIABLES, PipUsage, Requirement, RequirementsFile, RequirementsLock,
    RequirementsSettings, ScriptMetadata, pip_usage,
};
pub use store::{CollectPolicy, Collected, Store, StoreLease, StoredEnvironment, TenantStore};
pub use view::EnvironmentView;
pub use vivarium_tenancy::{IdError, JobId, TenantId};
