//! Random bytes for the guest.

use crate::errno::{Errno, Result};

/// Where the guest's random bytes come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Random {
    /// The host's generator.
    #[default]
    System,
    /// A stream that depends on nothing but this seed. For snapshots that must be the same in every run; there is
    /// nothing secret about it.
    Seeded(u64),
}

/// The generator of one context.
#[derive(Debug)]
pub(crate) enum RandomSource {
    System,
    Seeded(Box<blake3::OutputReader>),
}

impl RandomSource {
    pub fn new(random: Random) -> Self {
        match random {
            Random::System => RandomSource::System,
            Random::Seeded(seed) => {
                let mut hasher = blake3::Hasher::new_derive_key("vivarium wasi random_get, seeded");
                hasher.update(&seed.to_le_bytes());
                RandomSource::Seeded(Box::new(hasher.finalize_xof()))
            }
        }
    }

    /// Fills `buffer`.
    ///
    /// # Errors
    /// `EIO` when the host's generator fails.
    pub fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        match self {
            RandomSource::System => getrandom::fill(buffer).map_err(|_| Errno::Io),
            RandomSource::Seeded(stream) => {
                stream.fill(buffer);
                Ok(())
            }
        }
    }
}
