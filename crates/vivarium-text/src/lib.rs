//! Untrusted text, made harmless for terminals and logs.
//!
//! A message, a name or a value can hold anything: escape sequences that repaint a terminal, line ends that forge a log line, marks
//! that reverse the reading direction, characters that cannot be seen. Such characters are shown the way Python's `repr` shows them.
//!
//! Everything that leaves the project as text goes through [`line()`] or [`paragraph`], whoever wrote it.
#![forbid(unsafe_code)]

use std::fmt::{self, Write};

/// One line: every control character escaped, cut to `max_bytes` of the original with a note of how much is missing.
pub fn line(text: &str, max_bytes: usize) -> String {
    clean(text, max_bytes, |_| false)
}

/// The most bytes that [`OneLine`] shows.
const MOST_OF_ONE_LINE: usize = 16 << 10;

/// Shows a value as one line, for events of a log: an error's message may hold untrusted text, and a line end in that text could
/// begin a line that looks like another event.
///
/// ```
/// use vivarium_text::OneLine;
///
/// assert_eq!(OneLine("bad\n2026-01-01 INFO forged").to_string(), "bad\\n2026-01-01 INFO forged");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct OneLine<T>(pub T);

impl<T: fmt::Display> fmt::Display for OneLine<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&line(&self.0.to_string(), MOST_OF_ONE_LINE))
    }
}

/// Several lines: as [`line()`], but line feeds and tabs stay.
pub fn paragraph(text: &str, max_bytes: usize) -> String {
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
                code @ 0..=0xffff => write!(clean, "\\u{code:04x}"),
                code => write!(clean, "\\U{code:08x}"),
            };
        }
    }
    if end < text.len() {
        let _ = write!(clean, "... ({} bytes more)", text.len() - end);
    }
    clean
}

/// Whether a character does more than show itself: control characters (C0, C1), line and paragraph separators, marks that change the
/// reading direction, invisible operators and fillers, annotations, and tags, which hide text in text.
pub fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
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
            ("a\u{ad}b\u{feff}c\u{e0041}", "a\\xadb\\ufeffc\\U000e0041"),
            // Joiners make scripts and emoji what they are.
            ("\u{200d}\u{200c}", "\u{200d}\u{200c}"),
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
