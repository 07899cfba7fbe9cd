//! Environment markers (PEP 508): whether a text is one. pip evaluates them, and must only get those that it can read.
//!
//! ```text
//!   either  = both { "or" both }          both = single { "and" single }
//!   single  = "(" either ")"  |  value operator value
//! ```

/// Variables that a marker may compare.
const VARIABLES: [&str; 12] = [
    "extra",
    "implementation_name",
    "implementation_version",
    "os_name",
    "platform_machine",
    "platform_python_implementation",
    "platform_release",
    "platform_system",
    "platform_version",
    "python_full_version",
    "python_version",
    "sys_platform",
];
const OPERATORS: [&str; 8] = ["===", "~=", "==", "!=", "<=", ">=", "<", ">"];
/// Parentheses within each other; more is no marker that anybody means.
const DEPTH: usize = 16;

/// Whether `text` is an environment marker.
pub(super) fn is_marker(text: &str) -> bool {
    let mut reader = Reader { rest: text };
    reader.either(DEPTH) && reader.rest.trim().is_empty()
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn either(&mut self, depth: usize) -> bool {
        self.chain(depth, "or", |reader, depth| reader.chain(depth, "and", Self::single))
    }

    fn chain(&mut self, depth: usize, word: &str, part: impl Fn(&mut Self, usize) -> bool) -> bool {
        while part(self, depth) {
            if !self.word(word) {
                return true;
            }
        }
        false
    }

    fn single(&mut self, depth: usize) -> bool {
        if self.symbol("(") {
            return depth > 0 && self.either(depth - 1) && self.symbol(")");
        }
        self.value() && self.operator() && self.value()
    }

    fn value(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        for quote in ['\'', '"'] {
            if let Some(quoted) = self.rest.strip_prefix(quote) {
                let Some((_, rest)) = quoted.split_once(quote) else { return false };
                self.rest = rest;
                return true;
            }
        }
        VARIABLES.into_iter().any(|variable| self.word(variable))
    }

    fn operator(&mut self) -> bool {
        self.word("in") || (self.word("not") && self.word("in")) || OPERATORS.into_iter().any(|one| self.symbol(one))
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        match self.rest.trim_start().strip_prefix(symbol) {
            Some(rest) => self.rest = rest,
            None => return false,
        }
        true
    }

    /// Takes a word that ends there.
    fn word(&mut self, word: &str) -> bool {
        match self.rest.trim_start().strip_prefix(word) {
            Some(rest) if !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || "_.".contains(next)) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_marker;

    #[test]
    fn markers_are_told_from_what_looks_like_one() {
        for marker in [
            "python_version < '4'",
            "sys_platform=='win32' and (os_name == \"nt\" or 'x' in platform_version)",
            "extra == 'socks'",
            "python_full_version >= '3.8.1' and platform_machine not in 'x86_64 arm'",
        ] {
            assert!(is_marker(marker), "{marker}");
        }
        let deep = format!("{}extra == 'x'{}", "(".repeat(100_000), ")".repeat(100_000));
        for other in [
            "",
            "os_name",
            "os_name ==",
            "os_name os_name",
            "os_name == 'x",
            "os_name == 'x' and",
            "(os_name == 'x'",
            "os_name == 'x')",
            "os_name == __import__('os').system('touch x')",
            "os_name2 == 'x'",
            "python_version < 4",
            &deep,
        ] {
            assert!(!is_marker(other), "{other}");
        }
    }
}
