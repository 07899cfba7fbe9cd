//! Sizes and durations as people write them: `256MiB`, `30s`.
//!
//! The same spelling is used on the command line, in configuration files and in error messages.

use std::time::Duration;

/// Why a size or a duration was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantityError {
    /// Not a size.
    #[error("'{0}' is not a size; write a number and a unit, for instance 256MiB, 1.5GiB, 64kB or 4096")]
    Size(String),
    /// Not a duration.
    #[error("'{0}' is not a duration; write numbers and units, for instance 30s, 1m30s, 250ms or 2h")]
    Duration(String),
    /// A number too large to be meant.
    #[error("'{0}' is too large")]
    TooLarge(String),
}

/// Units of size, the longest names first so that `MiB` is not taken for `B`. Without a unit a size is in bytes.
const SIZE_UNITS: &[(&str, u64)] = &[
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("t", 1 << 40),
    ("b", 1),
    ("", 1),
];

/// Units of time in nanoseconds. A duration always has its unit: a bare `30` would be seconds to one reader and
/// milliseconds to the next.
const TIME_UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Reads a size in bytes: a decimal number and a unit, in any case, with or without a space between them.
///
/// `KiB`, `MiB`, `GiB`, `TiB` (or `K`, `M`, `G`, `T`) are powers of 1024; `kB`, `MB`, `GB`, `TB` powers of 1000.
///
/// ```
/// # use vivarium_tenancy::quantity::parse_size;
/// assert_eq!(parse_size("256MiB"), Ok(256 << 20));
/// assert_eq!(parse_size("1.5 GiB"), Ok(3 << 29));
/// assert_eq!(parse_size("4096"), Ok(4096));
/// ```
///
/// # Errors
/// [`QuantityError`] when the text is not a size or does not fit in 64 bits.
pub fn parse_size(text: &str) -> Result<u64, QuantityError> {
    let error = || QuantityError::Size(shorten(text));
    let (number, unit) = split_number(text.trim()).ok_or_else(error)?;
    let unit = unit.trim().to_ascii_lowercase();
    let &(_, scale) = SIZE_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
    multiply(number, scale).ok_or_else(error)?.ok_or_else(|| QuantityError::TooLarge(shorten(text)))
}

/// Reads a duration: one or more decimal numbers with their units, which are added up.
///
/// ```
/// # use std::time::Duration;
/// # use vivarium_tenancy::quantity::parse_duration;
/// assert_eq!(parse_duration("1m30s"), Ok(Duration::from_secs(90)));
/// assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
/// ```
///
/// # Errors
/// [`QuantityError`] when the text is not a duration, lacks a unit, or is longer than 584 years.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    let error = || QuantityError::Duration(shorten(text));
    let mut total: u64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(error());
    }
    while !rest.is_empty() {
        let (number, after) = split_number(rest).ok_or_else(error)?;
        let after = after.trim_start();
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.' || c.is_whitespace()).unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        let &(_, scale) = TIME_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
        total = multiply(number, scale)
            .ok_or_else(error)?
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| QuantityError::TooLarge(shorten(text)))?;
        rest = next.trim_start();
    }
    Ok(Duration::from_nanos(total))
}

/// Writes a size with the largest binary unit that needs at most two decimals: `256 MiB`, `1.5 GiB`, `1000 bytes`.
pub fn format_size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return if bytes == 1 { "1 byte".into() } else { format!("{bytes} bytes") };
    }
    let power = ((bytes.ilog2() / 10) as usize).min(UNITS.len());
    let value = bytes as f64 / (1u64 << (10 * power)) as f64;
    format!("{} {}", decimal(value), UNITS[power - 1])
}

/// Writes a duration with one unit: `30 s`, `1.5 s`, `250 ms`.
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s >= 1.0 => format!("{} s", decimal(s)),
        s if s >= 1e-3 => format!("{} ms", decimal(s * 1e3)),
        s => format!("{} µs", decimal(s * 1e6)),
    }
}

