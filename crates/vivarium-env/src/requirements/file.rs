//! Requirements files (pip's format), read strictly.
//!
//! A file comes from a job, and pip does much more with a line than read it: options change where packages come from,
//! paths and URLs are built, `${NAME}` shows the environment. So each line is parsed, and pip gets lines
//! that are written from the parsed parts.

use std::fmt;

use super::marker::is_marker;
use crate::error::RequirementsError;

const FILE_BYTES: usize = 1 << 20;
const LINES: usize = 10_000;
const INDEX_OPTIONS: [(&str, &str, bool); 8] = [
    ("-i", "--index-url", true),
    ("--index-url", "--index-url", true),
    ("--extra-index-url", "--extra-index-url", true),
    ("-f", "--find-links", true),
    ("--find-links", "--find-links", true),
    ("--trusted-host", "--trusted-host", true),
    ("--no-index", "--no-index", false),
    ("--pre", "--pre", false),
];

/// What an operator lets requirements files hold besides requirements by name. Source distributions, `-e`, local
/// paths and further files are never allowed: the first two run code, the others read files of the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AllowedLines {
    /// `-i`, `--index-url`, `--extra-index-url`, `-f`, `--find-links`, `--trusted-host`, `--no-index`, `--pre`.
    pub index_options: bool,
    /// `name @ https://.../x-py3-none-any.whl`.
    pub urls: bool,
}

vivarium_tenancy::__setters!(AllowedLines {
    with_index_options: index_options: bool,
    with_urls: urls: bool,
});

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Requirement {
    /// The distribution's name, as written.
    pub name: String,
    /// `[extra, ...]`, or empty.
    pub extras: String,
    /// `>=1,<2`, `@ https://...`, or empty.
    pub specifier: String,
    /// The environment marker, or empty.
    pub marker: String,
    /// SHA-256 hashes in hexadecimal, one of which the wheel must have; empty when any wheel will do.
    pub hashes: Vec<String>,
}

/// The lines of a requirements file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequirementsFile {
    /// Requirements, in order.
    pub requirements: Vec<Requirement>,
    /// Allowed options, each as one argument (`--index-url=...`).
    pub options: Vec<String>,
}

impl RequirementsFile {
    /// Reads a file's text.
    pub fn parse(text: &[u8], allowed: AllowedLines) -> Result<Self, RequirementsError> {
        let refused = |reason| RequirementsError::File { reason };
        if text.len() > FILE_BYTES {
            return Err(refused("it is bigger than 1 MiB"));
        }
        let text = str::from_utf8(text).map_err(|_| refused("it is not valid UTF-8"))?;
        let mut file = Self::default();
        for (line, text) in logical_lines(text.trim_start_matches('\u{feff}')) {
            if line > LINES {
                return Err(refused("it has more than 10,000 lines"));
            }
            let failed =
                |reason| RequirementsError::Line { line, text: crate::error::display_name(text.as_bytes()), reason };
            if text.contains("${") {
                return Err(failed("environment variables are not expanded; write the value"));
            }
            if text.starts_with('-') {
                file.options.extend(parse_option(&text, allowed).map_err(failed)?);
            } else {
                file.requirements.push(Requirement::parse(&text, allowed).map_err(failed)?);
            }
        }
        Ok(file)
    }

    /// Adds a requirement given by itself.
    pub fn push(&mut self, requirement: &str, allowed: AllowedLines) -> Result<(), RequirementsError> {
        let failed =
            |reason| RequirementsError::Dependency { text: crate::error::display_name(requirement.as_bytes()), reason };
        if requirement.trim_start().starts_with('-') || requirement.contains(['\n', '\r']) {
            return Err(failed("options are not allowed here"));
        }
        self.requirements.push(Requirement::parse(requirement.trim(), allowed).map_err(failed)?);
        Ok(())
    }
}

impl fmt::Display for RequirementsFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.options.iter().try_for_each(|option| writeln!(formatter, "{option}"))?;
        self.requirements.iter().try_for_each(|requirement| writeln!(formatter, "{requirement}"))
    }
}

