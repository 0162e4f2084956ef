//! Whole files, written and read again by the import.

use std::io::{Cursor, Read as _};

use entity::id::LeadId;
use entity::{
    ConsentChannel, ConsentPurpose, ConsentState, CustomFieldType, Day, Grade, IdentityKind, Stage,
    Temperature, Timestamp, lead_identity,
};
use proptest::prelude::*;
use tokio::sync::mpsc;

use super::cells::Entry;
use super::columns::{Choices, Column};
use super::lines::Lines;
use super::workbook::{self, Part};
use super::{ExportFormat, ExportRequest, ExportedScore};
use crate::leads::custom_fields::{CustomField, Definitions};
use crate::leads::import::{
    Assignments, ConvertOptions, Converter, ImportKind, Mapping, Source, SourceOptions, preview,
};
use crate::leads::lead::Lead;

const NOW: Timestamp = Timestamp(1_772_366_400_123_456);

fn definitions() -> Definitions {
    let field = |key: &str, field_type| CustomField {
        id: entity::id::CustomFieldId::at(NOW),
        key: key.to_owned(),
        label: key.to_owned(),
        field_type,
        options: Vec::new(),
        required: false,
        description: None,
        created_at: NOW,
        archived_at: None,
    };
    Definitions::new(vec![
        field("seats", CustomFieldType::Number),
        field("sports", CustomFieldType::MultiSelect),
        field("vip", CustomFieldType::Boolean),
    ])
}

fn columns() -> Vec<Column> {
    let choices = Choices {
        definitions: &definitions(),
        namespaces: &["import".to_owned(), "shop:de".to_owned()],
        scores: true,
    };
    choices.all()
}

fn entry() -> Entry {
    let id = LeadId::at(NOW);
    let identity = |kind, namespace: &str, value: &str| lead_identity::Model {
        kind,
        namespace: namespace.to_owned(),
        value: value.to_owned(),
        lead_id: id,
        created_at: NOW,
    };
    Entry {
        lead: Lead {
            id,
            email: Some("ana@example.com".into()),
            phone: Some("+5511961234567".into()),
            first_name: Some("=Ana".into()),
            last_name: Some("\"O'Hara\", d. J.".into()),
            company_name: Some("Line one\nline two".into()),
            job_title: Some("'=quoted".into()),
            website: None,
            street: None,
            city: Some("São Paulo".into()),
            region: None,
            postal_code: Some("01310".into()),
            country: Some("BR".into()),
            time_zone: Some("America/Sao_Paulo".into()),
            language: Some("pt-BR".into()),
            customer_type: None,
            interests: r#"["a;b","c"]"#.into(),
            custom: r#"{"seats":-12.5,"sports":["run","swim|bike"],"vip":true}"#.into(),
            source: Some("@fair".into()),
            source_detail: r#"{"campaign":"spring","clicks":3}"#.into(),
            deal_stage: None,
            deal_value_minor: Some(1_500),
            deal_currency: Some("KWD".into()),
            expected_close: Some(Day(20_000)),
            owner: Some("owner@example.com".into()),
            sort_name: String::new(),
            stage: Stage::Qualified,
            stage_since: NOW,
            version: 3,
            created_at: NOW,
            updated_at: NOW,
            deleted_at: None,
            erased_at: None,
        },
        identities: vec![
            identity(IdentityKind::External, "shop:de", "77"),
            identity(IdentityKind::Email, "", "ana@example.com"),
        ],
        tags: vec!["[vip]".into()],
        consents: vec![
            (
                ConsentChannel::Email,
                ConsentPurpose::Marketing,
                ConsentState::Granted,
            ),
            (
                ConsentChannel::Sms,
                ConsentPurpose::ThirdParty,
                ConsentState::Denied,
            ),
        ],
        score: Some(ExportedScore {
            current: 61.5,
            grade: Grade::B,
            temperature: Temperature::Warm,
        }),
    }
}

fn text(format: ExportFormat, columns: Vec<Column>, entries: &[Entry]) -> String {
    let lines = Lines::new(format, columns).expect("a format of lines");
    let mut text = lines.head().unwrap();
    text.extend(lines.batch(entries).unwrap());
    String::from_utf8(text).unwrap()
}