fn decimal(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Splits off the decimal number at the start. `None` when there is none.
fn split_number(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// `number * scale`, rounded to the nearest whole. The outer `None`: not a number; the inner one: too large.
fn multiply(number: &str, scale: u64) -> Option<Option<u64>> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole = if whole.is_empty() { Ok(0) } else { whole.parse::<u64>() };
    // Fifteen digits are more than any unit resolves, and the fraction of a f64 holds them.
    let fraction = format!("0.{}", fraction.get(..15).unwrap_or(fraction)).parse::<f64>().unwrap_or(0.0);
    let fraction = (fraction * scale as f64).round() as u64;
    Some(whole.ok().and_then(|whole| whole.checked_mul(scale)).and_then(|bytes| bytes.checked_add(fraction)))
}

/// Quotes what was given without repeating a megabyte of it.
fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Sizes in a configuration file, for `#[serde(with = "serde_size")]`: a number of bytes, or a string as [`parse_size`] reads it.
pub mod serde_size {
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Bytes(u64),
        Text(String),
    }

    /// Writes it.
    ///
    /// # Errors
    /// Those of the format.
    pub fn serialize<S: Serializer>(bytes: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(*bytes)
    }

    /// Reads it.
    ///
    /// # Errors
    /// Those of the format, and of a text that says something else.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        match Form::deserialize(deserializer)? {
            Form::Bytes(bytes) => Ok(bytes),
            Form::Text(text) => super::parse_size(&text).map_err(serde::de::Error::custom),
        }
    }

    /// The same for a limit that may be absent.
    pub mod optional {
        use super::*;

        /// Writes it.
        ///
        /// # Errors
        /// Those of the format.
        pub fn serialize<S: Serializer>(bytes: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
            match bytes {
                Some(bytes) => serializer.serialize_some(bytes),
                None => serializer.serialize_none(),
            }
        }

        /// Reads it.
        ///
        /// # Errors
        /// Those of the format, and of a text that says something else.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
            #[derive(Deserialize)]
            struct Size(#[serde(with = "super")] u64);
            Ok(Option::<Size>::deserialize(deserializer)?.map(|size| size.0))
        }
    }
}

/// Durations in a configuration file, for `#[serde(with = "serde_duration")]`: a string as [`parse_duration`] reads it.
pub mod serde_duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes it.
    ///
    /// # Errors
    /// Those of the format.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}ns", duration.as_nanos()))
    }

    /// Reads it.
    ///
    /// # Errors
    /// Those of the format, and of a text that says something else.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        super::parse_duration(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }

    /// The same for a limit that may be absent.
    pub mod optional {
        use super::*;

        /// Writes it.
        ///
        /// # Errors
        /// Those of the format.
        pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
            match duration {
                Some(duration) => super::serialize(duration, serializer),
                None => serializer.serialize_none(),
            }
        }

        /// Reads it.
        ///
        /// # Errors
        /// Those of the format, and of a text that says something else.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
            let text = Option::<String>::deserialize(deserializer)?;
            text.map(|text| super::super::parse_duration(&text).map_err(serde::de::Error::custom)).transpose()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("1", 1),
            ("17b", 17),
            ("4KiB", 4096),
            ("4 kib", 4096),
            ("4k", 4096),
            ("4kB", 4000),
            ("0.5MiB", 512 << 10),
            (".5m", 512 << 10),
            ("1.", 1),
            ("16TiB", 16 << 40),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", " ", "MiB", "-1", "1 2", "1.2.3", ".", "1e3", "12XB", "0x10", "１"] {
            assert!(matches!(parse_size(text), Err(QuantityError::Size(_))), "{text}");
        }
        for text in ["18446744073709551616", "99999999TiB"] {
            assert!(matches!(parse_size(text), Err(QuantityError::TooLarge(_))), "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, nanos) in [
            ("30s", 30_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1h 5m", 3_900_000_000_000),
            ("250ms", 250_000_000),
            ("1.5 s", 1_500_000_000),
            ("10us", 10_000),
            ("10µs", 10_000),
            ("2d", 172_800_000_000_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
        for text in ["", "30", "s", "-1s", "1 s 2", "1x", "1.2.3s"] {
            assert!(matches!(parse_duration(text), Err(QuantityError::Duration(_))), "{text}");
        }
        assert!(matches!(parse_duration("999999999999d"), Err(QuantityError::TooLarge(_))));
    }

    #[test]
    fn formats() {
        for (bytes, text) in
            [(0, "0 bytes"), (1, "1 byte"), (1536, "1.5 KiB"), (256 << 20, "256 MiB"), (1 << 62, "4194304 TiB")]
        {
            assert_eq!(format_size(bytes), text);
        }
        for (nanos, text) in
            [(30_000_000_000, "30 s"), (1_500_000_000, "1.5 s"), (250_000_000, "250 ms"), (1_500, "1.5 µs")]
        {
            assert_eq!(format_duration(Duration::from_nanos(nanos)), text);
        }
    }

    proptest! {
        #[test]
        fn anything_else_is_an_error_and_not_a_panic(text in ".{0,40}") {
            let _ = parse_size(&text);
            let _ = parse_duration(&text);
        }

        #[test]
        fn whole_numbers_are_exact(number in any::<u64>(), unit in 0..SIZE_UNITS.len()) {
            let (name, scale) = SIZE_UNITS[unit];
            let text = format!("{number}{name}");
            let bytes = number.checked_mul(scale).ok_or_else(|| QuantityError::TooLarge(text.clone()));
            prop_assert_eq!(parse_size(&text), bytes);
        }

        #[test]
        fn durations_survive_a_configuration_file(nanos in any::<u64>()) {
            prop_assert_eq!(parse_duration(&format!("{nanos}ns")), Ok(Duration::from_nanos(nanos)));
        }
    }
}
