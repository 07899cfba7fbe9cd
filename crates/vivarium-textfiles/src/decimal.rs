//! Decimal numbers in text.
//!
//! arrow-cast's `parse_decimal` counts digits in 8 and exponents in 16 bits, which numbers of a stranger exceed, and leaves out
//! digits for which a type has no place.

use arrow::array::ArrowNativeTypeOp;
use arrow::array::types::DecimalType;
use arrow::datatypes::ArrowNativeType;

/// The whole number that stands for a decimal one, whose unit is `10^-scale`. Nothing is rounded: there is none when a digit
/// is smaller than the unit, or when there are more than `precision` digits.
pub fn parse<T: DecimalType>(text: &str, precision: u8, scale: i8) -> Option<T::Native> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = whole.bytes().chain(fraction.bytes());
    let count = whole.len() + fraction.len();
    if count == 0 || !digits.clone().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let is_zero = |digit: &u8| *digit == b'0';
    let before = digits.clone().take_while(is_zero).count();
    if before == count {
        return Some(T::Native::ZERO);
    }
    let behind = digits.clone().rev().take_while(is_zero).count();
    let significant = count - before - behind;
    // The number is its significant digits, and so many zeros behind them.
    let behind = i64::try_from(behind).ok()? - i64::try_from(fraction.len()).ok()?;
    let zeros = usize::try_from(behind + i64::from(exponent) + i64::from(scale)).ok()?;
    if significant.checked_add(zeros)? > usize::from(precision.min(T::MAX_PRECISION)) {
        return None;
    }
    let ten = T::Native::usize_as(10);
    // So few digits do not overflow.
    let digits = digits.skip(before).take(significant).chain(std::iter::repeat_n(b'0', zeros));
    let value = digits.fold(T::Native::ZERO, |value, digit| {
        value.mul_wrapping(ten).add_wrapping(T::Native::usize_as(usize::from(digit - b'0')))
    });
    Some(if text.starts_with('-') { value.neg_wrapping() } else { value })
}

#[cfg(test)]
mod tests {
    use arrow::array::types::{Decimal128Type, Decimal256Type};
    use arrow::datatypes::i256;
    use proptest::prelude::*;

    use super::parse;

    fn decimal(text: &str) -> Option<i128> {
        let narrow = parse::<Decimal128Type>(text, 10, 2);
        assert_eq!(parse::<Decimal256Type>(text, 10, 2), narrow.map(i256::from_i128), "{text}");
        narrow
    }

    #[test]
    fn a_number_is_its_value_or_refused() {
        let ones = |count| "1".repeat(count);
        for (text, expected) in [
            ("1.5", Some(150)),
            ("-.5", Some(-50)),
            ("+5.", Some(500)),
            ("0005.100", Some(510)),
            ("99999999.99", Some(9_999_999_999)),
            ("100000000", None),
            ("0.001", None),
            ("1e2", Some(10_000)),
            ("1E-2", Some(1)),
            ("1e-3", None),
            ("1000e-3", Some(100)),
            ("0.00015e+4", Some(150)),
            ("0e-100", Some(0)),
            ("0e2147483647", Some(0)),
            ("-0", Some(0)),
            ("1e39999", None),
            ("1e-39999", None),
            ("1e99999999999", None),
            ("", None),
            (".", None),
            ("-", None),
            ("e5", None),
            ("1e", None),
            ("1e5.0", None),
            ("1.2.3", None),
            ("--1", None),
            ("1_0", None),
            ("١", None),
            ("NaN", None),
        ] {
            assert_eq!(decimal(text), expected, "{text}");
        }
        // Their numbers of digits modulo 256 are fit for the type.
        assert_eq!(decimal(&ones(257)), None);
        assert_eq!(decimal(&format!("{}e-256", ones(257))), None);
        assert_eq!(decimal(&format!("0.{}", ones(257))), None);
        assert_eq!(decimal(&format!("{}1.5{}", "0".repeat(300), "0".repeat(300))), Some(150));
        assert_eq!(decimal(&format!("15{}e-301", "0".repeat(300))), Some(150));
    }

    proptest! {
        /// However a number is spelled: zeros around it, and its point anywhere.
        #[test]
        fn spellings_are_one_number(
            value in -(10_i128.pow(38) - 1)..10_i128.pow(38),
            scale in -40_i8..40,
            shift in 0_usize..60,
            zeros in 0_usize..300,
            exponent in any::<bool>(),
        ) {
            let (sign, digits) = (if value < 0 { "-" } else { "" }, value.unsigned_abs().to_string());
            let padded = format!("{:0>width$}{digits}{:0>zeros$}", "", "", width = shift + 1);
            // A point `shift` digits before the end, which the exponent moves back.
            let (whole, fraction) = padded.split_at(padded.len() - shift);
            let power = i64::try_from(shift).unwrap() - i64::try_from(zeros).unwrap() - i64::from(scale);
            let e = if exponent { 'e' } else { 'E' };
            let text = format!("{sign}{whole}.{fraction}{e}{power}");
            prop_assert_eq!(parse::<Decimal128Type>(&text, 38, scale), Some(value));
            prop_assert_eq!(parse::<Decimal256Type>(&text, 76, scale), Some(i256::from_i128(value)));
            if value != 0 {
                let digits = u8::try_from(digits.len()).unwrap();
                prop_assert_eq!(parse::<Decimal128Type>(&text, digits, scale), Some(value));
                prop_assert_eq!(parse::<Decimal128Type>(&text, digits - 1, scale), None);
            }
            let smaller = format!("{sign}{whole}.{fraction}{:0>zeros$}1{e}{power}", "");
            prop_assert_eq!(parse::<Decimal256Type>(&smaller, 76, scale), None);
        }
    }
}
