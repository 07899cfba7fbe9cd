//! Names from the outside become paths only here.

use std::fmt;

use crate::error::Refusal;
use crate::limits::MaterializeLimits;

/// A relative path of normal components below some root: no `..`, no `.`, no empty component, no NUL, no backslash,
/// valid UTF-8, within the limits on length and depth.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct EntryPath(String);

impl EntryPath {
    /// Checks a name as it was found in an archive. `None` is the root itself (`./`).
    pub(crate) fn parse(name: &[u8], limits: &MaterializeLimits) -> Result<Option<Self>, Refusal> {
        if name.contains(&0) {
            return Err(Refusal::Nul);
        }
        let name = str::from_utf8(name).map_err(|_| Refusal::NotUtf8)?;
        if name.is_empty() {
            return Err(Refusal::EmptyName);
        }
        if name.contains('\\') {
            return Err(Refusal::Backslash);
        }
        if name.starts_with('/') {
            return Err(Refusal::Absolute);
        }
        if name.len() > limits.path_bytes {
            return Err(Refusal::LongName { bytes: name.len(), limit: limits.path_bytes });
        }
        let mut path = String::with_capacity(name.len());
        let (mut depth, mut lowest, mut level) = (0, 0i64, 0i64);
        for component in name.split('/') {
            match component {
                "" | "." => continue,
                ".." => {
                    level -= 1;
                    lowest = lowest.min(level);
                    continue;
                }
                _ => level += 1,
            }
            if component.len() > limits.component_bytes {
                return Err(Refusal::LongComponent { bytes: component.len(), limit: limits.component_bytes });
            }
            depth += 1;
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(component);
        }
        if lowest < 0 {
            return Err(Refusal::Outside);
        }
        if level != depth as i64 {
            return Err(Refusal::ParentComponent);
        }
        if depth > limits.path_depth {
            return Err(Refusal::Deep { depth, limit: limits.path_depth });
        }
        Ok((!path.is_empty()).then_some(Self(path)))
    }

    /// A name that must be a single component, as the name of a shipped file is.
    pub(crate) fn component(name: &str, limits: &MaterializeLimits) -> Result<Self, Refusal> {
        match Self::parse(name.as_bytes(), limits)? {
            Some(path) if path.0 == name && path.depth() == 1 => Ok(path),
            _ => Err(Refusal::Outside),
        }
    }

    /// A path of ours, known to be well formed.
    pub(crate) fn known(path: &'static str) -> Self {
        Self(path.to_owned())
    }

    /// `self/below`. Only the single names were checked against the limits on length and depth; the sum of two checked
    /// paths stays within twice those.
    pub(crate) fn join(&self, below: &Self) -> Self {
        Self(format!("{}/{}", self.0, below.0))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    pub(crate) fn depth(&self) -> usize {
        self.components().count()
    }

    /// The directory above, `None` for a single component, and the last component.
    pub(crate) fn split_last(&self) -> (Option<&str>, &str) {
        match self.0.rsplit_once('/') {
            Some((parent, name)) => (Some(parent), name),
            None => (None, &self.0),
        }
    }

    /// Refuses a symbolic link that could lead out of the directory `depth` levels above the link itself.
    ///
    /// A target is relative, and goes up only at its beginning. The link's own directories are real directories (no
    /// entry is ever written through a link), so going up `n` levels from it lands exactly `n` levels above it; what
    /// follows only goes down, or through further links for which the same holds. So no chain of links leaves the root.
    /// `a/../..` could not be judged this way: `a` may be a link to some place deeper or higher.
    pub(crate) fn check_symlink(target: &[u8], depth: usize, limits: &MaterializeLimits) -> Result<(), Refusal> {
        let escapes = || Refusal::SymlinkEscapes { target: target.to_vec() };
        if target.contains(&0) {
            return Err(Refusal::Nul);
        }
        if target.len() > limits.path_bytes {
            return Err(Refusal::LongName { bytes: target.len(), limit: limits.path_bytes });
        }
        if target.is_empty() || target.starts_with(b"/") || target.contains(&b'\\') {
            return Err(escapes());
        }
        str::from_utf8(target).map_err(|_| Refusal::NotUtf8)?;
        let (mut up, mut down) = (0, false);
        for component in target.split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." if down => return Err(escapes()),
                b".." => up += 1,
                _ => down = true,
            }
        }
        if up > depth { Err(escapes()) } else { Ok(()) }
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::display_name;

    fn parse(name: &[u8]) -> Result<Option<String>, Refusal> {
        EntryPath::parse(name, &MaterializeLimits::default()).map(|path| path.map(|path| path.0))
    }

    #[test]
    fn names_are_normalised_or_refused() {
        assert_eq!(parse(b"./a//b/"), Ok(Some("a/b".into())));
        assert_eq!(parse(b"./"), Ok(None));
        for (name, refusal) in [
            (&b"/etc/passwd"[..], Refusal::Absolute),
            (b"../zipFile", Refusal::Outside),
            (b"a/../../b", Refusal::Outside),
            (b"a/../b", Refusal::ParentComponent),
            (b"a\\b", Refusal::Backslash),
            (b"a\0b", Refusal::Nul),
            (b"\xff", Refusal::NotUtf8),
            (b"", Refusal::EmptyName),
        ] {
            assert_eq!(parse(name), Err(refusal), "{}", display_name(name));
        }
        assert!(matches!(parse(&[b'a'; 256]), Err(Refusal::LongComponent { bytes: 256, limit: 255 })));
        assert!(matches!(parse("a/".repeat(600).as_bytes()), Err(Refusal::LongName { .. })));
        assert!(matches!(parse("a/".repeat(65).as_bytes()), Err(Refusal::Deep { .. })));
    }

    #[test]
    fn symlink_targets_go_up_only_at_their_beginning_and_not_too_far() {
        let check =
            |target: &str, depth| EntryPath::check_symlink(target.as_bytes(), depth, &Default::default()).is_ok();
        assert!(check("b", 0));
        assert!(check("../b", 1));
        assert!(check("../../lib/./x", 2));
        assert!(!check("../b", 0));
        assert!(!check("a/../b", 3));
        assert!(!check("/etc/passwd", 5));
        assert!(!check("", 5));
    }

    proptest! {
        #[test]
        fn what_is_accepted_stays_below_the_root(name in "[a./\\\\]{0,12}") {
            if let Ok(Some(path)) = parse(name.as_bytes()) {
                prop_assert!(!path.starts_with('/') && !path.ends_with('/'));
                prop_assert!(path.split('/').all(|part| !part.is_empty() && part != "." && part != ".."));
            }
        }

        #[test]
        fn shown_names_hold_no_control_characters(name in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(!display_name(&name).chars().any(vivarium_text::is_hostile));
        }
    }
}
