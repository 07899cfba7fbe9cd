//! What a text can be besides text, and which type holds a column of such texts without a change of any.

use arrow_schema::{DataType, TimeUnit};

use super::{Reason, time};

/// A kind of text. (Bits, so that the kinds of a column are a set.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    Bool = 1 << 0,
    /// A whole number that a float of 64 bits holds.
    Int = 1 << 1,
    /// Any other one of 64 bits with a sign.
    Wide = 1 << 2,
    /// One that only 64 bits without a sign hold.
    Unsigned = 1 << 3,
    Float = 1 << 4,
    /// NaN or an infinity: a number among numbers.
    Special = 1 << 5,
    Date = 1 << 6,
    /// A date and time.
    Naive = 1 << 7,
    /// A date and time with an offset.
    Zoned = 1 << 8,
    /// Digits that begin with 0: a code rather than a number.
    Code = 1 << 9,
    /// A number that is too large for any type.
    Long = 1 << 10,
    Text = 1 << 11,
}

const KINDS: [(Kind, &str); 12] = [
    (Kind::Bool, "a boolean"),
    (Kind::Int, "a whole number"),
    (Kind::Wide, "a whole number that no float holds"),
    (Kind::Unsigned, "a whole number beyond 64 bits with a sign"),
    (Kind::Float, "a number with a fraction"),
    (Kind::Special, "NaN or an infinity"),
    (Kind::Date, "a date"),
    (Kind::Naive, "a time without an offset"),
    (Kind::Zoned, "a time with an offset"),
    (Kind::Code, "digits after a leading zero"),
    (Kind::Long, "a number beyond 64 bits"),
    (Kind::Text, "text"),
];

/// The largest whole number up to which a float of 64 bits holds all.
const EXACT_IN_FLOAT: u64 = 1 << 53;

/// The kinds that a column's values were of so far.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    kinds: u16,
    negative: bool,
    /// The most digits of a fraction of a second.
    digits: u8,
    /// Seconds since 1970 of the first and the last time.
    earliest: i64,
    latest: i64,
    /// The first line of each kind.
    lines: [u64; KINDS.len()],
}

impl Seen {
    pub fn is_empty(&self) -> bool {
        self.kinds == 0
    }

    /// Whether nothing could change the type any more.
    pub fn is_text(&self) -> bool {
        self.kinds & Kind::Text as u16 != 0
    }

    /// The first line with a value, if there is one.
    pub fn first_line(&self) -> Option<u64> {
        self.lines.iter().copied().filter(|line| *line > 0).min()
    }

    pub fn add(&mut self, kind: Kind, line: u64) {
        if self.kinds & kind as u16 == 0 {
            self.kinds |= kind as u16;
            self.lines[(kind as u16).trailing_zeros() as usize] = line;
        }
    }

    /// A field of a CSV file.
    pub fn add_text(&mut self, text: &[u8], line: u64) {
        let kind = match text {
            [b'0'..=b'9' | b'-' | b'.', ..] => self.numeric(text),
            [b'N' | b'n' | b'i' | b'I' | b't' | b'T' | b'f' | b'F', ..] => word(text),
            _ => Kind::Text,
        };
        self.add(kind, line);
    }

    /// A number of a JSON file.
    pub fn add_number(&mut self, text: &[u8], line: u64) {
        let kind = self.numeric(text);
        self.add(kind, line);
    }

