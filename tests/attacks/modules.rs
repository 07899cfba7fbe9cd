//! Guests written by hand, which attack through the ABI itself.

use arrow::array::Array;
use arrow::datatypes::DataType;
use vivarium_sandbox::{Error, Image, ImageError, Sandbox, SandboxConfig};

use crate::case::ensure;
use crate::guests::{self, Guest, column};
use crate::world::Attempt;

fn config(attempt: &Attempt) -> SandboxConfig {
    attempt.config().with_limits(attempt.limits.clone().with_memory(4 << 20).with_batch_bytes(1 << 20))
}

fn image(attempt: &Attempt, guest: &Guest) -> Result<Image, Error> {
    Image::from_wasm_bytes(attempt.world.image.runtime(), &guest.wasm())
}

async fn call(attempt: &Attempt, guest: &Guest) -> Result<(), Error> {
    let mut sandbox = Sandbox::start(&image(attempt, guest)?, &config(attempt)).await?;
    let result = sandbox.invoke(1, 0, 3, &[column()], &DataType::Int64).await?;
    assert_eq!(&result.array, &guests::column(), "an honest guest's answer");
    Ok(())
}

/// The guest's function fails as it must.
pub async fn fails(attempt: &Attempt, guest: Guest, expected: impl Fn(&Error) -> bool) -> Result<(), String> {
    match call(attempt, &guest).await {
        Ok(()) => Err("the call succeeded".to_owned()),
        Err(error) => ensure(expected(&error), || format!("{error:?}")),
    }
}

/// The guest's function returns its argument.
pub async fn answers(attempt: &Attempt, guest: Guest) -> Result<(), String> {
    call(attempt, &guest).await.map_err(|error| error.to_string())
}

/// The guest's function fails or returns something; whatever it is, it is no harm.
pub async fn ends_either_way(attempt: &Attempt, guest: Guest) -> Result<(), String> {
    let image = image(attempt, &guest).map_err(|error| error.to_string())?;
    let started = Sandbox::start(&image, &config(attempt)).await;
    let mut sandbox = started.map_err(|error| error.to_string())?;
    match sandbox.invoke(1, 0, 3, &[column()], &DataType::Int64).await {
        Ok(invocation) => ensure(invocation.array.len() == 3, || "not three rows".to_owned()),
        Err(Error::Exchange(_)) => Ok(()),
        Err(error) => Err(format!("{error:?}")),
    }
}

/// The module is no image.
pub fn refused(attempt: &Attempt, wat: &str, expected: impl Fn(&ImageError) -> bool) -> Result<(), String> {
    let wasm = wat::parse_str(wat).map_err(|error| error.to_string())?;
    match Image::from_wasm_bytes(attempt.world.image.runtime(), &wasm) {
        Err(Error::Image(error)) => ensure(expected(&error), || format!("{error:?}")),
        Err(error) => Err(format!("{error:?}")),
        Ok(_) => Err("the module was accepted".to_owned()),
    }
}
