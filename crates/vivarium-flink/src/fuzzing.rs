//! Readers that are not public, for `fuzz/`. Not a part of the interface.

use prost::Message as _;

use crate::descriptor::Bundle;
use crate::protocol::messages::ProcessBundleDescriptor;
use crate::{cut, frames, state};

/// Reads the frames of a message of a guest's, and returns what writing them again makes; none when it is no message.
pub fn read_frames(message: &[u8]) -> Option<Vec<u8>> {
    let mut again = Vec::new();
    for frame in frames::read(message).ok()? {
        frames::write(&mut again, frame.kind, frame.name, frame.content);
    }
    Some(again)
}

/// Cuts a message's elements into parts of at most `most` bytes each, but for elements that are larger.
pub fn cut_elements(elements: &[u8], most: usize) -> Vec<&[u8]> {
    cut::parts(elements, most)
}

/// Reads a guest's requests for state, and returns how many there are; none when they are refused.
pub fn read_state_requests(requests: &[u8]) -> Option<usize> {
    state::parse(requests, "instruction").ok().map(|requests| requests.len())
}

/// Reads a bundle's descriptor, and returns what the guest is told of it; none when it is refused.
pub fn read_descriptor(descriptor: &[u8]) -> Option<String> {
    let descriptor = ProcessBundleDescriptor::decode(descriptor).ok()?;
    Some(Bundle::new(&descriptor).ok()?.description.to_string())
}
