//! Messages of rows that are larger than what a sandbox takes at once, cut between elements.

/// What a message holds beside elements: the heads of frames, and the column of Arrow around them.
const HEADS: usize = 4 << 10;

/// The most elements, in bytes, of a message for sandboxes that take `batch_bytes`.
pub fn most(batch_bytes: u64) -> usize {
    usize::try_from(batch_bytes).unwrap_or(usize::MAX).saturating_sub(HEADS).max(1)
}

/// Parts of `elements` of at most `most` bytes each. An element that is larger makes a part of its own, which the sandbox refuses.
///
/// Each element begins with its length, of 7 bits a byte. What does not is left in one piece.
pub fn parts(mut elements: &[u8], most: usize) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while elements.len() > most {
        let mut end = 0;
        while let Some(length) = element(&elements[end..]) {
            if end > 0 && end + length > most {
                break;
            }
            end += length;
        }
        if end == 0 {
            break;
        }
        let (part, rest) = elements.split_at(end);
        parts.push(part);
        elements = rest;
    }
    if !elements.is_empty() {
        parts.push(elements);
    }
    parts
}

/// Bytes of the first element, its length included; none when it is not there as a whole.
fn element(bytes: &[u8]) -> Option<usize> {
    let head = bytes.iter().position(|byte| byte & 0x80 == 0).filter(|&last| last < 5)? + 1;
    let length = bytes[..head].iter().rev().fold(0_u64, |length, byte| length << 7 | u64::from(byte & 0x7f));
    let end = head.checked_add(usize::try_from(length).ok()?)?;
    (end <= bytes.len()).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(lengths: &[usize]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for &length in lengths {
            let mut rest = length;
            while rest > 0x7f {
                bytes.push((rest & 0x7f) as u8 | 0x80);
                rest >>= 7;
            }
            bytes.push(rest as u8);
            bytes.extend(std::iter::repeat_n(0xff, length));
        }
        bytes
    }

    fn sizes(bytes: &[u8], most: usize) -> Vec<usize> {
        let parts = parts(bytes, most);
        assert_eq!(parts.concat(), bytes);
        parts.iter().map(|part| part.len()).collect()
    }

    #[test]
    fn parts_end_between_elements() {
        assert_eq!(sizes(&elements(&[9, 9, 9, 9, 9]), 25), [20, 20, 10]);
        assert_eq!(sizes(&elements(&[0, 0, 0]), 2), [2, 1]);
        assert_eq!(sizes(&elements(&[300, 300]), 400), [302, 302]);
        assert_eq!(sizes(&elements(&[9, 9]), 20), [20]);
        assert_eq!(sizes(&[], 20), [0_usize; 0]);
    }

    #[test]
    fn an_element_that_is_too_large_is_alone() {
        assert_eq!(sizes(&elements(&[9, 99, 9]), 20), [10, 100, 10]);
    }

    #[test]
    fn what_is_no_element_stays_in_one_piece() {
        for wrong in [&[0xff; 100][..], &[0x80; 100], &[100; 100]] {
            assert_eq!(sizes(wrong, 20), [100]);
        }
    }
}
