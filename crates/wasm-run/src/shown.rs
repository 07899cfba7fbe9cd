//! Standard output for people: untrusted text, made harmless.

use std::io::{self, Write};

/// Passes on text line by line, with everything escaped that a terminal would obey. Dropped, it passes on what is left.
pub struct Shown<W: Write> {
    out: W,
    /// The line that has not ended yet.
    line: Vec<u8>,
}

/// Standard output, for people.
pub fn stdout() -> Shown<io::StdoutLock<'static>> {
    Shown { out: io::stdout().lock(), line: Vec::new() }
}

impl<W: Write> Shown<W> {
    fn pass_on(&mut self) -> io::Result<()> {
        let text = vivarium_text::paragraph(&String::from_utf8_lossy(&self.line), usize::MAX);
        self.line.clear();
        self.out.write_all(text.as_bytes())
    }
}

impl<W: Write> Write for Shown<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        if bytes.contains(&b'\n') {
            self.pass_on()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass_on()?;
        self.out.flush()
    }
}

impl<W: Write> Drop for Shown<W> {
    fn drop(&mut self) {
        let _ = self.pass_on(); // as for any buffered writer, who wants the error flushes before
    }
}