impl Requirement {
    fn parse(text: &str, allowed: AllowedLines) -> Result<Self, &'static str> {
        let (text, hashes) = split_hashes(text)?;
        let (text, marker, has_marker) = match split_marker(text) {
            Some((text, marker)) => (text.trim(), marker.trim(), true),
            None => (text, "", false),
        };
        let name_end = text.find(|character: char| !is_name(character)).unwrap_or(text.len());
        let (name, rest) = text.split_at(name_end);
        let rest = rest.trim();
        let (extras, specifier) = match rest.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(Some((extras, rest))) => (format!("[{}]", extras.trim()), rest.trim()),
            Some(None) => return Err("'[' is not closed"),
            None => (String::new(), rest),
        };
        let alphanumeric = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        let looks_like_file = name.ends_with(".whl") || name.ends_with(".gz") || name.ends_with(".zip");
        let is_url = text.contains("://") && !specifier.starts_with('@');
        if is_url || text.starts_with(['/', '.', '~']) || specifier.starts_with(['/', ':', '\\']) || looks_like_file {
            return Err("it is a path or a URL; ship packages in the requirements cache directory");
        }
        if !alphanumeric(name.bytes().next()) || !alphanumeric(name.bytes().last()) {
            return Err("it does not begin with the name of a package");
        }
        let is_extra = |character: char| is_name(character) || matches!(character, ',' | ' ');
        if !extras.trim_matches(['[', ']']).chars().all(is_extra) {
            return Err("its extras are not names");
        }
        if let Some(url) = specifier.strip_prefix('@') {
            check_url(url.trim(), allowed)?;
        } else if !specifier.chars().all(|character| is_name(character) || "<>=!~*+, ()".contains(character))
            || !(specifier.is_empty() || specifier.starts_with(['<', '>', '=', '!', '~', '(']))
        {
            return Err("what follows the name is not a version specifier");
        }
        let is_clean = |character| is_name(character) || " '\"<>=!~*+,()".contains(character);
        if has_marker && !(marker.chars().all(is_clean) && is_marker(marker)) {
            return Err("what follows ';' is not an environment marker");
        }
        Ok(Self { name: name.to_owned(), extras, specifier: specifier.to_owned(), marker: marker.to_owned(), hashes })
    }

    /// The version, when exactly one is asked for.
    pub fn pinned_version(&self) -> Option<&str> {
        let version = self.specifier.strip_prefix("==")?.trim();
        version.chars().all(|character| is_name(character) || character == '+').then_some(version)
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let space = if self.specifier.starts_with('@') { " " } else { "" };
        write!(formatter, "{}{}{space}{}", self.name, self.extras, self.specifier)?;
        if !self.marker.is_empty() {
            write!(formatter, " ; {}", self.marker)?;
        }
        self.hashes.iter().try_for_each(|hash| write!(formatter, " --hash=sha256:{hash}"))
    }
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
}

/// Lines without comments and joined where one ends with a backslash, with the number of their first line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut continues = false;
    for (index, line) in text.lines().enumerate() {
        let is_comment = line.trim_start().starts_with('#');
        let without_comment = if is_comment { "" } else { line.split(" #").next().unwrap_or(line) };
        let (part, next_continues) = match without_comment.trim_end().strip_suffix('\\') {
            Some(part) => (part, true),
            None => (without_comment, false),
        };
        match lines.last_mut().filter(|_| continues) {
            Some((_, joined)) => joined.push_str(part),
            None => lines.push((index + 1, part.to_owned())),
        }
        continues = next_continues;
    }
    lines.iter_mut().for_each(|(_, line)| *line = line.trim().to_owned());
    lines.retain(|(_, line)| !line.is_empty());
    lines
}

fn split_hashes(text: &str) -> Result<(&str, Vec<String>), &'static str> {
    let Some(start) = text.find(" --") else { return Ok((text, Vec::new())) };
    let mut hashes = Vec::new();
    let mut words = text[start..].split([' ', '\t', '=']).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let hash = words.next().and_then(|value| value.strip_prefix("sha256:"));
        let hash = hash.filter(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match (word, hash) {
            ("--hash", Some(hash)) => hashes.push(hash.to_ascii_lowercase()),
            _ => return Err("of the options behind a requirement only --hash=sha256:... is known"),
        }
    }
    Ok((text[..start].trim_end(), hashes))
}

/// Splits at the `;` of a marker. A URL may hold one, so behind `@` it must follow a space.
fn split_marker(text: &str) -> Option<(&str, &str)> {
    if text.contains('@') { text.split_once(" ;") } else { text.split_once(';') }
}

