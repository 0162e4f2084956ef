//! Whole files through all steps.

use std::io::{Cursor, Write as _};

use super::*;

fn options() -> SourceOptions {
    SourceOptions::default()
}

fn open(bytes: impl Into<Vec<u8>>) -> Result<Source, SourceError> {
    Source::read(Cursor::new(bytes.into()), &options())
}

fn fault(bytes: impl Into<Vec<u8>>) -> String {
    open(bytes).err().expect("the file is refused").to_string()
}

/// Line and cells of each row, or line and fault.
fn rows(source: &mut Source) -> Vec<(u64, Result<Vec<String>, RowFault>)> {
    let mut rows = source.rows().unwrap();
    let mut row = Row::default();
    let mut found = Vec::new();
    while rows.read(&mut row).unwrap() {
        let cells = row.cells().map(|cell| cell.text.to_owned()).collect();
        found.push((row.line(), row.fault().cloned().map_or(Ok(cells), Err)));
    }
    found
}

fn cells(line: u64, cells: &[&str]) -> (u64, Result<Vec<String>, RowFault>) {
    (line, Ok(cells.iter().map(|cell| (*cell).to_owned()).collect()))
}

fn csv_format(encoding: TextEncoding, delimiter: Delimiter) -> Format {
    Format::Csv { encoding, delimiter }
}

fn workbook(build: impl FnOnce(&mut rust_xlsxwriter::Workbook)) -> Vec<u8> {
    let mut workbook = rust_xlsxwriter::Workbook::new();
    build(&mut workbook);
    workbook.save_to_buffer().unwrap()
}

