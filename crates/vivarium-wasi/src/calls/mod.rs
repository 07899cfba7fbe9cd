//! The calls, one method of [`WasiCtx`](crate::WasiCtx) each, by what they are about.
//!
//! Arguments are numbers the guest chose: descriptors, addresses in its memory, lengths and flags. A method checks them
//! through [`DescriptorTable`](crate::descriptors::DescriptorTable), [`GuestMemory`](crate::memory::GuestMemory) and
//! [`GuestPath`](crate::path::GuestPath) and reports what is wrong as an [`Errno`](crate::errno::Errno). Results go to
//! the addresses called `out`. Where a bad `out` would lose something, as in `path_open`, it is checked first.

mod attributes;
mod descriptor;
mod directory;
mod open;
mod poll;
mod process;
mod socket;
mod transfer;
