//! Numbers, money and yes/no as people write them, without floating point.

use rust_decimal::Decimal;

/// Which character begins the decimal places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecimalMark {
    /// Told from each value, where it can be told.
    #[default]
    Auto,
    /// `1,234.56`
    Point,
    /// `1.234,56`
    Comma,
}

impl std::str::FromStr for DecimalMark {
    type Err = String;

    /// Reads `auto`, `.` or `point`, `,` or `comma`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "." | "point" => Ok(Self::Point),
            "," | "comma" => Ok(Self::Comma),
            _ => Err(format!(
                "unknown decimal mark `{text}`; one of auto, point, comma"
            )),
        }
    }
}

/// Why a number or a word was not accepted. The value itself is named by the rejected row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not a number.
    #[error("not a number; expected something like 1234.56 or 1.234,56")]
    NotANumber,
    /// `1.234`: thousands or decimals.
    #[error(
        "could be a whole number with thousands marked or one with three decimals: name the decimal mark, point or comma"
    )]
    AmbiguousMark,
    /// Too many digits.
    #[error("the number has too many digits")]
    TooLarge,
    /// More decimals than the currency has.
    #[error("{currency} amounts have {exponent} decimals at most")]
    TooManyDecimals {
        /// The currency.
        currency: &'static str,
        /// Its decimal places.
        exponent: u32,
    },
    /// Not a whole number, or out of range.
    #[error("expected a whole number from {min} to {max}")]
    OutOfRange {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// Not yes or no.
    #[error("expected yes or no (also true/false, 1/0, y/n)")]
    NotABoolean,
}

/// Reads a decimal number. Thousands may be marked with `.`, `,`, a blank or `'` in groups of three; a sign,
/// brackets for a negative amount, and a currency sign (`R$`, `$`, `€`, `£`, `¥`) may stand around it.
///
/// # Errors
/// [`NumberError`]; with [`DecimalMark::Auto`] a value like `1.234` is ambiguous.
pub fn parse_decimal(text: &str, mark: DecimalMark) -> Result<Decimal, NumberError> {
    let (digits, negative) = strip_signs(text)?;
    let (last_point, last_comma) = (digits.rfind('.'), digits.rfind(','));
    let point = match mark {
        DecimalMark::Point => Some(b'.'),
        DecimalMark::Comma => Some(b','),
        DecimalMark::Auto => match (last_point, last_comma) {
            (Some(point), Some(comma)) => Some(if point > comma { b'.' } else { b',' }),
            (Some(at), None) => auto_mark(digits, at)?,
            (None, Some(at)) => auto_mark(digits, at)?,
            (None, None) => None,
        },
    };
    let split = point.and_then(|point| digits.bytes().position(|byte| byte == point));
    let (whole, fraction) = match split {
        Some(at) => (&digits[..at], &digits[at + 1..]),
        None => (digits, ""),
    };
    let mut number: i128 = 0;
    let mut count = 0_u32;
    let mut push = |byte: u8| -> Result<(), NumberError> {
        if number != 0 || byte != b'0' {
            count += 1;
        }
        if count > 28 {
            return Err(NumberError::TooLarge);
        }
        number = number * 10 + i128::from(byte - b'0');
        Ok(())
    };
    let mut group: Option<(char, u32)> = None;
    let mut leading = 0;
    for character in whole.chars() {
        match (character, &mut group) {
            ('0'..='9', Some((_, length))) => {
                *length += 1;
                push(character as u8)?;
            }
            ('0'..='9', None) => {
                leading += 1;
                push(character as u8)?;
            }
            (separator, None) if is_separator(separator) && (1..=3).contains(&leading) => {
                group = Some((separator, 0));
            }
            (separator, Some((first, length))) if separator == *first && *length == 3 => *length = 0,
            _ => return Err(NumberError::NotANumber),
        }
    }
    if group.is_some_and(|(separator, length)| {
        length != 3 || point == Some(separator as u8) && separator.is_ascii()
    }) {
        return Err(NumberError::NotANumber);
    }
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) || leading == 0 && fraction.is_empty() {
        return Err(NumberError::NotANumber);
    }
    let fraction = fraction.trim_end_matches('0');
    for byte in fraction.bytes() {
        push(byte)?;
    }
    let scale = u32::try_from(fraction.len()).map_err(|_| NumberError::TooLarge)?;
    let number = if negative { -number } else { number };
    Decimal::try_from_i128_with_scale(number, scale).map_err(|_| NumberError::TooLarge)
}