fn excel(columns: &[Column], entries: &[Entry]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (parts, received) = mpsc::channel(2);
    parts.try_send(Part::Leads(entries.to_vec())).unwrap();
    parts.try_send(Part::End).unwrap();
    let (mut file, length) = workbook::write(folder.path(), columns, received)
        .unwrap()
        .unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, length);
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "the files have no names");
    bytes
}

/// The values of the first row as the import would take them.
fn landed(file: impl Into<Vec<u8>>) -> Vec<String> {
    let mut source = Source::read(Cursor::new(file.into()), &SourceOptions::default()).unwrap();
    let none = Assignments::default();
    let mapping = Mapping::new(ImportKind::Leads, source.header(), &none, &none).unwrap();
    let converter = Converter::prepare(mapping, ConvertOptions::default(), &mut source).unwrap();
    let preview = preview(&mut source, &converter, 1, None).unwrap();
    assert_eq!(preview.rejections.first(), []);
    let values = preview.rows[0].values.iter();
    values
        .map(|(target, value)| format!("{target}={value}"))
        .collect()
}

const LANDED: [&str; 27] = [
    "external_id.shop:de=77",
    "email=ana@example.com",
    "phone=+5511961234567",
    "first_name==Ana",
    "last_name=\"O'Hara\", d. J.",
    "company_name=Line one\nline two",
    "job_title='=quoted",
    "city=São Paulo",
    "postal_code=01310",
    "country=BR",
    "time_zone=America/Sao_Paulo",
    "language=pt-BR",
    "interests=a;b; c",
    "tags=[vip]",
    "source=@fair",
    "source_detail={\"campaign\":\"spring\",\"clicks\":3}",
    "deal_value=1.500 KWD",
    "deal_currency=KWD",
    "expected_close_date=2024-10-04",
    "owner_email=owner@example.com",
    "stage=QUALIFIED",
    "created_at=2026-03-01T12:00:00.123456Z",
    "consent.email=GRANTED",
    "consent.sms.third_party=DENIED",
    "custom.seats=-12.5",
    "custom.sports=run; swim|bike",
    "custom.vip=true",
];

#[test]
fn csv_and_excel_are_read_by_the_import_as_they_were() {
    let entries = [entry()];
    assert_eq!(landed(text(ExportFormat::Csv, columns(), &entries)), LANDED);
    assert_eq!(landed(excel(&columns(), &entries)), LANDED);
}

#[test]
fn csv_looks_like_this() {
    let choices = Choices {
        definitions: &definitions(),
        namespaces: &[],
        scores: true,
    };
    let names = [
        "phone",
        "first_name",
        "tags",
        "deal_value",
        "score",
        "grade",
        "source_detail.campaign",
        "custom.seats",
        "identities",
    ];
    let columns = choices.named(&names.map(str::to_owned)).unwrap();
    assert_eq!(
        text(ExportFormat::Csv, columns.clone(), &[entry()]),
        "phone,first_name,tags,deal_value,score,grade,source_detail.campaign,custom.seats,identities\n\
         '+5511961234567,'=Ana,\"[\"\"[vip]\"\"]\",1.5000,61.5,B,spring,-12.5,\
         \"[{\"\"kind\"\":\"\"EXTERNAL\"\",\"\"namespace\"\":\"\"shop:de\"\",\"\"value\"\":\"\"77\"\"},\
         {\"\"kind\"\":\"\"EMAIL\"\",\"\"value\"\":\"\"ana@example.com\"\"}]\"\n"
    );
    assert_eq!(
        text(ExportFormat::Csv, columns[..2].to_vec(), &[]),
        "phone,first_name\n"
    );
    let mut nobody = entry();
    nobody.lead.phone = None;
    nobody.lead.first_name = None;
    nobody.score = None;
    nobody.tags.clear();
    assert_eq!(
        text(ExportFormat::Ndjson, columns, &[entry(), nobody]),
        "{\"phone\":\"+5511961234567\",\"first_name\":\"=Ana\",\"tags\":[\"[vip]\"],\"deal_value\":\"1.500\",\
         \"score\":61.5,\"grade\":\"B\",\"source_detail.campaign\":\"spring\",\"custom.seats\":-12.5,\
         \"identities\":[{\"kind\":\"EXTERNAL\",\"namespace\":\"shop:de\",\"value\":\"77\"},\
         {\"kind\":\"EMAIL\",\"value\":\"ana@example.com\"}]}\n\
         {\"phone\":null,\"first_name\":null,\"tags\":null,\"deal_value\":\"1.500\",\
         \"score\":null,\"grade\":null,\"source_detail.campaign\":\"spring\",\"custom.seats\":-12.5,\
         \"identities\":[{\"kind\":\"EXTERNAL\",\"namespace\":\"shop:de\",\"value\":\"77\"},\
         {\"kind\":\"EMAIL\",\"value\":\"ana@example.com\"}]}\n"
    );
}

