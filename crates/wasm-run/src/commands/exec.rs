//! `wasm-run exec`: a Python script in a sandbox, as `python` would run it.

use std::process::ExitCode;

use serde_json::{Value, json};
use vivarium::{Error, ErrorClass, FunctionSource};
use vivarium_sandbox::{InputSource, OutputTarget, Sandbox};

use crate::cli::Exec;
use crate::commands::sandbox_config;
use crate::environment::{OpenEnvironment, sandbox_in};
use crate::failure::Failure;
use crate::metrics::Publisher;
use crate::options::TimeLimit;
use crate::process_sandbox::Reach;

pub async fn execute(command: Exec) -> Result<ExitCode, Failure> {
    let config = sandbox_config(&command.sandbox, TimeLimit::NONE);
    // The script's output is the command's, and none of it may be lost; whoever reads it sets the pace.
    let limits = config.limits.clone().with_log_bytes_per_second(None);
    let config = config
        .with_limits(limits)
        .with_stdin(InputSource::Inherit)
        .with_stdout(OutputTarget::Inherit)
        .with_stderr(OutputTarget::Inherit);
    let request = request(&command).await?;
    let image = command.environment.image_for(request["source"].as_str())?;
    let image = crate::guest::open(&command.messages, &image, 1).await?;
    let environment =
        OpenEnvironment::open(&command.environment, request["source"].as_str(), &command.messages).await?;
    let config = sandbox_in(environment.as_ref(), config)?;
    let metrics = Publisher::new(&command.metrics, image.runtime()).await?;
    let environment = config.environment.as_deref();
    crate::process_sandbox::enforce(Reach { environment, serves: metrics.serves(), ..Reach::default() })?;
    let mut sandbox = Sandbox::start(&image, &config).await.map_err(Error::from)?;
    match sandbox.control(&request).await {
        Ok(reply) => match reply["exit"].as_i64() {
            Some(status) => Ok(exit_code(status)),
            // Only a script that changes what runs it comes this far.
            None => Err(Failure::Other {
                class: ErrorClass::Python,
                message: "the script did not let the interpreter say with which status it ended".to_owned(),
            }),
        },
        // `os._exit` ends the interpreter itself.
        Err(vivarium_sandbox::Error::Exit(status)) => Ok(exit_code(status.into())),
        Err(error) => Err(Error::from(error).into()),
    }
}

/// As the system does: the low eight bits.
fn exit_code(status: i64) -> ExitCode {
    ExitCode::from((status & 0xff) as u8)
}

async fn request(command: &Exec) -> Result<Value, Failure> {
    if let Some(code) = &command.code {
        return Ok(json!({
            "op": "exec", "mode": "code", "source": code, "filename": "<string>", "arguments": command.arguments, "interactive": false,
        }));
    }
    if let Some(module) = &command.module {
        return Ok(json!({
            "op": "exec", "mode": "module", "module": module, "arguments": command.arguments, "interactive": false,
        }));
    }
    let Some((script, arguments)) = command.arguments.split_first() else {
        return Err(Failure::usage(
            "nothing to run: give SCRIPT.py, -c CODE, -m MODULE, or - to read the script from standard input",
        ));
    };
    let (source, filename) = match script.as_str() {
        "-" => (read_script().await?, "<stdin>"),
        script => (FunctionSource::read(script).map_err(Error::from)?, script),
    };
    Ok(json!({
        "op": "exec", "mode": "file", "source": source, "filename": filename, "arguments": arguments, "interactive": false,
    }))
}

/// The script on standard input, which may keep its reader waiting.
async fn read_script() -> Result<String, Failure> {
    let read = tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin())).await;
    let read = read.map_err(Failure::internal)?;
    read.map_err(|error| Failure::usage(format!("the script on standard input cannot be read: {error}")))
}
