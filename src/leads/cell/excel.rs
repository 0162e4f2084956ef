//! Cells of Excel files.

use rust_decimal::prelude::ToPrimitive as _;
use rust_xlsxwriter::{ExcelDateTime, Format, Worksheet, XlsxError};

use super::value::Value;

/// Most UTF-16 units in a cell.
pub const MOST_UNITS: usize = 32_767;
/// Most significant digits of a number.
const MOST_DIGITS: usize = 15;

/// Writes a value into a cell, as a spreadsheet program takes it: numbers as numbers where none of their digits is lost, days as
/// days where its calendar has them.
///
/// # Errors
/// [`XlsxError::MaxStringLengthExceeded`] for more than [`MOST_UNITS`].
pub fn put(sheet: &mut Worksheet, row: u32, column: u16, value: &Value) -> Result<(), XlsxError> {
    let number = match value {
        Value::Nothing => return Ok(()),
        Value::Flag(flag) => return sheet.write_boolean(row, column, *flag).map(drop),
        Value::Day(day) => {
            // Days that the calendar of Excel has; its first two months are off by one.
            let text = day.to_string();
            if *day >= FIRST_DAY && *day <= LAST_DAY {
                let date = Format::new().set_num_format("yyyy-mm-dd");
                let moment = ExcelDateTime::parse_from_str(&text)?;
                return sheet
                    .write_datetime_with_format(row, column, &moment, &date)
                    .map(drop);
            }
            None
        }
        Value::Number(number) => number.as_f64(),
        Value::Amount(amount) => amount.to_f64(),
        Value::Text(_) | Value::List(_) | Value::Options(_) | Value::Json(_) => None,
    };
    let text = value.text();
    match number {
        Some(number) if digits(&text) <= MOST_DIGITS => sheet.write_number(row, column, number).map(drop),
        _ => sheet.write_string(row, column, text).map(drop),
    }
}

/// 1900-03-01.
const FIRST_DAY: entity::Day = entity::Day(-25_508);
/// 9999-12-31.
const LAST_DAY: entity::Day = entity::Day(2_932_896);

/// How many digits a number is written with, at most; many where it has an exponent.
fn digits(text: &str) -> usize {
    if text.contains(['e', 'E']) {
        return usize::MAX;
    }
    text.bytes()
        .filter(u8::is_ascii_digit)
        .skip_while(|&byte| byte == b'0')
        .count()
}

#[cfg(test)]
mod tests {
    use entity::Day;

    use super::*;

    #[test]
    fn the_calendar_of_excel_begins_and_ends_where_it_is_said() {
        assert_eq!(Day::parse("1900-03-01"), Ok(FIRST_DAY));
        assert_eq!(Day::parse("9999-12-31"), Ok(LAST_DAY));
    }

    #[test]
    fn digits_are_counted_without_leading_zeros() {
        assert_eq!(digits("-0.0125"), 3);
        assert_eq!(digits("123456789012345"), 15);
        assert_eq!(digits("1234567890.123456"), 16);
        assert_eq!(digits("1e300"), usize::MAX);
    }
}