#[test]
fn text_is_read_in_every_encoding() {
    let text = "name,city\nJosé,São Paulo\n";
    let utf16 = |big: bool| {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units
            .flat_map(|unit| {
                if big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect::<Vec<u8>>()
    };
    let latin: Vec<u8> = text
        .chars()
        .map(|letter| u8::try_from(u32::from(letter)).unwrap())
        .collect();
    for (bytes, encoding) in [
        (text.as_bytes().to_vec(), TextEncoding::Utf8),
        ([b"\xef\xbb\xbf", text.as_bytes()].concat(), TextEncoding::Utf8),
        (utf16(false), TextEncoding::Utf16Le),
        (utf16(true), TextEncoding::Utf16Be),
        (latin, TextEncoding::Windows1252),
    ] {
        let mut source = open(bytes).unwrap();
        assert_eq!(source.format(), csv_format(encoding, Delimiter::Comma));
        assert_eq!(
            source.header(),
            &Header {
                line: 1,
                names: vec!["name".into(), "city".into()]
            }
        );
        assert_eq!(rows(&mut source), [cells(2, &["José", "São Paulo"])]);
    }
}

#[test]
fn letters_cut_in_two_by_a_buffer_are_still_utf8() {
    for shift in 0..4 {
        let text = format!("name,{}\n{}\n", "x".repeat(shift + 1), "ä€𝄞,y\n".repeat(40_000));
        let mut source = open(text).unwrap();
        assert_eq!(source.format(), csv_format(TextEncoding::Utf8, Delimiter::Comma));
        let rows = rows(&mut source);
        assert_eq!(rows.len(), 40_000);
        assert!(rows.iter().all(|(_, row)| row.as_ref().unwrap()[0] == "ä€𝄞"));
    }
}

#[test]
fn delimiters_are_found() {
    for (text, delimiter) in [
        ("a;b\n\"1,5\";2,5\n", Delimiter::Semicolon),
        ("a\tb\n1,2\t3;4\n", Delimiter::Tab),
        ("a|b\n1;2|3\n", Delimiter::Pipe),
        ("sep=;\na;b\n1;2\n", Delimiter::Semicolon),
        ("a,b\nx;y;z,1\n", Delimiter::Comma),
        ("only\n1;2\n", Delimiter::Comma),
    ] {
        assert_eq!(
            open(text).unwrap().format(),
            csv_format(TextEncoding::Utf8, delimiter),
            "{text}"
        );
    }
    let chosen = SourceOptions {
        delimiter: Some(Delimiter::Semicolon),
        ..options()
    };
    let source = Source::read(Cursor::new("a,b;c\n"), &chosen).unwrap();
    assert_eq!(source.header().names, ["a,b", "c"]);
    assert_eq!(
        rows(&mut open("sep=;\na;b\n1;2\n").unwrap()),
        [cells(3, &["1", "2"])]
    );
}

#[test]
fn ragged_rows_are_rejected_and_reading_goes_on() {
    let mut source = open("a,b\n1\n1,2,3\n1,2,\n\n3,4\n\"5\n5\",\n\"6\n6\"\n7,8").unwrap();
    assert_eq!(
        rows(&mut source),
        [
            (
                2,
                Err(RowFault::TooFewCells {
                    expected: 2,
                    found: 1,
                    last_line: None
                })
            ),
            (
                3,
                Err(RowFault::TooManyCells {
                    expected: 2,
                    found: 3
                })
            ),
            cells(4, &["1", "2"]),
            cells(6, &["3", "4"]),
            cells(7, &["5\n5", ""]),
            (
                9,
                Err(RowFault::TooFewCells {
                    expected: 2,
                    found: 1,
                    last_line: Some(10)
                })
            ),
            cells(11, &["7", "8"]),
        ]
    );
    // And once more from the first row.
    assert_eq!(rows(&mut source).len(), 7);
}

#[test]
fn files_without_a_usable_header_are_refused() {
    assert_eq!(
        fault(""),
        "the file is empty: expected a first row with the names of the columns"
    );
    assert_eq!(fault("\n , \n"), fault(""));
    assert_eq!(
        fault("ana@example.com,Ana\n"),
        "line 1 looks like data, not like names of columns (`ana@example.com`): put a header above it"
    );
    assert!(fault("\ndac32acd,2/1/2018,social\n").starts_with("line 2 looks like data"));
    assert!(fault("1,2,3\n").starts_with("line 1 looks like data"));
    assert_eq!(
        fault("Mail,x,mail\n"),
        "two columns are named `mail` (columns 1 and 3): rename one of them"
    );
    assert_eq!(
        fault(
            (0..600)
                .map(|column| format!("c{column}"))
                .collect::<Vec<_>>()
                .join(",")
        ),
        "the file has 600 columns; at most 512 are read"
    );
}

#[test]
fn a_header_alone_has_no_rows() {
    let mut source = open("a,,c,\n").unwrap();
    assert_eq!(source.header().names, ["a", "column 2", "c"]);
    assert_eq!(rows(&mut source), []);
}

#[test]
fn what_is_neither_text_nor_workbook_is_refused() {
    assert!(
        fault(*b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old").starts_with("the file is an old Excel file (.xls)")
    );
    assert!(fault(*b"a,b\n1,\0\n").starts_with("the file is neither text nor an Excel workbook"));
    assert!(fault("\n<html><table>").starts_with("the file is an HTML or XML document"));
    for json in [
        "{\"email\":\"ana@example.com\",\"first_name\":\"Ana\"}\n",
        "\n [{\"email\":1}]",
        "\u{feff}{\"email\":1}",
    ] {
        assert_eq!(
            fault(json),
            "the file is JSON, which is not read: export it as CSV or Excel (.xlsx)"
        );
    }
    let mut zip = workbook(|workbook| {
        workbook.add_worksheet().write(0, 0, "a").unwrap();
    });
    // Another archive: the same one with its parts renamed.
    for at in 0..zip.len() - 5 {
        if zip[at..].starts_with(b"_rels") || zip[at..].starts_with(b"xl/wo") {
            zip[at] = b'q';
        }
    }
    assert!(fault(zip).starts_with("the file is a ZIP archive, but not an Excel workbook"));
}

#[test]
fn text_has_no_sheets() {
    let options = SourceOptions {
        sheet: Some("x".to_owned()),
        ..options()
    };
    let refused = Source::read(Cursor::new(b"email\na@example.com\n".to_vec()), &options);
    assert_eq!(
        refused.err().expect("the file is refused").to_string(),
        "the file is CSV and has no sheets: leave out the sheet `x`"
    );
}

#[test]
fn a_workbook_is_read_with_its_types() {
    use rust_xlsxwriter::{ExcelDateTime, Format as CellFormat, Formula};
    let bytes = workbook(|workbook| {
        let day = CellFormat::new().set_num_format("dd/mm/yyyy");
        let sheet = workbook.add_worksheet();
        sheet
            .write_row(1, 0, ["id", "when", "amount", "agreed", "note"])
            .unwrap();
        sheet.write(2, 0, 12_345).unwrap();
        sheet
            .write_with_format(2, 1, ExcelDateTime::from_ymd(2018, 2, 1).unwrap(), &day)
            .unwrap();
        sheet.write(2, 2, 19.99).unwrap();
        sheet.write(2, 3, true).unwrap();
        sheet.write(2, 4, " two\nlines ").unwrap();
        let moment = ExcelDateTime::parse_from_str("2018-02-26T19:58:00").unwrap();
        sheet.write_with_format(5, 1, moment, &day).unwrap();
        sheet
            .write_formula(5, 2, Formula::new("=NA()").set_result("#N/A"))
            .unwrap();
        sheet.write(6, 0, "x").unwrap();
        sheet.write(6, 5, "beyond").unwrap();
        workbook
            .add_worksheet()
            .set_name("Second")
            .unwrap()
            .write_row(0, 0, ["a", "b"])
            .unwrap();
    });
    let mut source = open(bytes.clone()).unwrap();
    assert_eq!(
        source.format(),
        Format::Xlsx {
            sheet: "Sheet1".to_owned()
        }
    );
    assert_eq!(source.header().line, 2);
    assert_eq!(
        rows(&mut source)[0],
        cells(3, &["12345", "2018-02-01", "19.99", "true", "two\nlines"]),
    );
    let mut found = source.rows().unwrap();
    let mut row = Row::default();
    assert!(found.read(&mut row).unwrap());
    let kinds: Vec<CellKind> = row.cells().map(|cell| cell.kind).collect();
    let midnight = chrono::NaiveDate::from_ymd_opt(2018, 2, 1)
        .unwrap()
        .and_hms_opt(0, 0, 0)
        .unwrap();
    assert_eq!(
        kinds,
        [
            CellKind::Number,
            CellKind::Moment(midnight),
            CellKind::Number,
            CellKind::Boolean,
            CellKind::Text
        ]
    );
    assert!(found.read(&mut row).unwrap());
    assert_eq!(
        (row.line(), row.cell(1).text, row.cell(4).kind),
        (6, "2018-02-26T19:58:00", CellKind::Empty)
    );
    assert_eq!((row.cell(2).text, row.cell(2).kind), ("#N/A", CellKind::Error));
    assert!(found.read(&mut row).unwrap());
    assert_eq!(
        row.fault(),
        Some(&RowFault::TooManyCells {
            expected: 5,
            found: 6
        })
    );
    assert!(!found.read(&mut row).unwrap());

    let second = SourceOptions {
        sheet: Some("second".to_owned()),
        ..options()
    };
    assert_eq!(
        Source::read(Cursor::new(bytes.clone()), &second)
            .unwrap()
            .header()
            .names,
        ["a", "b"]
    );
    let third = SourceOptions {
        sheet: Some("Third".to_owned()),
        ..options()
    };
    assert_eq!(
        Source::read(Cursor::new(bytes), &third)
            .err()
            .unwrap()
            .to_string(),
        "the workbook has no sheet `Third`; its sheets are: Sheet1, Second"
    );
}

#[test]
fn the_content_counts_and_not_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let sheet = folder.path().join("leads.csv");
    std::fs::write(
        &sheet,
        workbook(|workbook| {
            workbook
                .add_worksheet()
                .write_row(0, 0, ["email", "name"])
                .unwrap();
        }),
    )
    .unwrap();
    let text = folder.path().join("leads.xlsx");
    std::fs::File::create(&text)
        .unwrap()
        .write_all(b"email,name\n")
        .unwrap();
    let opened = Source::open(&sheet, &options()).unwrap();
    assert_eq!(
        opened.format(),
        Format::Xlsx {
            sheet: "Sheet1".to_owned()
        }
    );
    assert_eq!(opened.header().names, ["email", "name"]);
    let opened = Source::open(&text, &options()).unwrap();
    assert_eq!(opened.format(), csv_format(TextEncoding::Utf8, Delimiter::Comma));
    assert!(matches!(
        Source::open(&folder.path().join("none"), &options()),
        Err(SourceError::Read(_))
    ));
}

#[test]
fn damaged_workbooks_are_refused() {
    let bytes = workbook(|workbook| {
        let sheet = workbook.add_worksheet();
        for line in 0..2_000 {
            sheet
                .write_row(line, 0, [format!("a{line}"), format!("b{line}")])
                .unwrap();
        }
    });
    for length in [5, 100, bytes.len() / 2, bytes.len() - 10] {
        assert!(
            fault(&bytes[..length]).starts_with("the Excel workbook is damaged"),
            "{length}"
        );
    }
    let empty = workbook(|workbook| {
        workbook.add_worksheet();
    });
    assert_eq!(fault(empty), fault(""));
}

fn converter(
    source: &mut Source,
    kind: ImportKind,
    map: &str,
    defaults: &str,
    options: ConvertOptions,
) -> Result<Converter, String> {
    let mapping = Mapping::new(
        kind,
        source.header(),
        &map.parse().unwrap(),
        &defaults.parse().unwrap(),
    )
    .map_err(|error| error.to_string())?;
    Converter::prepare(mapping, options, source).map_err(|error| error.to_string())
}

fn landed(preview: &Preview, row: usize) -> Vec<String> {
    preview.rows[row]
        .values
        .iter()
        .map(|(target, value)| format!("{target}={value}"))
        .collect()
}

#[test]
fn leads_land_with_typed_values() {
    let text = "E-mail;Phone Number;First Name;Tags;Deal Amount;Currency;Created;Close Date;Consent.Email;shoe;Stage\n\
                ANA@Example.com ;(11) 96123-4567;Ana;b2b| vip;b2b;1.234,50;BRL;25/2/2018 10:00;31.12.2026;yes;42;qualified\n";
    let text = text.replace("b2b| vip;b2b", "\"b2b| vip;b2b\"");
    let mut source = open(text).unwrap();
    let options = ConvertOptions {
        zone: chrono_tz::America::Sao_Paulo,
        region: Some("BR".parse().unwrap()),
        ..ConvertOptions::default()
    };
    let converter = converter(&mut source, ImportKind::Leads, "", "source=fair", options).unwrap();
    let preview = preview(&mut source, &converter, 10, None).unwrap();
    assert_eq!(
        (preview.checked, preview.good),
        (1, 1),
        "{:?}",
        preview.rejections.first()
    );
    assert_eq!(
        landed(&preview, 0),
        [
            "email=ana@example.com",
            "phone=+5511961234567",
            "first_name=Ana",
            "tags=b2b; vip",
            "deal_value=1234.50 BRL",
            "deal_currency=BRL",
            "created_at=2018-02-25T13:00:00Z",
            "expected_close_date=2026-12-31",
            "consent.Email=GRANTED",
            "stage=QUALIFIED",
            "source=fair",
        ]
    );
    assert_eq!(
        preview.unknown_columns,
        [UnknownColumn {
            name: "shoe".to_owned(),
            suggestion: None
        }]
    );
}

#[test]
fn each_bad_cell_is_reported_with_line_column_and_reason() {
    let text = "id,email,phone,value,created_at,stage\n\
                1,ana,,,2018-02-01,\n\
                2,,123456,10,2018-02-01,won\n\
                ,,,,2018-02-01,\n\
                4,,,,2018-02-31,\n\
                5,,,,2018-02-01,NEW\n";
    let mut source = open(text).unwrap();
    let converter = converter(
        &mut source,
        ImportKind::Leads,
        "deal_value=value",
        "",
        ConvertOptions::default(),
    )
    .unwrap();
    let preview = preview(&mut source, &converter, 10, None).unwrap();
    assert_eq!(
        (preview.checked, preview.good, preview.rejections.rows()),
        (5, 1, 4)
    );
    let mut found: Vec<_> = preview
        .rejections
        .first()
        .iter()
        .map(|rejection| {
            (
                rejection.line,
                rejection.column.as_deref().unwrap_or("-"),
                rejection.code,
            )
        })
        .collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            (2, "email", "not an e-mail address"),
            (3, "phone", "phone number without country code"),
            (3, "stage", "unknown word"),
            (3, "value", "amount without currency"),
            (4, "-", "value missing"),
            (5, "created_at", "not a date"),
        ]
    );
}

