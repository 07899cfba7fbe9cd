//! The images that `wasm-python/images/NAME/image.toml` describes, as far as this crate has to know them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::recipe;

/// The name of an image that this version can build, for example `base`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ImageName(String);

impl ImageName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The image that is used when nobody asks for another one.
    pub const DEFAULT: &'static str = "base";

    pub(crate) fn description(&self) -> &'static ImageDescription {
        // A name is only made of a description.
        images().iter().find(|image| image.name == *self).expect("there is a description of every name")
    }
}

impl Default for ImageName {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl FromStr for ImageName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match images().iter().find(|image| image.name.0 == name) {
            Some(image) => Ok(image.name.clone()),
            None => Err(Error::UnknownImage {
                name: name.to_owned(),
                known: images().iter().map(|image| image.name.0.as_str()).collect::<Vec<_>>().join(", "),
            }),
        }
    }
}

/// What an image will be, before it is built.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ImageDescription {
    /// Its name.
    pub name: ImageName,
    /// What it has besides Python, in a few words.
    pub about: String,
    /// Version of CPython.
    pub python: String,
    /// Minutes that a build from nothing takes on two idle cores.
    pub build_minutes: u32,
    /// What the build and the image take on disk, in gigabytes.
    pub build_gigabytes: f32,
    /// The folder of its CPython in the recipe: the series, as `3.13`.
    #[serde(skip)]
    pub(crate) series: String,
    /// Packages that are linked into it, by their folders in the recipe.
    #[serde(skip)]
    pub(crate) linked: Vec<String>,
    /// Names of its pure-Python packages.
    #[serde(skip)]
    pub(crate) packages: Vec<String>,
}

impl ImageDescription {
    /// Whether a package with parts in C is linked into it, such as `pandas`. Others can be brought by requirements.
    pub fn links(&self, package: &str) -> bool {
        self.linked.iter().any(|linked| linked == package)
    }
}

/// The images that this version can build, the default one first.
pub fn images() -> &'static [ImageDescription] {
    static IMAGES: LazyLock<Vec<ImageDescription>> = LazyLock::new(|| {
        let mut images: Vec<_> = recipe::image_names().into_iter().map(read).collect();
        images.sort_by_key(|image| (image.name.0 != ImageName::DEFAULT, image.name.clone()));
        images
    });
    &IMAGES
}

/// `images/NAME/image.toml`; versions and hashes of the packages in it are only the build's concern.
#[derive(Deserialize)]
struct ImageFile {
    about: String,
    python: String,
    linked: Vec<String>,
    build: Build,
    packages: BTreeMap<String, IgnoredAny>,
}

#[derive(Deserialize)]
struct Build {
    minutes: u32,
    gigabytes: f32,
}

/// `pythons/SERIES/python.toml`.
#[derive(Deserialize)]
struct PythonFile {
    version: String,
}

/// The files are part of this program, and its tests read them.
fn read(name: String) -> ImageDescription {
    let ImageFile { about, python: series, linked, build, packages } = parse(&format!("images/{name}/image.toml"));
    let python: PythonFile = parse(&format!("pythons/{series}/python.toml"));
    ImageDescription {
        name: ImageName(name),
        about,
        python: python.version,
        build_minutes: build.minutes,
        build_gigabytes: build.gigabytes,
        series,
        linked,
        packages: packages.into_keys().collect(),
    }
}

fn parse<T: serde::de::DeserializeOwned>(path: &str) -> T {
    let text = recipe::text(path).unwrap_or_else(|| panic!("{path} is not part of the recipe"));
    toml::from_str(text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_is_described() {
        assert_eq!(images()[0].name, ImageName::default());
        for image in images() {
            assert!(!image.about.is_empty() && image.build_minutes > 0, "{image:?}");
            assert!(image.python.starts_with(&image.series), "{image:?}");
        }
    }

    #[test]
    fn an_unknown_image_is_refused_with_the_names_of_those_there_are() {
        let error = "bsae".parse::<ImageName>().unwrap_err().to_string();
        assert!(error.contains("`bsae`") && error.contains("base"), "{error}");
    }
}
