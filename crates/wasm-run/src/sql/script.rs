//! SQL text, cut into statements that know where they stand in it.

use std::sync::Arc;

use datafusion::common::Span;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{DFParser, DFParserBuilder, Statement as Parsed};
use datafusion::sql::sqlparser::ast::{self, Statement as SqlStatement};
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect, dialect_from_str};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::failure::SqlFailure;
use crate::supervisor::{Doing, doing};

/// SQL text and what messages call it.
#[derive(Debug, PartialEq, Eq)]
pub struct Script {
    /// The file it came from.
    pub name: Option<String>,
    /// All of it.
    pub text: String,
}

/// One statement of a script.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The script that it is in.
    pub script: Arc<Script>,
    /// Where it begins, and where the next one does.
    pub place: TextRange,
    /// The statement as the parser understood it.
    pub parsed: Parsed,
    /// It is a CREATE FUNCTION IF NOT EXISTS.
    pub if_not_exists: bool,
}

/// A part of a script: from a line and column, counted from 1, to before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextRange {
    pub start: Location,
    pub end: Location,
}

/// How long the text of a script may be.
const SCRIPT_BYTES: usize = 8 << 20;

/// How many words a statement may have.
const STATEMENT_TOKENS: usize = 200_000;

/// The end of every script.
const END: Location = Location { line: u64::MAX, column: 0 };

impl Script {
    /// A script that was typed.
    pub fn typed(text: String) -> Arc<Self> {
        Arc::new(Self { name: None, text })
    }

    /// All statements of the script, in order.
    ///
    /// # Errors
    /// The first mistake in the syntax, with its place.
    pub fn statements(self: &Arc<Self>, session: &SessionContext) -> Result<Vec<Statement>, SqlFailure> {
        let whole = TextRange { start: Location { line: 1, column: 1 }, end: END };
        let wrong = |error: DataFusionError| SqlFailure::new(error, Arc::clone(self), whole, dialect(session));
        let limit = session.state().config_options().sql_parser.recursion_limit.get();
        let dialect = dialect(session);
        doing(Doing::Querying, &self.shown_name());
        self.check_size(dialect.as_ref()).map_err(wrong)?;
        let mut parser = DFParserBuilder::new(self.text.as_str())
            .with_dialect(dialect.as_ref())
            .with_recursion_limit(limit)
            .build()
            .map_err(wrong)?;
        let mut statements: Vec<Statement> = Vec::new();
        loop {
            let mut separated = statements.is_empty();
            while parser.parser.consume_token(&Token::SemiColon) {
                separated = true;
            }
            let next = parser.parser.peek_token();
            if let Some(last) = statements.last_mut() {
                last.place.end = if next.token == Token::EOF { END } else { next.span.start };
            }
            if next.token == Token::EOF {
                return Ok(statements);
            }
            if !separated {
                return Err(wrong(
                    parser.parser.expected::<()>("`;` or the end of the statement", next).err().map_or_else(
                        || DataFusionError::Plan("a statement does not end".to_owned()),
                        |error| DataFusionError::SQL(Box::new(error), None),
                    ),
                ));
            }
            let if_not_exists = takes_if_not_exists(&mut parser);
            let parsed = match if_not_exists {
                true => {
                    let parsed = parser.parser.parse_create_function(false, false, false);
                    let parsed = parsed.map_err(|error| wrong(DataFusionError::SQL(Box::new(error), None)))?;
                    Parsed::Statement(Box::new(parsed))
                }
                false => parser.parse_statement().map_err(wrong)?,
            };
            let place = TextRange { start: next.span.start, end: END };
            statements.push(Statement { script: Arc::clone(self), place, parsed, if_not_exists });
        }
    }

    /// Checks that the text, and each of its statements, is one that the parser and the planner can be asked to read: they need memory and
    /// stack for each word.
    fn check_size(&self, dialect: &dyn Dialect) -> Result<(), DataFusionError> {
        if self.text.len() > SCRIPT_BYTES {
            return Err(DataFusionError::Plan(format!(
                "the statements are {} bytes long, and there may be {SCRIPT_BYTES}; give them in several files",
                self.text.len()
            )));
        }
        // Few bytes are few words.
        if self.text.len() <= STATEMENT_TOKENS {
            return Ok(());
        }
        let mut tokens = 0;
        for token in Tokenizer::new(dialect, &self.text).tokenize().unwrap_or_default() {
            tokens = match token {
                Token::SemiColon => 0,
                Token::Whitespace(_) => tokens,
                _ => tokens + 1,
            };
            if tokens > STATEMENT_TOKENS {
                return Err(DataFusionError::Plan(format!(
                    "a statement has more than {STATEMENT_TOKENS} words; read long lists of values from a table"
                )));
            }
        }
        Ok(())
    }