#[test]
fn what_does_not_fit_excel_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut long = entry();
    long.lead.source_detail = format!("{{\"note\":\"{}\"}}", "x".repeat(40_000));
    let (parts, received) = mpsc::channel(2);
    parts.try_send(Part::Leads(vec![long.clone()])).unwrap();
    let error = workbook::write(folder.path(), &columns(), received).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "`source_detail` of {} does not fit an Excel cell, which takes 32767 characters: choose csv or ndjson, \
             or leave that column out",
            long.lead.id
        )
    );
}

#[test]
fn a_workbook_whose_parts_end_early_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let (parts, received) = mpsc::channel(2);
    parts.try_send(Part::Leads(vec![entry()])).unwrap();
    drop(parts);
    let written = workbook::write(folder.path(), &columns(), received).unwrap();
    assert!(written.is_none());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn requests_are_read_from_texts() {
    let read = |format, filter, columns| {
        ExportRequest::read(format, filter, columns).map_err(|error| error.to_string())
    };
    assert_eq!(read(None, Some(" "), Some("")), Ok(ExportRequest::default()));
    let request = read(
        Some("XLSX"),
        Some(r#"{"stage":{"in":["CUSTOMER"]}}"#),
        Some("email, \"source_detail.a,b\" ,"),
    )
    .unwrap();
    assert_eq!(request.format, ExportFormat::Xlsx);
    assert_eq!(
        request.filter.stage.as_ref().map(|stage| stage.one_of.clone()),
        Some(vec![Stage::Customer])
    );
    assert_eq!(
        request.columns.as_deref(),
        Some(&["email".to_owned(), "source_detail.a,b".to_owned()][..])
    );
    assert_eq!(
        read(Some("pdf"), None, None).unwrap_err(),
        "format: unknown format `pdf`; one of csv, ndjson, xlsx"
    );
    let message = read(None, Some(r#"{"emial":{"eq":"a"}}"#), None).unwrap_err();
    assert!(
        message
            .starts_with("filter: unknown field `emial`, expected one of `and`, `or`, `not`, `ids`, `email`"),
        "{message}"
    );
    assert_eq!(
        read(None, None, Some("email,\"tags")).unwrap_err(),
        "columns: a quote is not closed"
    );
}

/// A text as a lead keeps it: trimmed and not empty.
fn kept() -> impl Strategy<Value = String> {
    "(['=+@|;,\"\\[{-]{0,3})([\\PC]{0,8})[a-z=']".prop_map(|text| text.trim().to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_comes_back(name in kept(), tags in prop::collection::vec("[a-z=+'\\[\\]\"-]{1,6}", 0..4),
        interests in prop::collection::vec(kept(), 0..4), fact in kept())
    {
        let mut lead = entry();
        lead.lead.first_name = Some(name.clone());
        lead.lead.interests = serde_json::to_string(&interests).unwrap();
        lead.lead.source_detail = serde_json::json!({ "fact": fact }).to_string();
        lead.tags = tags.clone();
        let mut expected = vec!["email=ana@example.com".to_owned(), format!("first_name={name}")];
        for (target, items) in [("interests", &interests), ("tags", &tags)] {
            let mut once: Vec<String> = Vec::new();
            for item in items {
                if !once.contains(item) {
                    once.push(item.clone());
                }
            }
            if !once.is_empty() {
                expected.push(format!("{target}={}", once.join("; ")));
            }
        }
        expected.push(format!("source_detail.fact={fact}"));
        let choices = Choices { definitions: &definitions(), namespaces: &[], scores: false };
        let names = ["email", "first_name", "interests", "tags", "source_detail.fact"].map(str::to_owned);
        let columns = choices.named(&names).unwrap();
        let entries = [lead];
        prop_assert_eq!(landed(text(ExportFormat::Csv, columns.clone(), &entries)), expected.clone());
        prop_assert_eq!(landed(excel(&columns, &entries)), expected);
    }
}