    fn numeric(&mut self, text: &[u8]) -> Kind {
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
            self.negative |= digits.len() != text.len();
            return match digits {
                [b'0', _, ..] => Kind::Code,
                // There is no negative zero among whole numbers.
                b"0" if digits.len() != text.len() => Kind::Float,
                _ => self.whole(text),
            };
        }
        if digits == b"inf" {
            return Kind::Special;
        }
        if is_float(digits) {
            return match digits {
                [b'0', b'0'..=b'9', ..] => Kind::Code,
                _ if is_beyond_floats(digits) => Kind::Long,
                _ => Kind::Float,
            };
        }
        if time::date(text).is_some() {
            return Kind::Date;
        }
        match time::moment(text) {
            Some(moment) => {
                self.digits = self.digits.max(moment.digits);
                let seconds = moment.seconds - i64::from(moment.offset.unwrap_or(0));
                (self.earliest, self.latest) = (self.earliest.min(seconds), self.latest.max(seconds));
                if moment.offset.is_some() { Kind::Zoned } else { Kind::Naive }
            }
            None => Kind::Text,
        }
    }

    fn whole(&self, text: &[u8]) -> Kind {
        let Ok(text) = std::str::from_utf8(text) else { return Kind::Text };
        match (text.parse::<i64>(), text.parse::<u64>()) {
            (Ok(number), _) if number.unsigned_abs() <= EXACT_IN_FLOAT => Kind::Int,
            (Ok(_), _) => Kind::Wide,
            (_, Ok(_)) => Kind::Unsigned,
            _ => Kind::Long,
        }
    }

    /// All that another part of the column was.
    pub fn merge(&mut self, other: &Self) {
        for (index, (kind, _)) in KINDS.iter().enumerate() {
            if other.kinds & *kind as u16 != 0 {
                self.add(*kind, other.lines[index]);
            }
        }
        self.negative |= other.negative;
        self.digits = self.digits.max(other.digits);
        (self.earliest, self.latest) = (self.earliest.min(other.earliest), self.latest.max(other.latest));
    }

    /// The type that holds all values unchanged, and why it is that.
    pub fn resolve(&self) -> (DataType, Reason) {
        let within = |kinds: &[Kind]| self.kinds & !kinds.iter().fold(0, |all, kind| all | *kind as u16) == 0;
        let data_type = if self.kinds == 0 {
            return (DataType::Null, Reason::Nulls);
        } else if within(&[Kind::Bool]) {
            DataType::Boolean
        } else if within(&[Kind::Int, Kind::Wide]) {
            DataType::Int64
        } else if within(&[Kind::Int, Kind::Wide, Kind::Unsigned]) && !self.negative {
            DataType::UInt64
        } else if within(&[Kind::Int, Kind::Float, Kind::Special]) && !within(&[Kind::Special]) {
            DataType::Float64
        } else if within(&[Kind::Date]) {
            DataType::Date32
        } else if within(&[Kind::Naive]) || within(&[Kind::Zoned]) {
            let Some(unit) = self.unit() else { return (DataType::Utf8, Reason::Values) };
            DataType::Timestamp(unit, within(&[Kind::Zoned]).then(|| "UTC".into()))
        } else {
            return (DataType::Utf8, self.mixed());
        };
        (data_type, Reason::Values)
    }

    /// The unit that holds all fractions, if 64 bits of it hold all times.
    fn unit(&self) -> Option<TimeUnit> {
        let (unit, per_second) = match self.digits {
            0 => (TimeUnit::Second, 1),
            1..=3 => (TimeUnit::Millisecond, 1_000),
            4..=6 => (TimeUnit::Microsecond, 1_000_000),
            _ => (TimeUnit::Nanosecond, 1_000_000_000),
        };
        // A second more, for its fraction.
        let fits = |seconds: i64| seconds.checked_mul(per_second).is_some();
        (fits(self.earliest - 1) && fits(self.latest + 1)).then_some(unit)
    }

    fn mixed(&self) -> Reason {
        if self.kinds == Kind::Text as u16 {
            return Reason::Values;
        }
        let seen = KINDS.iter().enumerate().filter(|(_, (kind, _))| self.kinds & *kind as u16 != 0);
        let seen = seen.map(|(index, (_, name))| format!("line {} has {name}", self.lines[index]));
        Reason::Mixed(seen.collect::<Vec<_>>().join(", "))
    }
}

fn word(text: &[u8]) -> Kind {
    let is = |word: &str| text.eq_ignore_ascii_case(word.as_bytes());
    if is("true") || is("false") {
        Kind::Bool
    } else if text == b"NaN" || text == b"nan" || text == b"inf" {
        Kind::Special
    } else {
        Kind::Text
    }
}

