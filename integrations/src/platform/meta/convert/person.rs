//! What people are matched by: normalised by the platform's rules, then hashed.

use chrono::Datelike as _;

use crate::facet::Person;
use crate::platform::meta::wire::UserData;
use crate::signature::sha256_hex;

/// What a row of an audience is made of, in this order.
pub(in crate::platform::meta) const SCHEMA: &[&str] = &[
    "EXTERN_ID",
    "EMAIL",
    "PHONE",
    "FN",
    "LN",
    "CT",
    "ST",
    "ZIP",
    "COUNTRY",
    "DOBY",
    "DOBM",
    "DOBD",
];

/// Whether the platform could find a person: by address or number, or by name together with where or when.
pub(in crate::platform::meta) fn is_matchable(person: &Person) -> bool {
    let name = || {
        has(person.first_name.as_deref().and_then(name)) && has(person.last_name.as_deref().and_then(name))
    };
    let place =
        || has(postal_code(person)) || has(person.city.as_deref().and_then(place)) || person.born.is_some();
    has(person.email.as_deref().and_then(email))
        || has(person.phone.as_deref().and_then(phone))
        || (name() && place())
}

fn has(value: Option<String>) -> bool {
    value.is_some()
}

/// A row of an audience; what is not known is empty.
pub(in crate::platform::meta) fn row(person: &Person) -> Vec<String> {
    let hashed = |value: Option<String>| value.map(|value| hash(&value)).unwrap_or_default();
    let born = |text: &dyn Fn(chrono::NaiveDate) -> String| hashed(person.born.map(text));
    vec![
        person.external_id.trim().to_owned(),
        hashed(person.email.as_deref().and_then(email)),
        hashed(person.phone.as_deref().and_then(phone)),
        hashed(person.first_name.as_deref().and_then(name)),
        hashed(person.last_name.as_deref().and_then(name)),
        hashed(person.city.as_deref().and_then(place)),
        hashed(person.region.as_deref().and_then(place)),
        hashed(postal_code(person)),
        hashed(person.country.as_deref().and_then(country)),
        born(&|day| format!("{:04}", day.year())),
        born(&|day| format!("{:02}", day.month())),
        born(&|day| format!("{:02}", day.day())),
    ]
}

/// What an event tells of a person.
pub(super) fn user_data(person: &Person) -> UserData {
    let hashed = |value: Option<String>| value.map(|value| [hash(&value)]);
    UserData {
        em: hashed(person.email.as_deref().and_then(email)),
        ph: hashed(person.phone.as_deref().and_then(phone)),
        first: hashed(person.first_name.as_deref().and_then(name)),
        last: hashed(person.last_name.as_deref().and_then(name)),
        db: hashed(person.born.map(|day| day.format("%Y%m%d").to_string())),
        ct: hashed(person.city.as_deref().and_then(place)),
        st: hashed(person.region.as_deref().and_then(place)),
        zp: hashed(postal_code(person)),
        country: hashed(person.country.as_deref().and_then(country)),
        external_id: hashed(some(person.external_id.trim().to_owned())),
        ..UserData::default()
    }
}

fn hash(normal: &str) -> String {
    sha256_hex(normal.as_bytes())
}

/// An empty text is not hashed: its hash would match whoever has none either.
fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn email(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    text.contains('@').then_some(text)
}

/// Digits with the country's code, without the plus.
fn phone(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_start_matches('0');
    (7..=15).contains(&digits.len()).then(|| digits.to_owned())
}

/// Letters of all scripts stay; spaces within too.
fn name(text: &str) -> Option<String> {
    let kept: String = text
        .to_lowercase()
        .chars()
        .filter(|letter| !is_punctuation(*letter))
        .collect();
    some(kept.trim().to_owned())
}

/// Cities and regions: letters alone.
fn place(text: &str) -> Option<String> {
    let unwanted = |letter: char| is_punctuation(letter) || letter.is_whitespace() || letter.is_numeric();
    some(
        text.to_lowercase()
            .chars()
            .filter(|letter| !unwanted(*letter))
            .collect(),
    )
}

