//! The files that the command line names, read or found before anything runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::prelude::SessionContext;
use vivarium::{Error, FunctionSource};

use super::named_files::{Names, resolved};
use super::options::Sql;
use super::script::{Script, Statement};
use super::session::PYTHON_SETTINGS;
use super::tables::FoundTable;
use crate::cli::FunctionName;
use crate::failure::Failure;
use crate::files::Location;
use crate::options::EnvironmentOptions;

/// What the command line names.
pub struct Arguments {
    scripts: Vec<Arc<Script>>,
    pub tables: Vec<FoundTable>,
    pub functions: Vec<Functions>,
    /// Folders that statements may read and write, as absolute paths.
    pub allowed: Vec<PathBuf>,
}

/// A Python file, and the one function of it that is wanted, or all.
pub struct Functions {
    pub source: FunctionSource,
    pub only: Option<String>,
}

impl Arguments {
    /// Reads scripts and Python files, and finds the files of tables.
    ///
    /// # Errors
    /// When one is missing, or standard input is wanted twice.
    pub async fn read(command: &Sql) -> Result<Self, Failure> {
        let tables = command.tables.iter().map(|table| FoundTable::find(table, command.input_format));
        let tables: Vec<_> = tables.collect::<Result<_, _>>()?;
        let mut files = command.files.clone();
        if files.is_empty() && command.statements.is_empty() && !command.is_interactive() {
            files.push(Location::Standard);
        }
        let piped = tables.iter().filter(|table| table.is_standard_input()).count()
            + files.iter().filter(|file| **file == Location::Standard).count();
        if piped > 1 {
            return Err(Failure::usage(
                "standard input is wanted twice; give the statements as arguments or with --file, and one table from it",
            ));
        }
        let mut scripts = Vec::new();
        for file in files {
            scripts.push(read_script(file).await?);
        }
        scripts.extend(command.statements.iter().cloned().map(Script::typed));
        Ok(Self {
            scripts,
            tables,
            functions: command.functions.iter().map(read_functions).collect::<Result<_, _>>()?,
            allowed: command.allowed.iter().map(|folder| allowed(folder)).collect::<Result<_, _>>()?,
        })
    }

    /// Whether there is nothing to run, so that it is asked for.
    pub fn is_prompt(&self) -> bool {
        self.scripts.is_empty()
    }

    /// What statements may reach.
    pub fn names(&self) -> Names {
        Names { tables: self.tables.iter().flat_map(FoundTable::paths).collect(), folders: self.allowed.clone() }
    }

    /// All statements of all scripts.
    ///
    /// # Errors
    /// The first mistake in the syntax, before anything has run.
    pub fn statements(&self, session: &SessionContext) -> Result<Vec<Statement>, Failure> {
        let mut statements = Vec::new();
        for script in &self.scripts {
            statements.extend(script.statements(session).map_err(Failure::sql)?);
        }
        if statements.is_empty() && !self.is_prompt() {
            return Err(Failure::usage("there is no statement to run"));
        }
        Ok(statements)
    }
}

async fn read_script(location: Location) -> Result<Arc<Script>, Failure> {
    let name = match &location {
        Location::Standard => None,
        Location::File(path) => Some(path.display().to_string()),
    };
    let given = location.to_string();
    // Standard input may keep its reader waiting.
    let read = tokio::task::spawn_blocking(move || match location {
        Location::Standard => std::io::read_to_string(std::io::stdin()),
        Location::File(path) => std::fs::read_to_string(path),
    });
    let text = read.await.map_err(Failure::internal)?;
    let text = text.map_err(|error| Failure::usage(format!("the statements in {given} cannot be read: {error}")))?;
    Ok(Arc::new(Script { name, text }))
}

fn read_functions(name: &FunctionName) -> Result<Functions, Failure> {
    let source = FunctionSource::file(&name.file).map_err(Error::from)?;
    Ok(Functions { source, only: name.function.clone() })
}

fn allowed(folder: &Path) -> Result<PathBuf, Failure> {
    if !folder.is_dir() {
        return Err(Failure::usage(format!("--allow {}: there is no such folder; make it first", folder.display())));
    }
    Ok(resolved(folder))
}

/// Which image the session's functions run in.
const IMAGE_SETTING: &str = "vivarium.image";

/// Takes `SET python.files = '...'` and the like from the beginning of the statements: they are options of the environment, which
/// is made before anything runs.
///
/// # Errors
/// When a setting is not one, or is given by an option as well.
pub fn take_settings(statements: &mut Vec<Statement>, options: &mut EnvironmentOptions) -> Result<(), Failure> {
    let is_setting = |statement: &Statement| {
        statement.setting().is_some_and(|(name, _)| name.starts_with(PYTHON_SETTINGS) || name == IMAGE_SETTING)
    };
    let count = statements.iter().take_while(|statement| is_setting(statement)).count();
    for statement in statements.drain(..count) {
        let Some((name, value)) = statement.setting() else { continue };
        let single = match name.as_str() {
            IMAGE_SETTING => {
                options.image = Some(value.parse()?);
                continue;
            }
            "python.files" => {
                options.python_files.push(value);
                continue;
            }
            "python.archives" => {
                options.python_archives.push(value);
                continue;
            }
            "python.requirements" => &mut options.python_requirements,
            "python.executable" => &mut options.python_executable,
            "python.pythonpath" => &mut options.python_path,
            _ => {
                return Err(Failure::usage(format!(
                    "there is no setting {name}; there are python.files, python.archives, python.requirements, \
                     python.executable and python.pythonpath"
                )));
            }
        };
        *single = Some(value);
    }
    Ok(())
}
