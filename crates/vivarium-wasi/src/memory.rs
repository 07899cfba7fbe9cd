//! Checked access to the guest's linear memory.
//!
//! Every pointer and length a call receives is a number the guest chose. They become slices only here, and what leaves
//! linear memory is [`Errno::Fault`], never a panic and never a truncated access.

use crate::errno::{Errno, Result};

/// The most buffers one vectored read or write may name; Linux's `IOV_MAX`.
const MAX_VECTORS: u32 = 1024;

/// The most bytes one read or write moves. More is legal to ask for and ends in a short count, as POSIX allows, so
/// that a single call cannot hold the host for longer than a copy of this size takes (about a millisecond).
pub(crate) const MAX_TRANSFER: u32 = 8 << 20;

/// The linear memory of the calling instance.
pub(crate) struct GuestMemory<'a>(&'a mut [u8]);

/// One buffer of a vectored read or write, known to lie inside linear memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vector {
    /// Address of the first byte.
    pub address: u32,
    /// Length in bytes.
    pub length: u32,
}

impl<'a> GuestMemory<'a> {
    pub fn new(bytes: &'a mut [u8]) -> Self {
        GuestMemory(bytes)
    }

    /// The `length` bytes at `address`.
    pub fn bytes(&self, address: u32, length: u32) -> Result<&[u8]> {
        let start = address as usize;
        let end = start.checked_add(length as usize).ok_or(Errno::Fault)?;
        self.0.get(start..end).ok_or(Errno::Fault)
    }

    /// The `length` bytes at `address`, to be written.
    pub fn bytes_mut(&mut self, address: u32, length: u32) -> Result<&mut [u8]> {
        let start = address as usize;
        let end = start.checked_add(length as usize).ok_or(Errno::Fault)?;
        self.0.get_mut(start..end).ok_or(Errno::Fault)
    }

    /// Copies `bytes` to `address`.
    pub fn write(&mut self, address: u32, bytes: &[u8]) -> Result<()> {
        let length = u32::try_from(bytes.len()).map_err(|_| Errno::Fault)?;
        self.bytes_mut(address, length)?.copy_from_slice(bytes);
        Ok(())
    }

    /// Writes a little-endian 32-bit number. Addresses need not be aligned.
    pub fn write_u32(&mut self, address: u32, value: u32) -> Result<()> {
        self.write(address, &value.to_le_bytes())
    }

    /// Writes a little-endian 64-bit number. Addresses need not be aligned.
    pub fn write_u64(&mut self, address: u32, value: u64) -> Result<()> {
        self.write(address, &value.to_le_bytes())
    }

    /// Reads the array of `count` iovecs (or ciovecs, which look the same) at `address`.
    ///
    /// All of them are checked; those returned hold at most [`MAX_TRANSFER`] bytes together and none is empty. They may
    /// overlap one another and the array itself, which is why they are addresses and not slices.
    pub fn vectors(&self, address: u32, count: u32) -> Result<Vec<Vector>> {
        if count > MAX_VECTORS {
            return Err(Errno::Inval);
        }
        const VECTOR_BYTES: usize = 8;
        let array = self.bytes(address, count * VECTOR_BYTES as u32)?;
        let mut room = MAX_TRANSFER;
        let mut vectors = Vec::with_capacity(count as usize);
        let (records, _) = array.as_chunks::<VECTOR_BYTES>();
        for &[a0, a1, a2, a3, l0, l1, l2, l3] in records {
            let address = u32::from_le_bytes([a0, a1, a2, a3]);
            let length = u32::from_le_bytes([l0, l1, l2, l3]);
            self.bytes(address, length)?;
            let length = length.min(room);
            if length > 0 {
                vectors.push(Vector { address, length });
                room -= length;
            }
        }
        Ok(vectors)
    }
}