/// Without spaces and dashes; in the US the first five digits.
fn postal_code(person: &Person) -> Option<String> {
    let code: String = person
        .postal_code
        .as_deref()?
        .to_lowercase()
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .collect();
    let american = person.country.as_deref().and_then(country).as_deref() == Some("us");
    if american {
        let first = code.split('-').next().unwrap_or_default();
        return some(first.chars().take(5).collect());
    }
    some(code.replace('-', ""))
}

fn country(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_lowercase())).then_some(text)
}

fn is_punctuation(letter: char) -> bool {
    letter.is_ascii_punctuation()
        || letter.is_control()
        || matches!(letter, '\u{2010}'..='\u{2027}' | '\u{3001}'..='\u{3003}' | '«' | '»' | '¡' | '¿' | '·' | '´' | '¨')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_vectors_of_the_documentation() {
        for (normal, expected) in [
            (
                email(" John_Smith@gmail.com "),
                "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f",
            ),
            (
                phone("+1 (650) 555-1212"),
                "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176",
            ),
            (
                name("Mary"),
                "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec",
            ),
            (
                name("Valéry"),
                "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c",
            ),
        ] {
            assert_eq!(hash(&normal.unwrap()), expected);
        }
    }

    #[test]
    fn what_is_left_empty_is_not_hashed() {
        let person = Person {
            external_id: "p-1".to_owned(),
            email: Some("no address".to_owned()),
            phone: Some("+0000".to_owned()),
            first_name: Some("…".to_owned()),
            city: Some(" 123 ".to_owned()),
            country: Some("Germany".to_owned()),
            ..Person::default()
        };
        let row = row(&person);
        assert_eq!(row[0], "p-1");
        assert!(row[1..].iter().all(String::is_empty), "{row:?}");
        assert_eq!(row.len(), SCHEMA.len());
        assert!(!is_matchable(&person));
        let data = user_data(&person);
        assert_eq!(data.external_id, Some([hash("p-1")]));
        assert_eq!(
            (data.em, data.ph, data.first, data.ct, data.country),
            (None, None, None, None, None)
        );
    }

    #[test]
    fn normal_forms() {
        assert_eq!(name("O’Hara-Núñez").as_deref(), Some("oharanúñez"));
        assert_eq!(name(" Van der Berg ").as_deref(), Some("van der berg"));
        assert_eq!(place("St. Louis 2").as_deref(), Some("stlouis"));
        assert_eq!(phone("0049 30 123456").as_deref(), Some("4930123456"));
        let code = |code: &str, country: &str| {
            postal_code(&Person {
                postal_code: Some(code.to_owned()),
                country: Some(country.to_owned()),
                ..Person::default()
            })
        };
        assert_eq!(code("94025-1234", "US").as_deref(), Some("94025"));
        assert_eq!(code("00-950", "PL").as_deref(), Some("00950"));
        assert_eq!(code("M1 1AE", "GB").as_deref(), Some("m11ae"));
    }

    /// Made by `facebook_business` 26.0.3 (`PyPI`), `Normalize.normalize_field`, for values where its rules and those of the
    /// documentation agree.
    #[test]
    fn as_the_official_library_hashes() {
        let vectors: Vec<Value> = serde_json::from_str(include_str!("hashes.json")).unwrap();
        assert!(vectors.len() >= 20);
        for vector in vectors {
            let (field, value) = (
                vector["field"].as_str().unwrap(),
                vector["value"].as_str().unwrap(),
            );
            let normal = match field {
                "em" => email(value),
                "ph" => phone(value),
                "fn" | "ln" => name(value),
                "ct" | "st" => place(value),
                "zp" => postal_code(&Person {
                    postal_code: Some(value.to_owned()),
                    country: Some("US".to_owned()),
                    ..Person::default()
                }),
                "country" => country(value),
                other => panic!("no field {other}"),
            };
            assert_eq!(hash(&normal.unwrap()), vector["hash"], "{field} {value}");
        }
    }

    proptest! {
        #[test]
        fn a_normal_form_is_its_own(text in "\\PC{0,40}") {
            for normal in [email, phone, name, place, country] {
                if let Some(once) = normal(&text) {
                    prop_assert!(!once.is_empty());
                    prop_assert_eq!(normal(&once), Some(once));
                }
            }
        }
    }
}
