//! Frames: how elements, timers and metrics cross between worker and guest.
//!
//! The counterpart of `_vivarium_flink.frames`: kind (one byte), length of the name and the name, length of the content and
//! the content; lengths are 32 bits, little-endian. What the guest writes is checked.

use std::str;

use crate::error::Error;

/// What a frame is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A bundle begins. Name: the instruction; content: its cache token.
    Begin,
    /// Elements. Name: the transform they come from or go to.
    Elements,
    /// Timers that fired, or that are to be set. Name: the transform.
    Timers,
    /// The bundle ends.
    Finish,
    /// Metrics that changed, as JSON.
    Metrics,
}

/// One frame of the guest's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is about.
    pub kind: Kind,
    /// Of what.
    pub name: &'a str,
    /// The rest.
    pub content: &'a [u8],
}

/// Appends a frame.
pub fn write(message: &mut Vec<u8>, kind: Kind, name: &str, content: &[u8]) {
    message.push(kind as u8);
    write_bytes(message, name.as_bytes());
    write_bytes(message, content);
}

/// No message of Flink's is longer than a Java array, so its parts are shorter than 4 GiB.
fn write_bytes(message: &mut Vec<u8>, bytes: &[u8]) {
    message.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    message.extend_from_slice(bytes);
}

/// Reads the frames of a message of the guest's.
///
/// # Errors
/// [`Error::Frames`] when it is none.
pub fn read(mut message: &[u8]) -> Result<Vec<Frame<'_>>, Error> {
    let mut frames = Vec::new();
    while let Some((&kind, rest)) = message.split_first() {
        message = rest;
        let kind = match kind {
            1 => Kind::Elements,
            2 => Kind::Timers,
            4 => Kind::Metrics,
            _ => return Err(Error::Frames("a frame of a kind that guests do not write")),
        };
        let name = str::from_utf8(read_bytes(&mut message)?).map_err(|_| Error::Frames("a name that is not UTF-8"))?;
        let content = read_bytes(&mut message)?;
        frames.push(Frame { kind, name, content });
    }
    Ok(frames)
}

fn read_bytes<'a>(message: &mut &'a [u8]) -> Result<&'a [u8], Error> {
    const SHORT: Error = Error::Frames("a frame that ends too early");
    let (length, rest) = message.split_first_chunk().ok_or(SHORT)?;
    let (bytes, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or(SHORT)?;
    *message = rest;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written() {
        let mut message = Vec::new();
        write(&mut message, Kind::Elements, "sink", b"rows");
        write(&mut message, Kind::Metrics, "", b"[]");
        let frames = read(&message).unwrap();
        assert_eq!(frames[0], Frame { kind: Kind::Elements, name: "sink", content: b"rows" });
        assert_eq!(frames[1], Frame { kind: Kind::Metrics, name: "", content: b"[]" });
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let mut message = Vec::new();
        write(&mut message, Kind::Elements, "sink", b"rows");
        for length in 1..message.len() {
            assert!(read(&message[..length]).is_err(), "{length} bytes");
        }
        for wrong in [
            &[0_u8, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &[9],
            &[1, 1, 0, 0, 0, 0xff, 0, 0, 0, 0],
            &[1, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
