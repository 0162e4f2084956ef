use proptest::prelude::*;
use serde_json::json;

use super::*;

fn field(field_type: CustomFieldType, options: &[&str]) -> CustomField {
    CustomField {
        id: CustomFieldId::at(Timestamp::from_micros(1)),
        key: "sport".into(),
        label: "Sport".into(),
        field_type,
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        required: false,
        description: None,
        created_at: Timestamp::from_micros(1),
        archived_at: None,
    }
}

fn select() -> CustomField {
    field(CustomFieldType::Select, &["Road", "Mountain Bike"])
}

#[test]
fn values_come_out_in_their_normal_form() {
    use CustomFieldType as T;
    for (field_type, given, expected) in [
        (T::Text, json!("  hello\nthere "), json!("hello\nthere")),
        (T::Number, json!(5.0), json!(5)),
        (T::Number, json!(-2.5), json!(-2.5)),
        (T::Boolean, json!(false), json!(false)),
        (T::Date, json!("2026-03-01"), json!("2026-03-01")),
        (
            T::DateTime,
            json!("2026-03-01T10:00:00+01:00"),
            json!("2026-03-01T09:00:00Z"),
        ),
        (
            T::Url,
            json!("HTTPS://Example.com"),
            json!("https://example.com/"),
        ),
        (T::Text, json!("  "), Value::Null),
        (T::Number, Value::Null, Value::Null),
        (T::MultiSelect, json!([]), Value::Null),
    ] {
        assert_eq!(
            check(&field(field_type, &[]), &given),
            Ok(expected),
            "{field_type} {given}"
        );
    }
    assert_eq!(
        check(&select(), &json!("mountain  bike")),
        Ok(json!("Mountain Bike"))
    );
    let several = field(CustomFieldType::MultiSelect, &["A", "B", "C"]);
    assert_eq!(check(&several, &json!(["c", "A", "a"])), Ok(json!(["A", "C"])));
}

#[test]
fn a_value_of_another_type_is_told_what_would_be_right() {
    use CustomFieldType as T;
    for (field_type, given, message) in [
        (T::Text, json!(5), "`sport` is a text; this is `5`"),
        (T::Number, json!("5"), "`sport` is a number; this is the text `5`"),
        (
            T::Boolean,
            json!("yes"),
            "`sport` is `true` or `false`; this is the text `yes`",
        ),
        (
            T::Date,
            json!(20),
            "`sport` is a date as text (`YYYY-MM-DD`); this is `20`",
        ),
        (
            T::Date,
            json!("1.3.2026"),
            "`sport`: `1.3.2026` is not a date: expected `YYYY-MM-DD` such as `2026-03-01`",
        ),
        (
            T::Url,
            json!("ftp://example.com"),
            "`sport` is a web address such as `https://example.com/page`; this is the text `ftp://example.com`",
        ),
        (
            T::MultiSelect,
            json!("A"),
            "`sport` is a list of its options; this is the text `A`",
        ),
        (T::Text, json!({}), "`sport` is a text; this is an object"),
    ] {
        assert_eq!(check(&field(field_type, &[]), &given), Err(message.to_owned()));
    }
    assert_eq!(
        check(&select(), &json!("Swim")),
        Err("`Swim` is not an option of `sport`; one of Road, Mountain Bike".into())
    );
    assert_eq!(
        check(&field(T::Text, &[]), &json!("x".repeat(2_001))),
        Err("`sport` has at most 2,000 characters; this has 2,001".into())
    );
}

#[test]
fn required_and_archived_fields_are_guarded() {
    let mut required = select();
    required.required = true;
    assert_eq!(
        check(&required, &json!(null)),
        Err("the custom field `sport` is required".into())
    );
    let mut archived = required.clone();
    archived.archived_at = Some(Timestamp::from_micros(2));
    assert_eq!(check(&archived, &json!(null)), Ok(Value::Null));
    assert_eq!(
        check(&archived, &json!("Road")),
        Err("the custom field `sport` is archived; unarchive it to set it".into())
    );
    let definitions = Definitions::new(vec![required]);
    let values = |value: Value| value.as_object().cloned().unwrap_or_default();
    let missing: Vec<_> = definitions
        .missing(&values(json!({})))
        .map(|field| field.key.clone())
        .collect();
    assert_eq!(missing, ["sport"]);
    assert_eq!(
        definitions.check_all(&values(json!({ "sport": "road", "shoe": 43 }))),
        Err(vec![(
            "shoe".into(),
            "unknown custom field `shoe`; one of sport".into()
        )])
    );
    assert_eq!(
        definitions.check_all(&values(json!({ "sport": "road" }))),
        Ok(values(json!({ "sport": "Road" })))
    );
}

