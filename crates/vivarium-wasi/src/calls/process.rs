//! Arguments, variables, clocks, random bytes and signals.

use crate::WasiCtx;
use crate::errno::{Errno, Result};
use crate::memory::GuestMemory;

/// The clocks of preview 1.
pub(super) mod clock_id {
    pub const REALTIME: u32 = 0;
    pub const MONOTONIC: u32 = 1;
    pub const PROCESS_CPU_TIME: u32 = 2;
    pub const THREAD_CPU_TIME: u32 = 3;
}

impl WasiCtx {
    pub(crate) fn args_get(&mut self, memory: &mut GuestMemory<'_>, pointers: u32, buffer: u32) -> Result<()> {
        write_strings(memory, &self.arguments, pointers, buffer)
    }

    pub(crate) fn args_sizes_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        out_count: u32,
        out_bytes: u32,
    ) -> Result<()> {
        write_sizes(memory, &self.arguments, out_count, out_bytes)
    }

    pub(crate) fn environ_get(&mut self, memory: &mut GuestMemory<'_>, pointers: u32, buffer: u32) -> Result<()> {
        write_strings(memory, &self.variables, pointers, buffer)
    }

    pub(crate) fn environ_sizes_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        out_count: u32,
        out_bytes: u32,
    ) -> Result<()> {
        write_sizes(memory, &self.variables, out_count, out_bytes)
    }

    pub(crate) fn clock_res_get(&mut self, memory: &mut GuestMemory<'_>, id: u32, out: u32) -> Result<()> {
        self.time(id)?;
        memory.write_u64(out, 1)
    }

    pub(crate) fn clock_time_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        id: u32,
        _precision: u64,
        out: u32,
    ) -> Result<()> {
        let time = self.time(id)?;
        memory.write_u64(out, time)
    }

    /// What a clock shows, in nanoseconds. The time the guest has used the processor is the host's business: both CPU
    /// clocks show the time that has passed.
    pub(super) fn time(&self, id: u32) -> Result<u64> {
        match id {
            clock_id::REALTIME => Ok(self.clocks.realtime()),
            clock_id::MONOTONIC | clock_id::PROCESS_CPU_TIME | clock_id::THREAD_CPU_TIME => Ok(self.clocks.monotonic()),
            _ => Err(Errno::Inval),
        }
    }

    pub(crate) fn random_get(&mut self, memory: &mut GuestMemory<'_>, buffer: u32, length: u32) -> Result<()> {
        let bytes = memory.bytes_mut(buffer, length)?;
        if length > self.limits.random_bytes {
            return Err(Errno::Inval);
        }
        self.random.fill(bytes)
    }

    /// There are no signals.
    pub(crate) fn proc_raise(&mut self, _signal: u32) -> Result<()> {
        Err(Errno::Notsup)
    }
}

/// Writes an array of pointers to `pointers` and the strings they point to, each with a NUL behind it, to `buffer`.
fn write_strings(memory: &mut GuestMemory<'_>, strings: &[String], pointers: u32, buffer: u32) -> Result<()> {
    let (mut pointer, mut address) = (pointers, buffer);
    for string in strings {
        memory.write_u32(pointer, address)?;
        memory.write(address, string.as_bytes())?;
        // Both lengths are bounded when the context is made; the address is the guest's.
        let end = address.checked_add(string.len() as u32).ok_or(Errno::Fault)?;
        memory.write(end, &[0])?;
        address = end.checked_add(1).ok_or(Errno::Fault)?;
        pointer = pointer.checked_add(4).ok_or(Errno::Fault)?;
    }
    Ok(())
}

fn write_sizes(memory: &mut GuestMemory<'_>, strings: &[String], out_count: u32, out_bytes: u32) -> Result<()> {
    let bytes: usize = strings.iter().map(|string| string.len() + 1).sum();
    memory.write_u32(out_count, u32::try_from(strings.len()).map_err(|_| Errno::Overflow)?)?;
    memory.write_u32(out_bytes, u32::try_from(bytes).map_err(|_| Errno::Overflow)?)
}
