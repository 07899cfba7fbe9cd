//! Patterns for the ids of tests: `*` stands for any characters, everything else for itself.
//!
//! No more than that: ids of pytest are full of brackets, dots and question marks.

/// Whether `text` matches `pattern` as a whole.
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let Some(end) = parts.pop() else { return true };
    // The leftmost place for each part leaves the most room for those behind it.
    for part in parts {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(end)
}

/// What an id must start with to match.
pub fn prefix(pattern: &str) -> &str {
    pattern.split('*').next().unwrap_or(pattern)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, expected) in [
            ("test_json.A.test_b", "test_json.A.test_b", true),
            ("test_json.A.test_b", "test_json.A.test_bc", false),
            ("test_json.*.test_b", "test_json.A.B.test_b", true),
            ("test_json.*", "test_json.", true),
            ("test_json.*", "test_json", false),
            ("*a*b", "xxaxxbxxb", true),
            ("a*a", "a", false),
            ("t[1.0-*]", "t[1.0-int64]", true),
            ("*", "", true),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    /// The definition, in exponential time.
    fn defined(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|at| defined(rest, &text[at..])),
            Some((letter, rest)) => text.first() == Some(letter) && defined(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn matching_is_as_defined(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
            prop_assert_eq!(matches(&pattern, &text), defined(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
