//! A loaded source: which functions it has and what is wrong with it.

use std::sync::Arc;

use vivarium_sandbox::{Image, Sandbox, SandboxConfig};

use crate::error::Error;
use crate::explain::{self, Explanation};
use crate::function::Function;
use crate::signature::{Loaded, Problem, Signature, parse_load_reply};
use crate::source::FunctionSource;

/// Characters of a note.
const NOTE: usize = 500;

/// The functions of a source, as the source itself describes them when it runs in a sandbox.
///
/// Loading runs the source's top-level code once, in a sandbox of its own, so that mistakes show before data flows.
#[derive(Debug, Clone)]
pub struct Module {
    origin: Arc<Origin>,
    signatures: Vec<Signature>,
    problems: Vec<Problem>,
}

/// What every instance of a module's functions is made from.
#[derive(Debug)]
pub(crate) struct Origin {
    pub image: Image,
    pub config: SandboxConfig,
    pub source: FunctionSource,
}

impl Module {
    /// Loads `source` in a sandbox made of `image` and `config`.
    ///
    /// Functions bound later run in sandboxes of the same configuration. What the source does that has another meaning elsewhere (a `hash()` that
    /// chooses among buckets) is told by tracing events of the target `vivarium::python`, as what it prints is.
    ///
    /// # Errors
    /// [`Error::Python`] when the code is not valid or its top level raises, [`Error::Limit`] when it takes too long or too
    /// much. A declaration that cannot be used is not an error here: see [`problems`](Self::problems).
    pub async fn load(image: &Image, config: SandboxConfig, source: FunctionSource) -> Result<Self, Error> {
        let mut sandbox = Sandbox::start(image, &config).await.map_err(Error::without_rows)?;
        let reply = sandbox.control(&source.load_request()).await.map_err(Error::without_rows)?;
        let Loaded { signatures, problems, notes } = parse_load_reply(reply)?;
        for note in &notes {
            let said = format!("{}:{}: {}", source.name(), note.line, note.message);
            tracing::warn!(target: "vivarium::python", "{}", vivarium_text::line(&said, NOTE));
        }
        let origin = Arc::new(Origin { image: image.clone(), config, source });
        Ok(Self { origin, signatures, problems })
    }

    /// Name of the file or module.
    pub fn name(&self) -> &str {
        self.origin.source.name()
    }

    /// All functions: the declared ones, and plain functions of the file, which can be used when they are fully annotated.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Declarations that cannot be used, with the reasons.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether the functions that can be used run as columns, in the order of [`signatures`](Self::signatures). Their types are
    /// those that the declarations say. Loads the source once more; classes are made and opened, as for a task without parameters.
    ///
    /// # Errors
    /// As [`load`](Self::load). What the interpreter raises for one function is its explanation.
    pub async fn explain(&self) -> Result<Vec<Explanation>, Error> {
        let Origin { image, config, source } = &*self.origin;
        let mut sandbox = Sandbox::start(image, config).await.map_err(Error::without_rows)?;
        sandbox.control(&source.load_request()).await.map_err(Error::without_rows)?;
        let mut found = Vec::new();
        for signature in self.signatures.iter().filter(|signature| signature.usable()) {
            found.push(explain::explain(&mut sandbox, signature).await.map_err(Error::without_rows)?);
        }
        Ok(found)
    }

    /// The function of that name: a declared one by the name it is registered under, or a plain one by its Python name.
    ///
    /// # Errors
    /// [`Error::NoFunction`]; [`Error::Problems`] when there is such a declaration but it cannot be used.
    pub fn function(&self, name: &str) -> Result<Function, Error> {
        let wrong: Vec<_> = self.problems.iter().filter(|p| p.function.as_deref() == Some(name)).cloned().collect();
        if !wrong.is_empty() {
            return Err(Error::Problems { source_name: self.name().to_owned(), problems: wrong });
        }
        let declared = self.signatures.iter().find(|signature| signature.decorated && signature.name == name);
        let found = declared.or_else(|| self.signatures.iter().find(|signature| signature.attribute == name));
        let signature = found.ok_or_else(|| Error::NoFunction {
            function: name.to_owned(),
            source_name: self.name().to_owned(),
            functions: self.usable_names(),
        })?;
        if !signature.usable() {
            let problem = Problem {
                function: Some(signature.attribute.clone()),
                line: signature.line,
                message: "a function without decorator needs annotations that say every type; annotate all parameters and the \
                          result with types that stand for Arrow types (int, float, str, bytes, bool, datetime.date, \
                          datetime.datetime), or declare it with @udf(result_type=...)"
                    .to_owned(),
            };
            return Err(Error::Problems { source_name: self.name().to_owned(), problems: vec![problem] });
        }
        Ok(Function::new(Arc::clone(&self.origin), signature.clone()))
    }

    /// The only function that is declared, when no name is given; without declarations, the only one that is fully annotated.
    ///
    /// # Errors
    /// [`Error::SeveralFunctions`], [`Error::NoFunctions`], or [`Error::Problems`] when declarations cannot be used.
    pub fn only_function(&self) -> Result<Function, Error> {
        if !self.problems.is_empty() {
            return Err(Error::Problems { source_name: self.name().to_owned(), problems: self.problems.clone() });
        }
        let declared: Vec<_> = self.signatures.iter().filter(|signature| signature.decorated).collect();
        let candidates = match declared.is_empty() {
            true => self.signatures.iter().filter(|signature| signature.usable()).collect(),
            false => declared,
        };
        match candidates[..] {
            [signature] => Ok(Function::new(Arc::clone(&self.origin), signature.clone())),
            [] => Err(Error::NoFunctions { source_name: self.name().to_owned() }),
            _ => Err(Error::SeveralFunctions { source_name: self.name().to_owned(), functions: self.usable_names() }),
        }
    }

    fn usable_names(&self) -> Vec<String> {
        self.signatures.iter().filter(|signature| signature.usable()).map(|signature| signature.name.clone()).collect()
    }
}
