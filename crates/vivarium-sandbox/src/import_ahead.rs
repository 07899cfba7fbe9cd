//! How an environment's snapshot is made: packages are imported in one sandbox, whose memory is compared with that of another one.

use std::collections::BTreeMap;

use serde_json::json;

use crate::image::Image;
use crate::sandbox::{Sandbox, SandboxConfig};
use crate::warm::{Difference, EnvironmentSnapshot, WarmError};

impl EnvironmentSnapshot {
    /// Imports what `source` imports at its top level, in a sandbox of `config` without its variables, and keeps what that
    /// changed. An import that fails is left out: loading the source will say why.
    ///
    /// # Errors
    /// [`WarmError`]: the environment cannot have a snapshot.
    pub async fn take(image: &Image, config: &SandboxConfig, source: &str) -> Result<Self, WarmError> {
        let import = |error| WarmError::Import(Box::new(error));
        let config =
            SandboxConfig { variables: BTreeMap::new(), seed: Some([0; 32]), snapshot: None, ..config.clone() };
        let mut sandbox = Sandbox::start(image, &config).await.map_err(import)?;
        let reply = sandbox.control(&json!({"op": "warm", "source": source})).await.map_err(import)?;
        let variables = reply["variables"].as_array().into_iter().flatten();
        let variables = variables.filter_map(|name| name.as_str().map(str::to_owned)).collect();
        if !sandbox.settle().await.map_err(import)? {
            return Err(WarmError::Image);
        }
        if let Some(state) = sandbox.state_outside_memory() {
            return Err(WarmError::State(state));
        }
        let base = Sandbox::start_with(image, &config, None, None).await.map_err(import)?;
        // Comparing reads both memories, hundreds of megabytes, so it is not for a thread that others wait for.
        let compared =
            tokio::task::spawn_blocking(move || Difference::between(base.memory(), sandbox.memory(), Self::MAX_SIZE));
        let difference = compared.await.map_err(|error| WarmError::Interrupted(error.to_string()))?;
        let difference = difference.ok_or(WarmError::TooLarge(Self::MAX_SIZE))?;
        Ok(Self::new(image, variables, difference))
    }
}