#[test]
fn ambiguous_dates_ask_for_the_format() {
    let text = "id,created_at\n1,2/3/2018\n2,4/5/2018\n";
    let ask = |dates: &str| {
        let mut source = open(text).unwrap();
        let options = ConvertOptions {
            dates: dates.parse().unwrap(),
            ..ConvertOptions::default()
        };
        let converter = converter(&mut source, ImportKind::Leads, "", "", options)?;
        let preview = preview(&mut source, &converter, 1, None).map_err(|error| error.to_string())?;
        Ok::<_, String>(landed(&preview, 0).join(" "))
    };
    assert_eq!(
        ask("auto"),
        Err("column `created_at`: day and month cannot be told apart (`2/3/2018`): name the date format, mdy (month first) or dmy (day first)".to_owned())
    );
    assert_eq!(
        ask("mdy").as_deref(),
        Ok("external_id=1 created_at=2018-02-03T00:00:00Z")
    );
    assert_eq!(
        ask("dmy").as_deref(),
        Ok("external_id=1 created_at=2018-03-02T00:00:00Z")
    );
}

#[test]
fn conversions_take_defaults() {
    let text = "mql_id,won_date,lead_type\n5420,2/26/2018 19:58,online\n3271,6/5/2018 17:27,\n";
    let mut source = open(text).unwrap();
    let map = "external_id=mql_id,occurred_at=won_date,metadata.lead_type=lead_type";
    let defaults = "kind=customer,value=99.90,currency=brl";
    let converter = converter(
        &mut source,
        ImportKind::Conversions,
        map,
        defaults,
        ConvertOptions::default(),
    )
    .unwrap();
    let preview = preview(&mut source, &converter, 10, None).unwrap();
    assert_eq!(
        landed(&preview, 1),
        [
            "external_id=3271",
            "occurred_at=2018-06-05T17:27:00Z",
            "kind=CUSTOMER",
            "value=99.90 BRL",
            "currency=BRL"
        ]
    );
    assert_eq!(landed(&preview, 0)[2], "metadata.lead_type=online");
    let wrong = |defaults: &str| {
        let mut source = open(text).unwrap();
        self::converter(
            &mut source,
            ImportKind::Conversions,
            map,
            defaults,
            ConvertOptions::default(),
        )
        .err()
    };
    assert_eq!(
        wrong("kind=won").unwrap(),
        "default for `kind`: unknown conversion kind `won`; one of LEAD_CREATED, QUALIFIED, OPPORTUNITY, CUSTOMER, PURCHASE, CUSTOM (given: `won`)"
    );
}

