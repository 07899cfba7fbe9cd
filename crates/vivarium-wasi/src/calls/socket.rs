//! Sockets, of which there are none: a descriptor that is open is not a socket.

use crate::WasiCtx;
use crate::errno::{Errno, Result};

impl WasiCtx {
    pub(crate) fn sock_accept(&mut self, fd: u32, _flags: u32, _out: u32) -> Result<()> {
        self.no_socket(fd)
    }

    pub(crate) fn sock_recv(
        &mut self,
        fd: u32,
        _vectors: u32,
        _count: u32,
        _flags: u32,
        _out_length: u32,
        _out_flags: u32,
    ) -> Result<()> {
        self.no_socket(fd)
    }

    pub(crate) fn sock_send(&mut self, fd: u32, _vectors: u32, _count: u32, _flags: u32, _out: u32) -> Result<()> {
        self.no_socket(fd)
    }

    pub(crate) fn sock_shutdown(&mut self, fd: u32, _how: u32) -> Result<()> {
        self.no_socket(fd)
    }

    fn no_socket(&self, fd: u32) -> Result<()> {
        self.descriptors.get(fd)?;
        Err(Errno::Notsock)
    }
}
