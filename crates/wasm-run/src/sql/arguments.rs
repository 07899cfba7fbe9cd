//! The files that the command line names, read or found before anything runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::prelude::SessionContext;
use vivarium::{Error, FunctionSource};
use vivarium_env::{PythonDependencyInfo, PythonOptions};
use vivarium_guest::ImageName;

use super::named_files::{Intent, Names, resolved};
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
    /// When one is missing, or standard input is used twice.
    pub async fn read(command: &Sql) -> Result<Self, Failure> {
        let tables = command.tables.iter().map(|table| FoundTable::find(table, command.input_format, &command.text));
        let tables: Vec<_> = tables.collect::<Result<_, _>>()?;
        let mut files = command.files.clone();
        if files.is_empty() && command.statements.is_empty() && !command.is_interactive() {
            files.push(Location::Standard);
        }
        let piped = tables.iter().filter(|table| table.is_standard_input()).count()
            + files.iter().filter(|file| **file == Location::Standard).count();
        if piped > 1 {
            return Err(Failure::usage(
                "standard input is used twice; give the statements as arguments or with --file, and one table from it",
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
    // Some editors begin a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
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
/// is made before anything runs. The image that they ask for, if they do.
///
/// # Errors
/// When a setting is not one, or names a file of the host that the command line did not name.
pub fn take_settings(
    statements: &mut Vec<Statement>,
    options: &mut EnvironmentOptions,
    names: &Names,
) -> Result<Option<ImageName>, Failure> {
    let mut image = None;
    let mut asked = PythonOptions::default();
    let is_setting = |statement: &Statement| {
        statement.setting().is_some_and(|(name, _)| name.starts_with(PYTHON_SETTINGS) || name == IMAGE_SETTING)
    };
    let count = statements.iter().take_while(|statement| is_setting(statement)).count();
    for statement in statements.drain(..count) {
        let Some((name, value)) = statement.setting() else { continue };
        let field = match name.as_str() {
            IMAGE_SETTING => {
                image = Some(value.parse()?);
                continue;
            }
            "python.files" => &mut asked.files,
            "python.archives" => &mut asked.archives,
            "python.requirements" => &mut asked.requirements,
            "python.executable" => &mut asked.executable,
            "python.pythonpath" => &mut asked.python_path,
            _ => {
                return Err(Failure::usage(format!(
                    "there is no setting {name}; there are python.files, python.archives, python.requirements, \
                     python.executable and python.pythonpath"
                )));
            }
        };
        *field = Some(match (field.take(), name.as_str()) {
            // Each statement adds to a list.
            (Some(before), "python.files" | "python.archives") => format!("{before},{value}"),
            _ => value,
        });
    }
    // The command line's options are the operator's own; a statement reaches what it named and nothing else.
    check_paths(&PythonDependencyInfo::from_options(&asked)?, names)?;
    options.python_files.extend(asked.files);
    options.python_archives.extend(asked.archives);
    options.python_requirements = asked.requirements.or(options.python_requirements.take());
    options.python_executable = asked.executable.or(options.python_executable.take());
    options.python_path = asked.python_path.or(options.python_path.take());
    Ok(image)
}

/// Checks every file of the host that dependencies name.
fn check_paths(info: &PythonDependencyInfo, names: &Names) -> Result<(), Failure> {
    let files = info.python_files.iter().map(|file| &file.path);
    let archives = info.archives.iter().map(|archive| &archive.path);
    let requirements = info.requirements_file.iter().chain(&info.requirements_cache_directory);
    for path in files.chain(archives).chain(requirements) {
        let path = std::path::absolute(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        names.check(&path, Intent::Read).map_err(Failure::usage)?;
    }
    Ok(())
}
