//! The machine that measured.

use serde::{Deserialize, Serialize};

/// What a reader has to know to compare figures with their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor as it calls itself.
    pub processor: String,
    /// Cores this process may use.
    pub cores: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// Operating system and kernel.
    pub system: String,
    /// Version of the guest's CPython.
    pub python: String,
    /// Packages of the guest.
    pub packages: Vec<String>,
    /// sha256 of the guest's module, the first digits.
    pub guest: String,
    /// How this program was compiled.
    pub build: String,
    /// The day of the run, UTC.
    pub day: String,
}

impl Machine {
    /// This machine, with an image.
    pub fn here(manifest: &vivarium_guest::Manifest) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once([':', '=']))
                .map(|(_, value)| value.trim().trim_matches('"').to_owned())
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let kilobytes = memory.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0);
        let name = field(&read("/etc/os-release"), "PRETTY_NAME").unwrap_or_else(|| std::env::consts::OS.to_owned());
        let days = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: kilobytes << 10,
            system: format!("{name}, Linux {}", read("/proc/sys/kernel/osrelease").trim()),
            python: manifest.python.clone(),
            packages: manifest.packages.iter().map(|(name, version)| format!("{name} {version}")).collect(),
            guest: manifest.guest_sha256.chars().take(16).collect(),
            build: if cfg!(debug_assertions) { "development profile" } else { "release profile" }.to_owned(),
            day: day(days / 86_400),
        }
    }
}

/// The date of a day since 1970 (Howard Hinnant's `civil_from_days`).
fn day(days: u64) -> String {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + u64::from(month <= 2))
}

#[cfg(test)]
mod tests {
    #[test]
    fn days_have_their_dates() {
        assert_eq!([0, 59, 11_016, 20_777].map(super::day), ["1970-01-01", "1970-03-01", "2000-02-29", "2026-11-20"]);
    }
}