fn is_separator(character: char) -> bool {
    matches!(
        character,
        '.' | ',' | ' ' | '\'' | '’' | '\u{a0}' | '\u{202f}' | '\u{2009}'
    )
}

/// The decimal mark of a value with one kind of mark, the last one standing at `at`; none for thousands.
fn auto_mark(digits: &str, at: usize) -> Result<Option<u8>, NumberError> {
    let mark = digits.as_bytes()[at];
    if digits.bytes().filter(|&byte| byte == mark).count() > 1 {
        return Ok(None);
    }
    let before = &digits[..at];
    let grouped = before.contains(|character: char| !character.is_ascii_digit());
    let three_after = digits.len() - at - 1 == 3;
    if three_after && !grouped && (1..=3).contains(&before.len()) && !before.starts_with('0') {
        return Err(NumberError::AmbiguousMark);
    }
    Ok(Some(mark))
}

fn strip_signs(text: &str) -> Result<(&str, bool), NumberError> {
    let mut rest = text.trim();
    let mut negative = false;
    if let Some(inner) = rest.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        negative = true;
        rest = inner.trim();
    }
    let mut signed = negative;
    for _ in 0..3 {
        let before = rest;
        for sign in ["R$", "US$", "$", "€", "£", "¥"] {
            rest = rest
                .strip_prefix(sign)
                .or_else(|| rest.strip_suffix(sign))
                .unwrap_or(rest)
                .trim();
        }
        if let Some(unsigned) = rest.strip_prefix(['-', '\u{2212}', '+']) {
            if signed {
                return Err(NumberError::NotANumber);
            }
            signed = true;
            negative = !rest.starts_with('+');
            rest = unsigned.trim();
        }
        if rest == before {
            break;
        }
    }
    if rest.is_empty() {
        Err(NumberError::NotANumber)
    } else {
        Ok((rest, negative))
    }
}

/// Tells the decimal mark from samples: the first value that can be read in one way only decides.
/// [`DecimalMark::Auto`] where none does.
pub fn detect_decimal_mark<'v>(samples: impl IntoIterator<Item = &'v str>) -> DecimalMark {
    for sample in samples {
        let as_point = parse_decimal(sample, DecimalMark::Point);
        let as_comma = parse_decimal(sample, DecimalMark::Comma);
        match (as_point, as_comma) {
            (Ok(_), Err(_)) => return DecimalMark::Point,
            (Err(_), Ok(_)) => return DecimalMark::Comma,
            _ => {}
        }
    }
    DecimalMark::Auto
}

/// An amount in minor units of its currency, exactly.
///
/// # Errors
/// When it has more decimals than the currency, or does not fit 64 bits.
pub fn to_minor_units(
    amount: Decimal,
    currency: crate::leads::contact::Currency,
) -> Result<i64, NumberError> {
    let exponent = currency.exponent();
    let amount = amount.normalize();
    let missing = exponent
        .checked_sub(amount.scale())
        .ok_or(NumberError::TooManyDecimals {
            currency: currency.code(),
            exponent,
        })?;
    10_i128
        .checked_pow(missing)
        .and_then(|factor| amount.mantissa().checked_mul(factor))
        .and_then(|minor| i64::try_from(minor).ok())
        .ok_or(NumberError::TooLarge)
}