    fn shown_name(&self) -> String {
        self.name.clone().unwrap_or_default()
    }

    /// The first place inside `place` where the word `name` stands, as an identifier.
    pub fn find_word(&self, name: &str, place: TextRange, dialect: &dyn Dialect) -> Option<Span> {
        let is_word = |token: &Token| match token {
            Token::Word(word) if word.quote_style.is_some() => word.value == name,
            Token::Word(word) => word.value.eq_ignore_ascii_case(name),
            _ => false,
        };
        let found = self.tokens(place, dialect).into_iter().find(|token| is_word(&token.token))?;
        Span::try_from_sqlparser_span(found.span)
    }

    /// A line, counted from 1, of the function that the statement at `place` defines between `$$`.
    pub fn find_body_line(&self, line: u32, place: TextRange, dialect: &dyn Dialect) -> Option<Span> {
        let mut tokens =
            self.tokens(place, dialect).into_iter().skip_while(|token| matches!(token.token, Token::Whitespace(_)));
        let first =
            tokens.next().filter(|token| matches!(&token.token, Token::Word(word) if word.keyword == Keyword::CREATE));
        first?;
        let body = tokens.find_map(|token| match token.token {
            Token::DollarQuotedString(text) => Some((token.span.start, text.value)),
            _ => None,
        });
        let (start, text) = body?;
        // What follows the opening `$$` on its line is the first line.
        let shown = text.lines().nth(usize::try_from(line).ok()?.checked_sub(1)?)?.trim_end();
        let number = start.line + u64::from(line) - 1;
        let indent = self.line(number)?.find(shown.trim_start())?;
        let column = self.line(number)?.get(..indent)?.chars().count() as u64 + 1;
        let length = shown.trim_start().chars().count() as u64;
        let at = |column| datafusion::common::Location { line: number, column };
        Some(Span::new(at(column), at(column + length.max(1))))
    }

    fn tokens(&self, place: TextRange, dialect: &dyn Dialect) -> Vec<TokenWithSpan> {
        let tokens = Tokenizer::new(dialect, &self.text).tokenize_with_location().unwrap_or_default();
        tokens.into_iter().filter(|token| token.span.start >= place.start && token.span.start < place.end).collect()
    }

    /// A line of the text, counted from 1.
    pub fn line(&self, number: u64) -> Option<&str> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.text.lines().nth(index)
    }
}

/// Takes `CREATE FUNCTION IF NOT EXISTS`, which the parser of this dialect does not know, if that is what comes next.
fn takes_if_not_exists(parser: &mut DFParser<'_>) -> bool {
    const WORDS: [Keyword; 5] = [Keyword::CREATE, Keyword::FUNCTION, Keyword::IF, Keyword::NOT, Keyword::EXISTS];
    let parser = &mut parser.parser;
    let is_next = |(index, keyword): (usize, &Keyword)| matches!(parser.peek_nth_token(index).token, Token::Word(word) if word.keyword == *keyword);
    let found = WORDS.iter().enumerate().all(is_next);
    if found {
        for _ in WORDS {
            parser.next_token();
        }
    }
    found
}

impl Statement {
    /// The name of the function that it is to make, where there is none.
    pub fn created_if_missing(&self) -> Option<String> {
        let Parsed::Statement(statement) = &self.parsed else { return None };
        let SqlStatement::CreateFunction(function) = &**statement else { return None };
        let name = function.name.0.last()?.as_ident().filter(|_| self.if_not_exists)?;
        Some(match name.quote_style {
            Some(_) => name.value.clone(),
            None => name.value.to_lowercase(),
        })
    }

