//! Lines as they are typed. Editing waits for keys, so it has a thread of its own.

use std::sync::{Arc, Mutex, PoisonError, mpsc};

use datafusion::sql::sqlparser::dialect::GenericDialect;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper, Highlighter, Hinter};
use tokio::signal::unix::Signal;

use super::history::History;
use super::words::Words;
use crate::failure::Failure;
use crate::sql::script::is_complete;
use crate::supervisor::interrupt_handled;

/// What stands before what is typed.
const PROMPT: &str = "sql> ";

/// How many lines the history keeps.
const KEPT: usize = 1_000;

/// What came of a question.
pub enum Line {
    /// A statement or command.
    Typed(String),
    /// The user dropped it.
    Dropped,
    /// The end of input.
    End,
}

/// The thread that reads.
pub struct Reader {
    questions: mpsc::Sender<Words>,
    lines: tokio::sync::mpsc::Receiver<Result<String, ReadlineError>>,
    /// The last question had no answer because the system refused something.
    refused: bool,
}

impl Reader {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the terminal cannot be used.
    pub fn start(history: Option<History>) -> Result<Self, Failure> {
        let unusable = |error: ReadlineError| Failure::internal(format!("the terminal cannot be used: {error}"));
        let config = Config::builder()
            .max_history_size(KEPT)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(unusable)?
            .completion_type(CompletionType::List)
            .build();
        let mut editor: Editor<SqlHelper, FileHistory> = Editor::with_config(config).map_err(unusable)?;
        let words = Arc::new(Mutex::new(Words::default()));
        editor.set_helper(Some(SqlHelper { words: Arc::clone(&words) }));
        if let Some(history) = &history {
            // There is none the first time.
            let _ = editor.load_history(&history.file());
        }
        let (questions, asked) = mpsc::channel();
        let (sender, lines) = tokio::sync::mpsc::channel(1);
        std::thread::spawn(move || {
            for new in asked {
                *words.lock().unwrap_or_else(PoisonError::into_inner) = new;
                let line = editor.readline(PROMPT);
                if let Ok(line) = &line {
                    remember(&mut editor, line, history.as_ref());
                }
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { questions, lines, refused: false })
    }

    /// Asks for a line; Tab completes `words`.
    ///
    /// # Errors
    /// When the terminal fails.
    pub async fn ask(&mut self, words: Words, interrupt: &mut Signal) -> Result<Line, Failure> {
        let gone = || Failure::internal("the prompt ended without an answer");
        self.questions.send(words).map_err(|_| gone())?;
        let line = loop {
            tokio::select! {
                line = self.lines.recv() => break line.ok_or_else(gone)?,
                // A terminal that edits sends a key; from others, and from other programs, it is a signal.
                _ = interrupt.recv() => interrupt_handled(),
            }
        };
        // Ctrl-Z: to stop itself, a process sends itself a signal, and the process sandbox lets none be sent. The line is lost, no more;
        // but a terminal that refuses twice in a row has something else.
        let refused_before = std::mem::replace(&mut self.refused, matches!(line, Err(ReadlineError::Errno(_))));
        match line {
            Err(ReadlineError::Errno(_)) if !refused_before => Ok(Line::Dropped),
            Ok(line) => Ok(Line::Typed(line)),
            Err(ReadlineError::Interrupted) => Ok(Line::Dropped),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(Failure::internal(format!("the terminal cannot be used: {error}"))),
        }
    }
}

fn remember(editor: &mut Editor<SqlHelper, FileHistory>, line: &str, history: Option<&History>) {
    let line = line.trim();
    if line.is_empty() {
        return;
    }
    // A history that cannot be kept is no reason to stop.
    let kept = editor.add_history_entry(line).and_then(|_| match history {
        Some(history) => editor.append_history(&history.file()),
        None => Ok(()),
    });
    if let Err(error) = kept {
        tracing::warn!(%error, "the history cannot be kept");
    }
}

/// What the editor asks about a line.
#[derive(Helper, Hinter, Highlighter)]
struct SqlHelper {
    words: Arc<Mutex<Words>>,
}

impl Completer for SqlHelper {
    type Candidate = String;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.words.lock().unwrap_or_else(PoisonError::into_inner).complete(line, position))
    }
}

impl Validator for SqlHelper {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let typed = context.input();
        let complete =
            typed.trim_start().starts_with('\\') || super::is_goodbye(typed) || is_complete(typed, &GenericDialect {});
        Ok(if complete { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}
