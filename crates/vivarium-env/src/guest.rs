//! What an environment has to know about the interpreter that will use it.

/// A package that the guest image holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundledPackage {
    /// The distribution's name, as `numpy`.
    pub name: String,
    /// Its version, as `2.3.5`.
    pub version: String,
}

impl BundledPackage {
    /// A package of that name and version.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { name: name.into(), version: version.into() }
    }
}

/// The interpreter inside the guest image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GuestPython {
    /// Major, minor and micro version.
    pub version: (u32, u32, u32),
    /// Distributions that are importable without being shipped.
    pub bundled: Vec<BundledPackage>,
    /// Top-level modules of the standard library; a user's module of the same name is never imported.
    pub standard_modules: Vec<String>,
    /// Top-level modules of the SDK and of bundled packages, which are found before a user's as well.
    pub sdk_modules: Vec<String>,
}

impl GuestPython {
    /// Where the environment is preopened in the guest.
    pub const ENVIRONMENT: &'static str = "/env";
    /// The guest's scratch directory.
    pub const SCRATCH: &'static str = "/tmp";

    /// CPython 3.13 with the given packages.
    pub fn cpython_3_13(micro: u32, bundled: Vec<BundledPackage>) -> Self {
        Self::cpython((3, 13, micro), include_str!("stdlib_module_names_3_13.txt"), bundled)
    }

    /// CPython 3.11 with the given packages: what Flink's clients run.
    pub fn cpython_3_11(micro: u32, bundled: Vec<BundledPackage>) -> Self {
        Self::cpython((3, 11, micro), include_str!("stdlib_module_names_3_11.txt"), bundled)
    }

    fn cpython(version: (u32, u32, u32), standard_modules: &str, bundled: Vec<BundledPackage>) -> Self {
        let mut sdk_modules: Vec<String> = ["vivarium", "pyflink"].map(str::to_owned).into();
        sdk_modules.extend(bundled.iter().map(|package| package.name.replace('-', "_")));
        Self { version, bundled, standard_modules: standard_modules.lines().map(str::to_owned).collect(), sdk_modules }
    }

    /// The interpreter of an image, as its manifest describes it: a version such as `3.13.5`, packages by name, and the
    /// modules that can be imported besides the standard library.
    /// `None` for a version of Python whose standard library is not known here.
    pub fn of_image<'a>(
        version: &str,
        packages: impl IntoIterator<Item = (&'a String, &'a String)>,
        modules: &[String],
    ) -> Option<Self> {
        let (series, micro) = version.rsplit_once('.')?;
        let micro = micro.parse().ok()?;
        let bundled = packages.into_iter().map(|(name, version)| BundledPackage::new(name, version)).collect();
        let mut python = match series {
            "3.13" => Self::cpython_3_13(micro, bundled),
            "3.11" => Self::cpython_3_11(micro, bundled),
            _ => return None,
        };
        python.sdk_modules.extend(modules.iter().cloned());
        Some(python)
    }

    /// `3.13`.
    pub fn short_version(&self) -> String {
        format!("{}.{}", self.version.0, self.version.1)
    }

    /// `3.13.1`.
    pub fn full_version(&self) -> String {
        format!("{}.{}", self.short_version(), self.version.2)
    }
}

impl Default for GuestPython {
    fn default() -> Self {
        Self::cpython_3_13(0, Vec::new())
    }
}