#[test]
fn text_of_files_is_read_in_its_type() {
    use CustomFieldType as T;
    for (field_type, given, expected) in [
        (T::Number, " 12 ", json!(12)),
        (T::Number, "-0.5", json!(-0.5)),
        (T::Boolean, "Yes", json!(true)),
        (T::Boolean, "0", json!(false)),
        (T::Text, "", Value::Null),
        (T::Text, "12", json!("12")),
    ] {
        assert_eq!(read_text(&field(field_type, &[]), given), Ok(expected), "{given}");
    }
    let several = field(T::MultiSelect, &["A", "B", "C"]);
    assert_eq!(read_text(&several, "c;a;"), Ok(json!(["A", "C"])));
    assert_eq!(
        read_text(&field(T::Number, &[]), "inf"),
        Err("`sport` is a number such as `12.5`; this is `inf`".into())
    );
    assert_eq!(
        read_text(&field(T::Boolean, &[]), "perhaps"),
        Err("`sport` is `true` or `false` (or `yes`, `no`, `1`, `0`); this is `perhaps`".into())
    );
}

#[test]
fn keys_and_options_are_checked() {
    assert_eq!(check_key("sport_type2"), Ok(()));
    for key in ["", "2sport", "Sport", "sport-type", &"x".repeat(41)] {
        assert!(check_key(key).is_err(), "{key}");
    }
    assert_eq!(
        check_key("Sport"),
        Err(
            "`Sport` is not a key: up to 40 of a-z, 0-9 and `_`, beginning with a letter, e.g. `sport_type`"
                .into()
        )
    );
    let options = |field_type, options: &[&str]| {
        let owned: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        check_options(field_type, &owned)
    };
    use CustomFieldType as T;
    assert_eq!(
        options(T::Select, &[" a ", "b"]),
        Ok(vec!["a".into(), "b".into()])
    );
    assert_eq!(
        options(T::Text, &["a"]),
        Err("only SELECT and MULTI_SELECT have options, not TEXT".into())
    );
    assert_eq!(
        options(T::Select, &[]),
        Err("a SELECT has 1 to 200 options; this has 0".into())
    );
    assert_eq!(
        options(T::Select, &["a", "A"]),
        Err("the option `A` is there twice".into())
    );
    assert_eq!(
        options(T::MultiSelect, &["a;b"]),
        Err("the option `a;b` contains `;`, which stands between options in files".into())
    );
}

/// A field of some type with a value that it may be given.
fn given() -> impl Strategy<Value = (CustomField, Value)> {
    use CustomFieldType as T;
    let options = ["Road", "Mountain Bike", "-x", "1"];
    prop_oneof![
        ".{0,40}".prop_map(|text| (field(T::Text, &[]), json!(text))),
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(|number| (field(T::Number, &[]), json!(number))),
        any::<i64>().prop_map(|number| (field(T::Number, &[]), json!(number))),
        any::<bool>().prop_map(|yes| (field(T::Boolean, &[]), json!(yes))),
        (-700_000..2_000_000_i32).prop_map(|day| (field(T::Date, &[]), json!(Day(day).to_string()))),
        (-60_000_000_000_000_000..200_000_000_000_000_000_i64).prop_map(|at| {
            (
                field(T::DateTime, &[]),
                json!(Timestamp::from_micros(at).to_rfc3339()),
            )
        }),
        (0..options.len()).prop_map(move |n| (field(T::Select, &options), json!(options[n]))),
        proptest::sample::subsequence(options.to_vec(), 0..=4)
            .prop_map(move |chosen| (field(T::MultiSelect, &options), json!(chosen))),
        "[a-z]{1,9}\\.example/[a-z ;ä]{0,9}"
            .prop_map(|rest| (field(T::Url, &[]), json!(format!("https://{rest}")))),
    ]
}

proptest! {
    #[test]
    fn a_normal_value_stays_and_comes_back_from_text((field, value) in given()) {
        let Ok(normal) = check(&field, &value) else {
            // Only a text may be refused here: for a zero character.
            prop_assert_eq!(field.field_type, CustomFieldType::Text);
            return Ok(());
        };
        prop_assert_eq!(check(&field, &normal), Ok(normal.clone()));
        prop_assert_eq!(read_text(&field, &render_text(&normal)), Ok(normal));
    }
}