    /// The first place where a function of this name is called.
    pub fn calls(&self, name: &str, dialect: &dyn Dialect) -> Option<Span> {
        let tokens = self.script.tokens(self.place, dialect);
        let mut tokens = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).peekable();
        while let Some(token) = tokens.next() {
            let is_name = matches!(&token.token, Token::Word(word) if word.value.eq_ignore_ascii_case(name));
            if is_name && tokens.peek().is_some_and(|next| next.token == Token::LParen) {
                return Span::try_from_sqlparser_span(token.span);
            }
        }
        None
    }

    /// Where it stands, for messages that have nothing better.
    pub fn shown_place(&self) -> String {
        match &self.script.name {
            Some(name) => format!("at {name}:{}", self.place.start.line),
            None => format!("at line {}", self.place.start.line),
        }
    }

    /// Whether its rows are what it is for. (COPY and INSERT tell how many rows they wrote, which is not.)
    pub fn is_query(&self) -> bool {
        match &self.parsed {
            Parsed::Explain(_) => true,
            Parsed::Statement(statement) => matches!(
                &**statement,
                SqlStatement::Query(_)
                    | SqlStatement::Execute { .. }
                    | SqlStatement::Explain { .. }
                    | SqlStatement::ExplainTable { .. }
                    | SqlStatement::ShowTables { .. }
                    | SqlStatement::ShowColumns { .. }
                    | SqlStatement::ShowVariable { .. }
                    | SqlStatement::ShowVariables { .. }
                    | SqlStatement::ShowFunctions { .. }
                    | SqlStatement::ShowCreate { .. }
                    | SqlStatement::ShowDatabases { .. }
                    | SqlStatement::ShowSchemas { .. }
            ),
            _ => false,
        }
    }

    /// Whether its rows are plans.
    pub fn is_explanation(&self) -> bool {
        match &self.parsed {
            Parsed::Explain(_) => true,
            Parsed::Statement(statement) => matches!(&**statement, SqlStatement::Explain { .. }),
            _ => false,
        }
    }

    /// Whether `--explain` is about it.
    pub fn can_be_explained(&self) -> bool {
        match &self.parsed {
            Parsed::CopyTo(_) => true,
            Parsed::Statement(statement) => {
                matches!(&**statement, SqlStatement::Query(_) | SqlStatement::Insert(_))
            }
            _ => false,
        }
    }

    /// The setting `NAME = 'VALUE'` that the statement makes, if it is a SET of one word.
    pub fn setting(&self) -> Option<(String, String)> {
        let Parsed::Statement(statement) = &self.parsed else { return None };
        let SqlStatement::Set(ast::Set::SingleAssignment { variable, values, .. }) = &**statement else { return None };
        let [ast::Expr::Value(value)] = &values[..] else { return None };
        Some((variable.to_string().to_ascii_lowercase(), value.value.clone().into_string()?))
    }
}

/// The dialect of a session's statements.
pub fn dialect(session: &SessionContext) -> Box<dyn Dialect> {
    let name = session.state().config_options().sql_parser.dialect.to_string();
    dialect_from_str(name).unwrap_or_else(|| Box::new(GenericDialect {}))
}

/// Whether what was typed so far is all of a statement: it ends with `;`, outside of strings and comments, or it is empty.
pub fn is_complete(text: &str, dialect: &dyn Dialect) -> bool {
    match Tokenizer::new(dialect, text).tokenize() {
        // A string or comment that does not end.
        Err(_) => false,
        Ok(tokens) => match tokens.iter().rev().find(|token| !matches!(token, Token::Whitespace(_))) {
            Some(Token::SemiColon) | None => true,
            Some(_) => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<(u64, u64)> {
        let statements = Script::typed(text.to_owned()).statements(&SessionContext::new()).unwrap();
        statements.iter().map(|one| (one.place.start.line, one.place.start.column)).collect()
    }

    #[test]
    fn statements_know_where_they_stand() {
        assert_eq!(places("SELECT 1;\n\n  SELECT ';';; -- none\n"), [(1, 1), (3, 3)]);
        assert_eq!(
            places("CREATE FUNCTION f(x INT) RETURNS INT LANGUAGE PYTHON AS $$\ndef f(x): return ';'\n$$; SELECT 1"),
            [(1, 1), (3, 5)]
        );
        assert_eq!(places(" ;; -- nothing"), []);
    }

    #[test]
    fn a_line_of_a_function_has_a_place() {
        let text =
            "SELECT 1;\nCREATE FUNCTION f(x INT) RETURNS INT LANGUAGE PYTHON AS $$\ndef f(x):\n    return x +\n$$";
        let script = Script::typed(text.to_owned());
        let place = script.statements(&SessionContext::new()).unwrap()[1].place;
        let span = script.find_body_line(3, place, &GenericDialect {}).unwrap();
        assert_eq!((span.start.line, span.start.column, span.end.column), (4, 5, 15));
        assert_eq!(script.find_body_line(9, place, &GenericDialect {}), None);
    }

    #[test]
    fn a_semicolon_completes_a_statement() {
        for complete in ["SELECT 1;", "SELECT 1 ; -- done", "", "  \n", "SELECT ';';"] {
            assert!(is_complete(complete, &GenericDialect {}), "{complete}");
        }
        for incomplete in ["SELECT 1", "SELECT ';", "SELECT 1 -- ;", "AS $$ return 1;", "/* ;"] {
            assert!(!is_complete(incomplete, &GenericDialect {}), "{incomplete}");
        }
    }

    #[test]
    fn settings_are_read_from_statements() {
        let script = Script::typed("SET python.files = 'a.py'; SET x = 1 + 1; SELECT 1".to_owned());
        let statements = script.statements(&SessionContext::new()).unwrap();
        let settings: Vec<_> = statements.iter().map(Statement::setting).collect();
        assert_eq!(settings, [Some(("python.files".to_owned(), "a.py".to_owned())), None, None]);
    }
}
