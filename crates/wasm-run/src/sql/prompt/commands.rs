//! What begins with a backslash: questions about the session.

use crate::failure::Failure;

/// What the commands are.
pub const HELP: &str = "  \\d            the tables
  \\d TABLE      the columns of a table
  \\df           the Python functions
  \\df NAME      functions of that name, with their arguments
  \\?            this help
  \\q            leave (also Ctrl-D)
Statements end with `;` and may have several lines. Tab completes keywords and the names of tables, columns and functions.
Ctrl-C stops a query.
";

/// A command.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    Help,
    /// Tell the Python functions.
    Functions,
    /// Show the rows of a query.
    Query(String),
}

impl Command {
    /// Reads a command, which is given without its backslash.
    ///
    /// # Errors
    /// When there is no such command.
    pub fn parse(command: &str) -> Result<Self, Failure> {
        let mut words = command.trim_end_matches(';').split_whitespace();
        let (name, argument) = (words.next().unwrap_or_default(), words.next());
        Ok(match (name, argument) {
            ("?" | "h" | "help", _) => Self::Help,
            ("d", None) => Self::Query(
                "SELECT table_schema AS schema, table_name AS table, table_type AS type FROM information_schema.tables \
                 WHERE table_schema <> 'information_schema' ORDER BY 1, 2"
                    .to_owned(),
            ),
            ("d", Some(table)) => Self::Query(format!("DESCRIBE {table}")),
            ("df", None) => Self::Functions,
            ("df", Some(function)) => Self::Query(format!("SHOW FUNCTIONS LIKE '{}'", function.replace('\'', "''"))),
            _ => return Err(Failure::usage(format!("there is no command \\{name}; \\? shows the commands"))),
        })
    }
}

/// Whether a line means to leave.
pub fn is_goodbye(line: &str) -> bool {
    matches!(line.trim().trim_end_matches(';').trim_end(), "\\q" | "quit" | "exit")
}
