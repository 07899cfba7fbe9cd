//! What an engine does with a session so that its users can write functions in Python.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::context::FunctionFactory;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::prelude::SessionContext;
use vivarium::FunctionSource;

use crate::create::Factory;
use crate::error::Error;
use crate::extract::ExtractCalls;
use crate::function::PythonFunction;
use crate::functions::{PythonFunctions, RegisteredFunction};
use crate::lateral::{JoinLateral, LateralCalls};
use crate::query::{EnterScope, GuardQuery};
use crate::register;
use crate::settings::DependencySettings;
use crate::sql_types::TableTypes;

impl PythonFunctions {
    /// Lets a session create and call functions: `CREATE FUNCTION ... LANGUAGE PYTHON`, `RETURNS TABLE (...)`, `SET vivarium.*` and
    /// `SET python.*`. A function factory and a type planner that the session has already are asked for what is not ours.
    ///
    /// # Errors
    /// When the session has them already.
    pub fn install(&self, session: &SessionContext) -> Result<()> {
        let state = session.state_ref();
        let mut state = state.write();
        let name = ExtractCalls.name().to_owned();
        if state.physical_optimizers().iter().any(|rule| rule.name() == name) {
            return Err(Error::Setting {
                key: "vivarium".to_owned(),
                problem: "this session has Python functions already".to_owned(),
            }
            .into());
        }
        let session_id = state.session_id().to_owned();
        let mut builder = SessionStateBuilder::new_from_existing(state.clone());
        let mut config = builder.config().take().unwrap_or_default();
        config.options_mut().extensions.insert(self.settings());
        config.options_mut().extensions.insert(DependencySettings::default());
        let first: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> = vec![Arc::new(ExtractCalls)];
        let rules = first.into_iter().chain(state.physical_optimizers().iter().cloned());
        let rules = rules.chain([Arc::new(GuardQuery) as Arc<dyn PhysicalOptimizerRule + Send + Sync>]).collect();
        let others: Option<Arc<dyn FunctionFactory>> = state.function_factory().cloned();
        let registries = Arc::downgrade(&session.state_ref());
        let register = move |function: Arc<PythonFunction>| match registries.upgrade() {
            Some(state) => register::into(&mut state.write(), function),
            None => Err(Error::statement(&function.name, "its session has ended").into()),
        };
        let factory = Factory::new(self.clone(), Box::new(register), others);
        let types = TableTypes::before(builder.type_planner().take());
        *state = builder
            .with_session_id(session_id)
            .with_config(config)
            .with_function_factory(Some(Arc::new(factory)))
            .with_type_planner(Arc::new(types))
            .with_analyzer_rule(Arc::new(JoinLateral))
            .with_analyzer_rule(Arc::new(EnterScope))
            .with_physical_optimizer_rules(rules)
            .build();
        state.register_relation_planner(Arc::new(LateralCalls))
    }

    /// Gives a session the functions of a source: all that it declares (or, when it declares none, all plain functions that are fully
    /// annotated), or `only` the one of that name. They are called by the names they are registered under.
    ///
    /// # Errors
    /// When the source cannot be loaded, or a declaration in it cannot be used.
    pub async fn register(
        &self,
        session: &SessionContext,
        source: FunctionSource,
        only: Option<&str>,
    ) -> Result<Vec<RegisteredFunction>> {
        register::source(self, session, source, only, false).await.map(|(registered, _)| registered)
    }

    /// As [`register`](Self::register) for all functions of a source; one that cannot be used does not take the others away. Those that were
    /// left out, with the reason.
    ///
    /// # Errors
    /// When the source cannot be loaded, or none of its functions can be used.
    pub async fn register_usable(
        &self,
        session: &SessionContext,
        source: FunctionSource,
    ) -> Result<(Vec<RegisteredFunction>, Vec<(String, Error)>)> {
        register::source(self, session, source, None, true).await
    }

    /// The Python functions that a session has, by name.
    pub fn functions(&self, session: &SessionContext) -> Vec<RegisteredFunction> {
        register::all(&session.state())
    }
}