#[test]
fn engagements_of_a_workbook_land() {
    let bytes = workbook(|workbook| {
        let sheet = workbook.add_worksheet();
        sheet
            .write_row(
                0,
                0,
                [
                    "Email",
                    "Event",
                    "Timestamp",
                    "Value",
                    "IP",
                    "Revenue",
                    "metadata.plan",
                ],
            )
            .unwrap();
        sheet.write_row(1, 0, ["ana@example.com", "Page viewed"]).unwrap();
        sheet.write(1, 2, 43132.5).unwrap();
        sheet.write(1, 3, 70).unwrap();
        sheet.write(1, 4, "2001:DB8::7").unwrap();
        sheet.write(1, 5, 1.234).unwrap();
        sheet.write(1, 6, 3).unwrap();
        sheet.write_row(2, 0, ["ana@example.com", "waved"]).unwrap();
        sheet.write(2, 2, 43133).unwrap();
        sheet.write(2, 3, 101).unwrap();
    });
    let mut source = open(bytes).unwrap();
    let options = ConvertOptions {
        currency: Some("KWD".parse().unwrap()),
        ..ConvertOptions::default()
    };
    let converter = converter(&mut source, ImportKind::Engagements, "", "", options).unwrap();
    let preview = preview(&mut source, &converter, 10, None).unwrap();
    assert_eq!(
        landed(&preview, 0),
        [
            "email=ana@example.com",
            "type=PAGE_VIEWED",
            "occurred_at=2018-02-01T12:00:00Z",
            "value=70",
            "ip=2001:db8::7",
            "revenue=1.234 KWD",
            "metadata.plan=3",
        ]
    );
    let codes: Vec<_> = preview
        .rejections
        .first()
        .iter()
        .map(|rejection| rejection.code)
        .collect();
    assert_eq!(codes.len(), 2);
    assert!(codes.contains(&"unknown word") && codes.contains(&"number out of range"));
}