fn parse_option(text: &str, allowed: AllowedLines) -> Result<Option<String>, &'static str> {
    let (option, value) = match text.split_once(['=', ' ', '\t']) {
        Some((option, value)) => (option, value.trim()),
        None => (text, ""),
    };
    if option == "--require-hashes" {
        return Ok(None);
    }
    let known = INDEX_OPTIONS.iter().find(|(name, ..)| *name == option);
    let &(_, name, takes_value) = known.ok_or("options are not allowed here")?;
    if !allowed.index_options {
        return Err("options are not allowed here; the operator decides where packages come from");
    }
    let is_clean = value.chars().all(|character| character.is_ascii_graphic());
    // Anything else that an address can be is a path of this machine.
    let is_address = name == "--trusted-host" || ["https://", "http://"].iter().any(|scheme| value.starts_with(scheme));
    if takes_value && !value.is_empty() && !is_address {
        return Err("the option's value is not an https:// address");
    }
    match (takes_value, value.is_empty()) {
        (true, false) if is_clean => Ok(Some(format!("{name}={value}"))),
        (false, true) => Ok(Some(name.to_owned())),
        _ => Err("the option's value is not understood"),
    }
}

fn check_url(url: &str, allowed: AllowedLines) -> Result<(), &'static str> {
    let path = url.split(['#', '?']).next().unwrap_or(url);
    if !allowed.urls {
        Err("URLs are not allowed here; ship the wheel in the requirements cache directory")
    } else if !url.starts_with("https://") || !path.ends_with(".whl") {
        Err("a URL must begin with https:// and name a wheel")
    } else if !url.chars().all(|character| character.is_ascii_graphic()) {
        Err("the URL holds spaces or control characters")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(text: &str) -> Result<Vec<String>, String> {
        RequirementsFile::parse(text.as_bytes(), AllowedLines::default())
            .map(|file| file.requirements.iter().map(ToString::to_string).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn requirements_are_read_as_pip_reads_them() {
        let text = "# comment\nsix\nattrs >= 21, <26  # why\nrequests[socks,security]==2.31.0 ; python_version < '4'\n\
                    a==1 \\\n    --hash=sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
        assert_eq!(
            lines(text).unwrap(),
            [
                "six".to_owned(),
                "attrs>= 21, <26".to_owned(),
                "requests[socks,security]==2.31.0 ; python_version < '4'".to_owned(),
                format!("a==1 --hash=sha256:{}", "a".repeat(64)),
            ]
        );
    }

    #[test]
    fn requirement_lines_that_are_options_paths_or_urls_are_refused() {
        for line in [
            "-e .",
            "--editable=git+https://x/y",
            "-r other.txt",
            "-c constraints.txt",
            "-i https://evil/simple",
            "--index-url=https://evil/simple",
            "--extra-index-url https://evil/simple",
            "--no-binary :all:",
            "./local",
            "/etc/passwd",
            "~/x",
            "../x-1-py3-none-any.whl",
            "x-1-py3-none-any.whl",
            "dir/x",
            "https://evil/x.tar.gz",
            "git+https://evil/x",
            "x @ https://evil/x-1-py3-none-any.whl",
            "x @ file:///etc/x",
            "six --install-option=--prefix=/",
            "six --config-settings=a=b",
            "six --hash=md5:abc",
            "six==${SECRET}",
            "six\u{1b}[2J",
            "[extra]",
            "six[",
        ] {
            let error = lines(&format!("attrs\n{line}\n"));
            let accepted = error.is_ok();
            assert!(!accepted, "{line} was accepted: {error:?}");
            if let Err(error) = error {
                assert!(error.contains("line 2"), "{error}");
            }
        }
    }

    #[test]
    fn an_operator_may_allow_index_options_and_wheel_urls() {
        let allowed = AllowedLines { index_options: true, urls: true };
        let text = b"-i https://index/simple\nx @ https://host/x-1-py3-none-any.whl\n";
        let file = RequirementsFile::parse(text, allowed).unwrap();
        assert_eq!(file.to_string(), "--index-url=https://index/simple\nx @ https://host/x-1-py3-none-any.whl\n");
        for text in ["x @ http://host/x.whl", "x @ https://host/x.tar.gz", "-e .", "-r x", "--pre=1"] {
            assert!(RequirementsFile::parse(text.as_bytes(), allowed).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_for_pip_reads_back_the_same(text in "[-a-z0-9=<>.,;@#/ \\\\\\[\\]'\"\n]{0,60}") {
            if let Ok(file) = RequirementsFile::parse(text.as_bytes(), AllowedLines::default()) {
                let written = file.to_string();
                prop_assert!(written.lines().all(|line| line.starts_with(|c: char| c.is_ascii_alphanumeric())));
                let again = RequirementsFile::parse(written.as_bytes(), AllowedLines::default()).unwrap();
                prop_assert_eq!(again.requirements, file.requirements);
            }
        }
    }
}
