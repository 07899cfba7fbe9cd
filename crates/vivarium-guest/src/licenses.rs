//! The licences of what an image contains, as `wasm-python/licenses.toml` has them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::description::ImageDescription;
use crate::recipe;

/// A part of an image, and its licence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Component {
    /// What it is called.
    pub name: String,
    /// An SPDX expression.
    pub license: String,
}

#[derive(Deserialize)]
struct LicenseFile {
    component: Vec<Entry>,
    packages: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    license: String,
    with: String,
}

impl ImageDescription {
    /// Everything in the image that somebody holds a copyright of, what is linked first, then pure-Python packages.
    pub fn licenses(&self) -> Vec<Component> {
        // The file is part of this program, and a test reads it.
        let file = read();
        let linked = file.component.into_iter().filter(|entry| match entry.with.split_once(' ') {
            None => entry.with == "all",
            Some(("python", series)) => series == self.series,
            Some((_, package)) => self.links(package),
        });
        let linked = linked.map(|Entry { name, license, .. }| Component { name, license });
        let packages = self.packages.iter().map(|name| {
            let license = file.packages.get(name).cloned().unwrap_or_else(|| "unknown".to_owned());
            Component { name: name.clone(), license }
        });
        linked.chain(packages).collect()
    }
}

fn read() -> LicenseFile {
    let text = recipe::text("licenses.toml").expect("licenses.toml is embedded");
    toml::from_str(text).unwrap_or_else(|error| panic!("licenses.toml: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images;

    #[test]
    fn everything_in_an_image_has_a_licence() {
        for image in images() {
            let licenses = image.licenses();
            let unknown: Vec<_> = licenses.iter().filter(|component| component.license == "unknown").collect();
            assert!(unknown.is_empty(), "wasm-python/licenses.toml lacks {unknown:?}");
            let conditions: Vec<_> = read().component.into_iter().map(|entry| entry.with).collect();
            assert!(conditions.contains(&format!("python {}", image.series)), "{}", image.series);
            for linked in &image.linked {
                assert!(conditions.contains(&format!("linked {linked}")), "{linked}");
            }
        }
    }

    #[test]
    fn a_licence_is_only_stated_of_what_an_image_has() {
        let base = &images()[0];
        let names: Vec<_> = base.licenses().into_iter().map(|component| component.name).collect();
        assert!(names.contains(&"NumPy".to_owned()) && names.contains(&"tzdata".to_owned()), "{names:?}");
        assert!(!names.contains(&"pandas".to_owned()) && !names.contains(&"PyFlink".to_owned()), "{names:?}");
        let known = read();
        for image in images() {
            for name in &image.packages {
                assert!(known.packages.contains_key(name), "{name}");
            }
        }
        for name in known.packages.keys() {
            assert!(images().iter().any(|image| image.packages.contains(name)), "no image has {name}");
        }
    }
}
