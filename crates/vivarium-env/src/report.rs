//! What was found in an environment's tree that its user should know.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::archive::LeftOut;

/// What lies in a materialised tree. Paths are relative to the environment's base directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TreeReport {
    /// Entries of the Python path that come from python files, in order.
    pub python_files: Vec<String>,
    /// Directories of installed requirements.
    pub requirement_sites: Vec<String>,
    /// `site-packages` directories of a Python home that came in an archive.
    pub home_sites: Vec<String>,
    /// Installed distributions.
    pub distributions: Vec<Distribution>,
    /// Extension modules, which the guest cannot load.
    pub native_modules: Vec<NativeModule>,
    /// Files that a native Python runs when it starts (`*.pth`, `sitecustomize`, `usercustomize`) and the guest does
    /// not.
    pub startup_files: Vec<String>,
    /// User modules that are never imported, because the guest has one of that name.
    pub shadowed: Vec<ShadowedModule>,
    /// Links to a host interpreter that were not extracted.
    pub left_out: Vec<LeftOut>,
}

/// A distribution found in the tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Distribution {
    /// Its name, as its metadata gives it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it comes from: the directory it was found in, or `guest`.
    pub source: String,
}

/// A file of machine code that Python would load.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NativeModule {
    /// The top-level package it belongs to, as an import names it.
    pub package: String,
    /// The file.
    pub path: String,
}

/// A user's top-level module that the guest's own of the same name hides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ShadowedModule {
    /// The module's name.
    pub module: String,
    /// The user's file or directory.
    pub path: String,
    /// Whose module is imported instead.
    pub by: ShadowedBy,
}

/// Whose module wins over a user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShadowedBy {
    /// The standard library.
    StandardLibrary,
    /// The SDK or a package bundled with the guest.
    Sdk,
}

impl fmt::Display for ShadowedModule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { module, path, by } = self;
        let whose = match by {
            ShadowedBy::StandardLibrary => "the standard library",
            ShadowedBy::Sdk => "the sandbox",
        };
        write!(formatter, "'{path}' is never imported: module '{module}' is that of {whose}")
    }
}

impl TreeReport {
    /// All directories and files that modules are imported from, in the order the guest searches them.
    pub fn import_roots(&self) -> impl Iterator<Item = &String> {
        self.requirement_sites.iter().chain(&self.python_files).chain(&self.home_sites)
    }

    /// The file of machine code that keeps `module` (dotted or not) from being imported, if there is one.
    pub fn native_module_of(&self, module: &str) -> Option<&NativeModule> {
        let package = module.split('.').next().unwrap_or(module);
        self.native_modules.iter().find(|native| native.package == package)
    }
}
