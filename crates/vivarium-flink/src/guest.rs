//! A bundle's functions, in a sandbox of their own.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeBinaryArray};
use arrow::datatypes::DataType;
use serde_json::{Value, json};
use vivarium_sandbox::{Image, Sandbox, SandboxConfig};

use crate::error::Error;

/// The guest's half of this crate.
const MODULE: &str = "_vivarium_flink";

/// One sandbox whose functions are open.
#[derive(Debug)]
pub struct Guest {
    sandbox: Sandbox,
    process: u32,
    close: u32,
}

impl Guest {
    /// Starts a sandbox and opens the functions of `description` in it.
    ///
    /// # Errors
    /// [`Error::Python`] when a function cannot be unpickled or opened, [`Error::Sandbox`] when a limit is reached.
    pub async fn open(image: &Image, config: &SandboxConfig, description: &Value) -> Result<Self, Error> {
        let mut sandbox = Sandbox::start(image, config).await?;
        sandbox.control(&json!({"op": "load", "module": MODULE})).await?;
        let mut handles = Vec::new();
        for function in ["open_bundle", "process", "close_bundle"] {
            handles.push(bind(&mut sandbox, function).await?);
        }
        let [open, process, close] = handles[..] else { unreachable!("three functions were bound") };
        let mut guest = Self { sandbox, process, close };
        guest.call(open, description.to_string().as_bytes()).await?;
        Ok(guest)
    }

    /// Sends frames and returns the guest's.
    ///
    /// # Errors
    /// [`Error::Python`] when a function raises, [`Error::Sandbox`] when a limit is reached or the guest is gone.
    pub async fn process(&mut self, frames: &[u8]) -> Result<Vec<u8>, Error> {
        self.call(self.process, frames).await
    }

    /// Closes the functions.
    ///
    /// # Errors
    /// As [`process`](Self::process).
    pub async fn close(mut self) -> Result<(), Error> {
        self.call(self.close, &[]).await.map(|_| ())
    }

    async fn call(&mut self, handle: u32, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let column: ArrayRef = Arc::new(LargeBinaryArray::from_vec(vec![bytes]));
        let answer = self.sandbox.invoke(handle, 0, 1, &[column], &DataType::LargeBinary).await?;
        let bytes = answer.array.as_binary::<i64>();
        if bytes.is_null(0) {
            return Err(Error::Frames("nothing"));
        }
        Ok(bytes.value(0).to_vec())
    }
}

async fn bind(sandbox: &mut Sandbox, function: &str) -> Result<u32, Error> {
    let argument = json!({"type": "large_binary", "nullable": false});
    let bound = sandbox
        .control(&json!({"op": "bind", "function": function, "arguments": [argument], "on_error": "fail"}))
        .await?;
    let handle = bound["handle"].as_u64().and_then(|handle| u32::try_from(handle).ok());
    handle.ok_or(Error::Frames("no handle of a function"))
}
