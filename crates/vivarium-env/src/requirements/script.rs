//! Script headers: dependencies that a Python file names itself (PEP 723, inline script metadata).

use serde::Deserialize;

use crate::error::RequirementsError;
use crate::guest::GuestPython;

/// What a file's `# /// script` block says.
///
/// ```
/// let source = "# /// script\n# dependencies = [\"six>=1.16\"]\n# [tool.vivarium]\n# image = \"data\"\n# ///\nimport six\n";
/// let header = vivarium_env::ScriptMetadata::parse(source)?.expect("there is a block");
/// assert_eq!(header.dependencies, ["six>=1.16"]);
/// assert_eq!(header.image.as_deref(), Some("data"));
/// # Ok::<(), vivarium_env::RequirementsError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct ScriptMetadata {
    /// Requirements, each as a line of a requirements file.
    #[serde(default)]
    pub dependencies: Vec<String>,
    /// The Python versions the script runs on, as a version specifier.
    pub requires_python: Option<String>,
    /// The name of the guest image that the script is written for: `image` of `[tool.vivarium]`.
    #[serde(default, rename = "tool", deserialize_with = "image_of_tools")]
    pub image: Option<String>,
}

/// What other tools keep in the block is theirs.
#[derive(Deserialize)]
struct Tools {
    #[serde(default)]
    vivarium: OwnTable,
}

/// `[tool.vivarium]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnTable {
    image: Option<String>,
}

fn image_of_tools<'de, D: serde::Deserializer<'de>>(tools: D) -> Result<Option<String>, D::Error> {
    Ok(Tools::deserialize(tools)?.vivarium.image)
}

impl ScriptMetadata {
    /// Whether an environment has to be made, or checked, for the script.
    pub fn asks_for_environment(&self) -> bool {
        !self.dependencies.is_empty() || self.requires_python.is_some()
    }

    /// Reads the block of a file's source; `None` when there is none.
    pub fn parse(source: &str) -> Result<Option<Self>, RequirementsError> {
        let lines: Vec<&str> = source.lines().map(str::trim_end).collect();
        let mut found: Option<(usize, String)> = None;
        let mut index = 0;
        while index < lines.len() {
            if lines[index] != "# /// script" {
                index += 1;
                continue;
            }
            // The block ends with the last `# ///` of the comment lines that follow.
            let is_comment = |line: &&&str| **line == "#" || line.starts_with("# ");
            let length = lines[index + 1..].iter().take_while(|line| is_comment(line)).count();
            let comments = &lines[index + 1..index + 1 + length];
            let Some(end) = comments.iter().rposition(|line| *line == "# ///") else {
                index += 1;
                continue;
            };
            if let Some((first, _)) = &found {
                let reason = format!("there is a second one; the first begins in line {first}");
                return Err(RequirementsError::ScriptHeader { line: index + 1, reason });
            }
            let text: String =
                comments[..end].iter().map(|line| format!("{}\n", line.strip_prefix("# ").unwrap_or(""))).collect();
            found = Some((index + 1, text));
            index += end + 2;
        }
        let Some((line, text)) = found else { return Ok(None) };
        toml::from_str(&text).map(Some).map_err(|error| {
            let before = error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count());
            RequirementsError::ScriptHeader { line: line + 1 + before, reason: error.message().to_owned() }
        })
    }

    /// Fails when the guest's Python is not one that the script asks for.
    pub fn check_python(&self, guest: &GuestPython) -> Result<(), RequirementsError> {
        let Some(required) = &self.requires_python else { return Ok(()) };
        let version = [guest.version.0, guest.version.1, guest.version.2];
        let satisfied =
            required.split(',').map(str::trim).filter(|one| !one.is_empty()).all(|one| satisfies(version, one));
        if satisfied {
            Ok(())
        } else {
            Err(RequirementsError::ScriptPython { required: required.clone(), guest: guest.full_version() })
        }
    }
}