/// Reads yes or no, in either case.
///
/// # Errors
/// [`NumberError::NotABoolean`] names the words.
pub fn parse_boolean(text: &str) -> Result<bool, NumberError> {
    const YES: [&str; 10] = [
        "yes",
        "true",
        "1",
        "y",
        "t",
        "on",
        "x",
        "granted",
        "subscribed",
        "opted in",
    ];
    const NO: [&str; 10] = [
        "no",
        "false",
        "0",
        "n",
        "f",
        "off",
        "denied",
        "unsubscribed",
        "opted out",
        "withdrawn",
    ];
    let text = text.trim();
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&YES) {
        Ok(true)
    } else if is(&NO) {
        Ok(false)
    } else {
        Err(NumberError::NotABoolean)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn auto(text: &str) -> Result<String, NumberError> {
        parse_decimal(text, DecimalMark::Auto).map(|number| number.to_string())
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, number) in [
            ("12", "12"),
            ("-12.50", "-12.5"),
            ("12,5", "12.5"),
            (".5", "0.5"),
            ("1,234.56", "1234.56"),
            ("1.234,56", "1234.56"),
            ("1.234.567", "1234567"),
            ("1 234 567,8", "1234567.8"),
            ("1'234.50", "1234.5"),
            ("R$ 1.234,00", "1234"),
            ("-$5.25", "-5.25"),
            ("(1,200.50)", "-1200.5"),
            ("99 €", "99"),
            ("0.123", "0.123"),
            ("1234.567", "1234.567"),
        ] {
            assert_eq!(auto(text).as_deref(), Ok(number), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            "abc",
            "1,2,3",
            "1.2.3",
            "--1",
            "1-",
            "12,34.5,6",
            "1e5",
            ".",
            "1 2",
            "$",
        ] {
            assert_eq!(auto(text), Err(NumberError::NotANumber), "{text}");
        }
        assert_eq!(auto("123456789012345678901234567890"), Err(NumberError::TooLarge));
    }

    #[test]
    fn three_digits_after_one_mark_are_ambiguous_until_the_mark_is_known() {
        assert_eq!(auto("1.234"), Err(NumberError::AmbiguousMark));
        assert_eq!(auto("1,234"), Err(NumberError::AmbiguousMark));
        assert_eq!(
            parse_decimal("1.234", DecimalMark::Comma).unwrap(),
            Decimal::from(1234)
        );
        assert_eq!(
            parse_decimal("1.234", DecimalMark::Point).unwrap(),
            Decimal::new(1234, 3)
        );
        assert_eq!(
            detect_decimal_mark(["1.234", "10", "2.345,60"]),
            DecimalMark::Comma
        );
        assert_eq!(detect_decimal_mark(["1,234", "9.5"]), DecimalMark::Point);
        assert_eq!(detect_decimal_mark(["1.234", "x", "10"]), DecimalMark::Auto);
    }

    #[test]
    fn money_becomes_minor_units_exactly() {
        let minor = |text: &str, code: &str| to_minor_units(text.parse().unwrap(), code.parse().unwrap());
        assert_eq!(minor("19.99", "BRL"), Ok(1999));
        assert_eq!(minor("19.990", "BRL"), Ok(1999));
        assert_eq!(minor("-1500", "JPY"), Ok(-1500));
        assert_eq!(minor("1.5", "KWD"), Ok(1500));
        assert_eq!(
            minor("0.5", "JPY"),
            Err(NumberError::TooManyDecimals {
                currency: "JPY",
                exponent: 0
            })
        );
        assert_eq!(minor("92233720368547758.08", "USD"), Err(NumberError::TooLarge));
        assert_eq!(minor("92233720368547758.07", "USD"), Ok(i64::MAX));
    }

    #[test]
    fn yes_and_no() {
        assert_eq!(parse_boolean(" Yes "), Ok(true));
        assert_eq!(parse_boolean("FALSE"), Ok(false));
        assert_eq!(parse_boolean("maybe"), Err(NumberError::NotABoolean));
    }

    proptest! {
        #[test]
        fn a_written_amount_is_read_back(minor in any::<i64>(), comma in any::<bool>(), grouped in any::<bool>()) {
            let (whole, cents) = (minor.unsigned_abs() / 100, minor.unsigned_abs() % 100);
            let (group, mark) = if comma { (".", ",") } else { (",", ".") };
            let digits = whole.to_string();
            let whole = if grouped {
                let bytes = digits.as_bytes();
                let chunks: Vec<_> = bytes.rchunks(3).rev().map(|chunk| std::str::from_utf8(chunk).unwrap()).collect();
                chunks.join(group)
            } else {
                digits
            };
            let sign = if minor < 0 { "-" } else { "" };
            let text = format!("{sign}{whole}{mark}{cents:02}");
            let currency = "EUR".parse().unwrap();
            for known in [DecimalMark::Auto, if comma { DecimalMark::Comma } else { DecimalMark::Point }] {
                let number = parse_decimal(&text, known).unwrap();
                prop_assert_eq!(to_minor_units(number, currency), Ok(minor));
            }
        }

        #[test]
        fn any_text_is_a_number_or_an_error(text in "[-+()R$€.,' 0-9a]{0,40}|.{0,20}") {
            for mark in [DecimalMark::Auto, DecimalMark::Point, DecimalMark::Comma] {
                if let Ok(number) = parse_decimal(&text, mark) {
                    prop_assert_eq!(parse_decimal(&number.to_string(), DecimalMark::Point), Ok(number));
                }
            }
        }
    }
}