#[test]
fn what_an_export_writes_is_read_as_it_was() {
    let text = "lead_id,external_id,external_id.shop:de,phone,first_name,interests,source_detail,deal_value,deal_currency\n\
                lead_1,,77,'+5511961234567,''=x,\"[\"\"a;b\"\",\"\"c\"\"]\",\"{\"\"utm\"\":[1]}\",1.5000,KWD\n\
                lead_2,'=9,,,'t Hooft,a;b,[c],,\n";
    let mut source = open(text).unwrap();
    let converter = converter(&mut source, ImportKind::Leads, "", "", ConvertOptions::default()).unwrap();
    let preview = preview(&mut source, &converter, 10, None).unwrap();
    let faults: Vec<_> = preview.rejections.first().iter().collect();
    assert_eq!(
        (
            faults.len(),
            faults[0].column.as_deref(),
            faults[0].reason.as_str()
        ),
        (
            1,
            Some("source_detail"),
            "not a JSON object: expected something like {\"campaign\": \"spring\"}"
        )
    );
    assert_eq!(
        landed(&preview, 0),
        [
            "external_id.shop:de=77",
            "phone=+5511961234567",
            "first_name='=x",
            "interests=a;b; c",
            "source_detail={\"utm\":[1]}",
            "deal_value=1.500 KWD",
            "deal_currency=KWD",
        ]
    );
    assert_eq!(preview.unknown_columns[0].name, "lead_id");
}
