//! Dates and times as text, by the proleptic Gregorian calendar: ISO 8601 as files have it, and nothing that only looks like it.

/// A moment, or a date and time of day without a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since 1970-01-01 00:00:00, before the offset is taken off.
    pub seconds: i64,
    pub nanoseconds: u32,
    /// Digits of the fraction of a second.
    pub digits: u8,
    /// Seconds east of UTC.
    pub offset: Option<i32>,
}

/// The days since 1970-01-01 of `YYYY-MM-DD`; a year may have a sign and up to six digits.
pub fn date(text: &[u8]) -> Option<i64> {
    let (days, rest) = date_before(text)?;
    rest.is_empty().then_some(days)
}

/// A date, `T` or a space, a time, and perhaps an offset from UTC.
pub fn moment(text: &[u8]) -> Option<Moment> {
    let (days, rest) = date_before(text)?;
    let [b'T' | b't' | b' ', rest @ ..] = rest else { return None };
    let (seconds, nanoseconds, digits, rest) = time_before(rest)?;
    let offset = match rest {
        [] => None,
        rest => Some(offset(rest)?),
    };
    let seconds = days.checked_mul(86_400)?.checked_add(seconds)?;
    Some(Moment { seconds, nanoseconds, digits, offset })
}

/// Nanoseconds since midnight, and how many digits the fraction of the second has.
pub fn time(text: &[u8]) -> Option<(i64, u8)> {
    let (seconds, nanoseconds, digits, rest) = time_before(text)?;
    rest.is_empty().then_some((seconds * 1_000_000_000 + i64::from(nanoseconds), digits))
}

fn date_before(text: &[u8]) -> Option<(i64, &[u8])> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(4..=6).contains(&length) || (rest.len() == text.len() && length != 4) {
        return None;
    }
    let (year, rest) = rest.split_at(length);
    let year = number(year)? * if negative { -1 } else { 1 };
    let [b'-', m1, m2, b'-', d1, d2, rest @ ..] = rest else { return None };
    let (month, day) = (number(&[*m1, *m2])?, number(&[*d1, *d2])?);
    Some((days(year, month, day)?, rest))
}

fn time_before(text: &[u8]) -> Option<(i64, u32, u8, &[u8])> {
    let [h1, h2, b':', m1, m2, rest @ ..] = text else { return None };
    let (hour, minute) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
    let (second, rest) = match rest {
        [b':', s1, s2, rest @ ..] => (number(&[*s1, *s2])?, rest),
        rest => (0, rest),
    };
    // A leap second is none that a type could hold.
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut nanoseconds = 0;
    let mut digits = 0;
    let mut rest = rest;
    if let [b'.', fraction @ ..] = rest {
        let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=9).contains(&length) {
            return None;
        }
        digits = u8::try_from(length).ok()?;
        nanoseconds = u32::try_from(number(&fraction[..length])?).ok()? * 10_u32.pow(9 - u32::from(digits));
        rest = &fraction[length..];
    }
    Some((hour * 3600 + minute * 60 + second, nanoseconds, digits, rest))
}

/// `Z`, `+HH`, `+HHMM` or `+HH:MM`.
fn offset(text: &[u8]) -> Option<i32> {
    let (sign, rest) = match text {
        [b'Z' | b'z'] => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest {
        [h1, h2] => (number(&[*h1, *h2])?, 0),
        [h1, h2, m1, m2] | [h1, h2, b':', m1, m2] => (number(&[*h1, *h2])?, number(&[*m1, *m2])?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then(|| sign * i32::try_from(hours * 3600 + minutes * 60).unwrap_or(0))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}

/// Days since 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_and_none_is_invented() {
        for (text, days) in [
            ("1970-01-01", Some(0)),
            ("1969-12-31", Some(-1)),
            ("2000-02-29", Some(11_016)),
            ("0001-01-01", Some(-719_162)),
            ("9999-12-31", Some(2_932_896)),
            ("+10000-01-01", Some(2_932_897)),
            ("-0001-01-01", Some(-719_893)),
            ("1900-02-29", None),
            ("2024-13-01", None),
            ("0000-00-00", None),
            ("2024-1-1", None),
            ("10000-01-01", None),
            ("2024-01-01 ", None),
        ] {
            assert_eq!(date(text.as_bytes()), days, "{text}");
        }
    }

    #[test]
    fn times_have_their_digits_and_offset() {
        let at = |seconds, nanoseconds, digits, offset| Some(Moment { seconds, nanoseconds, digits, offset });
        for (text, expected) in [
            ("1970-01-01T00:00:01", at(1, 0, 0, None)),
            ("1970-01-01 00:01", at(60, 0, 0, None)),
            ("1970-01-01 00:00:00.5", at(0, 500_000_000, 1, None)),
            ("1970-01-01T00:00:00.000000001Z", at(0, 1, 9, Some(0))),
            ("1970-01-01T02:00:00+02:00", at(7200, 0, 0, Some(7200))),
            ("1970-01-01T02:00:00-0530", at(7200, 0, 0, Some(-19_800))),
            ("1970-01-01T24:00:00", None),
            ("1970-01-01T23:59:60", None),
            ("1970-01-01T00:00:00.", None),
            ("1970-01-01T00:00:00 UTC", None),
        ] {
            assert_eq!(moment(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(time(b"01:02:03.25"), Some((3_723_250_000_000, 2)));
        assert_eq!(time(b"25:00"), None);
    }
}
