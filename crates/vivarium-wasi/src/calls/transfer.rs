//! Reading, writing and seeking.

use cap_std::fs::FileExt;

use crate::WasiCtx;
use crate::descriptors::{FileContent, Target};
use crate::errno::{Errno, Result};
use crate::memory::{GuestMemory, Vector};
use crate::output::{MAX_LINES, OutputStream};

/// Origins of `fd_seek`.
mod whence {
    pub const SET: u32 = 0;
    pub const CURRENT: u32 = 1;
    pub const END: u32 = 2;
}

impl WasiCtx {
    /// Waits for standard input; files answer at once.
    pub(crate) async fn fd_read(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        vectors: u32,
        count: u32,
        out: u32,
    ) -> Result<()> {
        let read = match &self.descriptors.get(fd)?.target {
            Target::Stdin => self.read_stdin(memory, vectors, count).await?,
            Target::Output(_) => return Err(Errno::Badf),
            Target::Directory(_) => return Err(Errno::Isdir),
            Target::File(file) => {
                let position = file.position;
                let read = self.read_file(memory, fd, vectors, count, position)?;
                self.move_to(fd, position.saturating_add(u64::from(read)))?;
                read
            }
        };
        memory.write_u32(out, read)
    }

    pub(crate) fn fd_pread(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        vectors: u32,
        count: u32,
        offset: u64,
        out: u32,
    ) -> Result<()> {
        let read = self.read_file(memory, fd, vectors, count, offset)?;
        memory.write_u32(out, read)
    }

    /// Waits for a slow reader of standard output or error; files answer at once.
    pub(crate) async fn fd_write(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        vectors: u32,
        count: u32,
        out: u32,
    ) -> Result<()> {
        let descriptor = self.descriptors.get(fd)?;
        let written = match &descriptor.target {
            &Target::Output(stream) => self.write_output(memory, stream, vectors, count).await?,
            Target::Stdin | Target::Directory(_) => return Err(Errno::Badf),
            Target::File(file) => {
                let position = match file.content {
                    FileContent::Scratch(inode) if descriptor.appends() => self.scratch.size(inode)?,
                    _ => file.position,
                };
                let written = self.write_file(memory, fd, vectors, count, position)?;
                self.move_to(fd, position.saturating_add(u64::from(written)))?;
                written
            }
        };
        memory.write_u32(out, written)
    }

    pub(crate) fn fd_pwrite(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        vectors: u32,
        count: u32,
        offset: u64,
        out: u32,
    ) -> Result<()> {
        let written = self.write_file(memory, fd, vectors, count, offset)?;
        memory.write_u32(out, written)
    }

    pub(crate) fn fd_seek(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        offset: i64,
        whence: u32,
        out: u32,
    ) -> Result<()> {
        let file = self.descriptors.file(fd)?;
        let origin = match whence {
            whence::SET => 0,
            whence::CURRENT => file.position,
            whence::END => match &file.content {
                FileContent::Environment(file) => file.metadata()?.len(),
                FileContent::Scratch(inode) => self.scratch.size(*inode)?,
            },
            _ => return Err(Errno::Inval),
        };
        let position = origin.checked_add_signed(offset).ok_or(Errno::Inval)?;
        // An offset is an i64 everywhere outside of WASI.
        i64::try_from(position).map_err(|_| Errno::Overflow)?;
        self.move_to(fd, position)?;
        memory.write_u64(out, position)
    }

    pub(crate) fn fd_tell(&mut self, memory: &mut GuestMemory<'_>, fd: u32, out: u32) -> Result<()> {
        let position = self.descriptors.file(fd)?.position;
        memory.write_u64(out, position)
    }

    fn move_to(&mut self, fd: u32, position: u64) -> Result<()> {
        if let Target::File(file) = &mut self.descriptors.get_mut(fd)?.target {
            file.position = position;
        }
        Ok(())
    }

    async fn read_stdin(&mut self, memory: &mut GuestMemory<'_>, vectors: u32, count: u32) -> Result<u32> {
        let vectors = memory.vectors(vectors, count)?;
        let mut total = 0;
        for (index, vector) in vectors.iter().enumerate() {
            // Only the first buffer waits: what has arrived is returned rather than waiting to fill the others.
            let input = match index {
                0 => self.stdin.wait().await?,
                _ => self.stdin.available().unwrap_or_default(),
            };
            let length = input.len().min(vector.length as usize);
            // At most the length of a vector, a u32.
            memory.write(vector.address, &input[..length])?;
            self.stdin.consume(length);
            total += length as u32;
            if length < vector.length as usize {
                break;
            }
        }
        Ok(total)
    }

    fn read_file(&self, memory: &mut GuestMemory<'_>, fd: u32, vectors: u32, count: u32, offset: u64) -> Result<u32> {
        let file = self.descriptors.file(fd)?;
        if !file.readable {
            return Err(Errno::Badf);
        }
        transfer(memory.vectors(vectors, count)?, offset, |vector, offset| {
            let buffer = memory.bytes_mut(vector.address, vector.length)?;
            match &file.content {
                FileContent::Environment(file) => read_at(file, buffer, offset),
                FileContent::Scratch(inode) => self.scratch.read(*inode, offset, buffer),
            }
        })
    }

    fn write_file(&mut self, memory: &GuestMemory<'_>, fd: u32, vectors: u32, count: u32, offset: u64) -> Result<u32> {
        let file = self.descriptors.file(fd)?;
        let inode = match file.content {
            FileContent::Scratch(inode) if file.writable => inode,
            _ => return Err(Errno::Badf),
        };
        let now = self.clocks.realtime();
        transfer(memory.vectors(vectors, count)?, offset, |vector, offset| {
            self.scratch.write(inode, offset, memory.bytes(vector.address, vector.length)?, now)
        })
    }

    async fn write_output(
        &mut self,
        memory: &GuestMemory<'_>,
        stream: OutputStream,
        vectors: u32,
        count: u32,
    ) -> Result<u32> {
        let (mut total, mut lines) = (0, MAX_LINES);
        for vector in memory.vectors(vectors, count)? {
            let bytes = memory.bytes(vector.address, vector.length)?;
            // At most the length of a vector, a u32.
            let taken = self.output.write(stream, bytes, &mut lines)? as u32;
            self.output.written(stream).await?;
            total += taken;
            if taken < vector.length {
                break;
            }
        }
        Ok(total)
    }
}

/// Moves the bytes of one vector after the other, from `offset` of a file on, until one is not moved as a whole.
fn transfer(vectors: Vec<Vector>, mut offset: u64, mut part: impl FnMut(Vector, u64) -> Result<usize>) -> Result<u32> {
    let mut total = 0;
    for vector in vectors {
        let length = vector.length;
        let moved = match part(vector, offset) {
            // At most the length of a vector, a u32.
            Ok(moved) => moved as u32,
            // What was moved before the error has been moved; the next call will meet the error again.
            Err(_) if total > 0 => break,
            Err(error) => return Err(error),
        };
        total += moved;
        offset = offset.saturating_add(u64::from(moved));
        if moved < length {
            break;
        }
    }
    Ok(total)
}

/// Reads a file of the host at an offset, again when a signal came.
fn read_at(file: &cap_std::fs::File, buffer: &mut [u8], offset: u64) -> Result<usize> {
    loop {
        match file.read_at(buffer, offset) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            result => return result.map_err(Errno::from),
        }
    }
}
