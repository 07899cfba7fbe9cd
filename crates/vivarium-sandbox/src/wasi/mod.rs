//! WASI preview 1, as much of it as the guest may have.