/// Whether a text without its sign is a number with a point or an exponent.
fn is_float(text: &[u8]) -> bool {
    let count = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = count(text);
    let mut rest = &text[whole..];
    let mut fraction = 0;
    let point = rest.first() == Some(&b'.');
    if point {
        fraction = count(&rest[1..]);
        rest = &rest[1 + fraction..];
    }
    if whole + fraction == 0 {
        return false;
    }
    match rest {
        [] => point,
        [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] => {
            !exponent.is_empty() && count(exponent) == exponent.len()
        }
        _ => false,
    }
}

/// Whether a number is so large that the nearest float is an infinity.
fn is_beyond_floats(digits: &[u8]) -> bool {
    // Without an exponent it takes as many digits.
    (digits.len() > 300 || digits.iter().any(|byte| matches!(byte, b'e' | b'E')))
        && std::str::from_utf8(digits).is_ok_and(|text| text.parse().is_ok_and(f64::is_infinite))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> DataType {
        let mut seen = Seen::default();
        for (line, text) in texts.iter().enumerate() {
            seen.add_text(text.as_bytes(), line as u64 + 2);
        }
        seen.resolve().0
    }

    #[test]
    fn a_column_has_the_type_that_holds_all_of_it() {
        let at = |unit, zone: Option<&str>| DataType::Timestamp(unit, zone.map(Into::into));
        for (texts, expected) in [
            (&["1", "-2"][..], DataType::Int64),
            (&["1", "2.5", "-0", "1e3", ".5", "5."], DataType::Float64),
            (&["1", "NaN", "inf", "-inf"], DataType::Float64),
            (&["NaN"], DataType::Utf8),
            (&["01220", "94107"], DataType::Utf8),
            (&["0", "0.5"], DataType::Float64),
            (&["18446744073709551615", "1"], DataType::UInt64),
            (&["18446744073709551615", "-1"], DataType::Utf8),
            (&["9007199254740993", "0.5"], DataType::Utf8),
            (&["9007199254740993", "5"], DataType::Int64),
            (&["99999999999999999999"], DataType::Utf8),
            (&["1e308", "-1e308"], DataType::Float64),
            (&["1e400"], DataType::Utf8),
            (&["1", "-2e999"], DataType::Utf8),
            (&["3000-01-01T00:00:00", "2024-01-01T00:00:00.123456"], at(TimeUnit::Microsecond, None)),
            (&["3000-01-01T00:00:00", "2024-01-01T00:00:00.123456789"], DataType::Utf8),
            (&["1700-01-01T00:00:00Z", "2024-01-01T00:00:00.123456789Z"], at(TimeUnit::Nanosecond, Some("UTC"))),
            (&["TRUE", "false"], DataType::Boolean),
            (&["true", "1"], DataType::Utf8),
            (&["2024-01-31"], DataType::Date32),
            (&["2024-01-31", "2024-02-31"], DataType::Utf8),
            (&["2024-01-31", "2024-01-31 10:00:00"], DataType::Utf8),
            (&["2024-01-31 10:00:00", "2024-01-31T10:00:00.5"], at(TimeUnit::Millisecond, None)),
            (&["2024-01-31T10:00:00+02:00", "2024-01-31T10:00:00Z"], at(TimeUnit::Second, Some("UTC"))),
            (&["2024-01-31T10:00:00+02:00", "2024-01-31T10:00:00"], DataType::Utf8),
            (&["+1"], DataType::Utf8),
            (&["-"], DataType::Utf8),
            (&["1-2"], DataType::Utf8),
            (&[], DataType::Null),
        ] {
            assert_eq!(of(texts), expected, "{texts:?}");
        }
    }

    #[test]
    fn a_mixture_says_where() {
        let mut seen = Seen::default();
        seen.add_text(b"1", 2);
        seen.add_text(b"x", 51);
        let Reason::Mixed(reason) = seen.resolve().1 else { panic!("one kind") };
        assert_eq!(reason, "line 2 has a whole number, line 51 has text");
    }
}