/// Whether a released version matches one clause of a version specifier. What is not understood is not matched.
fn satisfies(version: [u32; 3], clause: &str) -> bool {
    const OPERATORS: [&str; 8] = ["===", "~=", "==", "!=", "<=", ">=", "<", ">"];
    let Some(operator) = OPERATORS.into_iter().find(|operator| clause.starts_with(operator)) else { return false };
    let wanted = clause[operator.len()..].trim();
    let (wanted, any_below) = match wanted.strip_suffix(".*") {
        Some(prefix) => (prefix, true),
        None => (wanted, false),
    };
    let Ok(parts) = wanted.split('.').map(str::parse).collect::<Result<Vec<u32>, _>>() else { return false };
    if parts.is_empty() || parts.len() > 3 || (any_below && !matches!(operator, "==" | "!=")) {
        return false;
    }
    let has_prefix = |length: usize| version[..length] == parts[..length];
    let mut full = [0; 3];
    full[..parts.len()].copy_from_slice(&parts);
    match operator {
        "==" if any_below => has_prefix(parts.len()),
        "!=" if any_below => !has_prefix(parts.len()),
        "==" | "===" => version == full,
        "!=" => version != full,
        "<=" => version <= full,
        ">=" => version >= full,
        "<" => version < full,
        ">" => version > full,
        _ => parts.len() > 1 && version >= full && has_prefix(parts.len() - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_may_stand_anywhere_and_hold_lists_over_several_lines() {
        let source = "#!/usr/bin/env python\n\n# /// other\n# x = 1\n# ///\n# /// script\n# requires-python = \">=3.11\"\n\
                      # dependencies = [\n#   \"requests<3\",\n#\n#   \"rich\",\n# ]\n# ///\nimport rich\n";
        let header = ScriptMetadata::parse(source).unwrap().unwrap();
        assert_eq!(header.dependencies, ["requests<3", "rich"]);
        assert_eq!(header.requires_python.as_deref(), Some(">=3.11"));
        assert!(header.check_python(&GuestPython::default()).is_ok());
    }

    #[test]
    fn no_block_is_no_error_and_a_wrong_one_names_its_line() {
        assert_eq!(ScriptMetadata::parse("import os\n# /// script\n# never closed\n").unwrap(), None);
        let error =
            ScriptMetadata::parse("\n# /// script\n# dependencies = [1,\n# x\n# ///\n").unwrap_err().to_string();
        assert!(error.contains("line 3") || error.contains("line 4"), "{error}");
        let twice = "# /// script\n# ///\n\n# /// script\n# ///\n";
        assert!(ScriptMetadata::parse(twice).unwrap_err().to_string().contains("line 4"));
    }

    #[test]
    fn a_script_says_which_image_it_is_written_for() {
        let parse = |table: &str| ScriptMetadata::parse(&format!("# /// script\n{table}# ///\n"));
        let header =
            parse("# [tool.black]\n# line-length = 100\n# [tool.vivarium]\n# image = \"data\"\n").unwrap().unwrap();
        assert_eq!((header.image.as_deref(), header.asks_for_environment()), (Some("data"), false));
        assert_eq!(parse("# [tool.black]\n# x = 1\n").unwrap().unwrap().image, None);
        let error = parse("# [tool.vivarium]\n# imaeg = \"data\"\n").unwrap_err().to_string();
        assert!(error.contains("imaeg") && error.contains("image"), "{error}");
    }

    #[test]
    fn the_guests_version_is_compared_with_requires_python() {
        let python = |clause: &str| satisfies([3, 13, 1], clause);
        for clause in [">=3.9", "==3.13.*", "~=3.12", "~=3.13.0", "<4", ">3.13", "!=3.12.*", "==3.13.1", "<=3.14"] {
            assert!(python(clause), "{clause}");
        }
        for clause in ["<3.13", "==3.12.*", "~=3.12.0", ">=3.14", "==3.13", "3.13", ">=abc", "~=3"] {
            assert!(!python(clause), "{clause}");
        }
        let header = ScriptMetadata { requires_python: Some(">=3.14".into()), ..Default::default() };
        let error = header.check_python(&GuestPython::default()).unwrap_err().to_string();
        assert_eq!(error, "the script needs Python >=3.14, and the sandbox has 3.13.0");
    }
}
