//! Text from the guest, made harmless for terminals and logs.
//!
//! A message can hold anything: escape sequences that repaint a terminal, line ends that forge a log line, marks that
//! reverse the reading direction. Such characters are shown the way Python's `repr` shows them.

use std::fmt::Write;

/// One line: every control character escaped, cut to `max_bytes` of the original with a note of how much is missing.
pub(crate) fn line(text: &str, max_bytes: usize) -> String {
    clean(text, max_bytes, |_| false)
}

/// Several lines: as [`line`], but line feeds and tabs stay.
pub(crate) fn paragraph(text: &str, max_bytes: usize) -> String {
    clean(text, max_bytes, |character| matches!(character, '\n' | '\t'))
}

fn clean(text: &str, max_bytes: usize, keep: impl Fn(char) -> bool) -> String {
    let end = floor_char_boundary(text, max_bytes);
    let mut clean = String::with_capacity(end);
    for character in text[..end].chars() {
        if !is_hostile(character) || keep(character) {
            clean.push(character);
        } else {
            // Writing to a String cannot fail.
            let _ = match u32::from(character) {
                0x09 => write!(clean, "\\t"),
                0x0a => write!(clean, "\\n"),
                0x0d => write!(clean, "\\r"),
                code @ 0..=0xff => write!(clean, "\\x{code:02x}"),
                code => write!(clean, "\\u{code:04x}"),
            };
        }
    }
    if end < text.len() {
        let _ = write!(clean, "... ({} bytes more)", text.len() - end);
    }
    clean
}

/// Control characters, line and paragraph separators, and the marks that change the reading direction.
fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// The largest index of at most `max` at which `text` can be cut.
fn floor_char_boundary(text: &str, max: usize) -> usize {
    if max >= text.len() {
        return text.len();
    }
    (0..=max).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_not_obeyed() {
        for (text, expected) in [
            ("plain é 文", "plain é 文"),
            ("\u{1b}[2Jgone", "\\x1b[2Jgone"),
            ("a\r\nINFO forged", "a\\r\\nINFO forged"),
            ("tab\tbell\u{7}", "tab\\tbell\\x07"),
            ("\u{9b}31m\u{202e}txt\u{2028}", "\\x9b31m\\u202etxt\\u2028"),
            ("\u{0}", "\\x00"),
        ] {
            assert_eq!(line(text, 1000), expected);
        }
        assert_eq!(paragraph("a\nb\tc\r\u{1b}", 1000), "a\nb\tc\\r\\x1b");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(line("ééé", 3), "é... (4 bytes more)");
        assert_eq!(line("ééé", 6), "ééé");
        assert_eq!(line("ab", 0), "... (2 bytes more)");
    }
}
