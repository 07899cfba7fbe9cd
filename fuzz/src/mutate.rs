//! Inputs made from other inputs.

/// A generator of numbers that is the same everywhere (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// A short length more often than a long one.
    fn length(&mut self, most: usize) -> usize {
        let bound = 1 + self.below(most.max(1));
        1 + self.below(bound)
    }
}

/// Numbers at which readers of lengths, counts and addresses go wrong.
const NUMBERS: [u64; 12] =
    [0, 1, 8, 0x7f, 0xff, 0x7fff, 0xffff, i32::MAX as u64, u32::MAX as u64, i64::MAX as u64, 1 << 63, u64::MAX];

/// One to eight changes of `input`; parts come from `other`. Never longer than `most`.
pub fn mutate(input: &[u8], other: &[u8], most: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(8) {
        change(&mut bytes, other, random);
    }
    bytes.truncate(most);
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    if bytes.is_empty() {
        bytes.push(random.next() as u8);
    }
    let at = random.below(bytes.len());
    let end = at + random.length(bytes.len() - at).min(bytes.len() - at);
    match random.below(10) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.next() as u8,
        2 => bytes[at] = bytes[at].wrapping_add(random.below(9) as u8).wrapping_sub(4),
        3 => {
            let width = [1, 2, 4, 8][random.below(4)].min(bytes.len() - at);
            let number = NUMBERS[random.below(NUMBERS.len())];
            let both = [number.to_le_bytes(), number.to_be_bytes()];
            bytes[at..at + width].copy_from_slice(match random.below(2) {
                0 => &both[0][..width],
                _ => &both[1][8 - width..],
            });
        }
        4 => drop(bytes.drain(at..end)),
        5 => {
            let part = bytes[at..end].to_vec();
            let to = random.below(bytes.len());
            bytes.splice(to..to, part);
        }
        6 => {
            let part = bytes[at..end].to_vec();
            let to = random.below(bytes.len());
            let length = part.len().min(bytes.len() - to);
            bytes[to..to + length].copy_from_slice(&part[..length]);
        }
        7 if !other.is_empty() => {
            let from = random.below(other.len());
            let length = random.length(other.len() - from).min(other.len() - from);
            bytes.splice(at..end, other[from..from + length].iter().copied());
        }
        8 => {
            let text =
                [&b"/"[..], b"..", b"\0", b"\n", b"<", b">", b"(", b"\xff", b"9", b"-", b"\xc3\xa9", b"[", b"]", b","];
            bytes.splice(at..at, text[random.below(text.len())].iter().copied());
        }
        _ => bytes.truncate(at),
    }
}
