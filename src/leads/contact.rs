//! Rules for the ways to reach a lead: e-mail, phone, web address, time zone, and the currency of a deal.
//!
//! Every `normalise_*` function is idempotent: what it returns, it returns again unchanged.

use std::str::FromStr;

use email_address::{EmailAddress, Error as EmailSyntax, Options as EmailOptions};

/// Longest e-mail address in bytes: RFC 5321 allows a path of 256 with its angle brackets.
pub const MAX_EMAIL_BYTES: usize = 254;
/// Longest part before the `@`, in bytes (RFC 5321, 4.5.3.1.1).
pub const MAX_LOCAL_PART_BYTES: usize = 64;
/// Longest web address, in bytes: what browsers and proxies agree on.
pub const MAX_URL_BYTES: usize = 2_048;
/// Longest text that is looked at as a phone number; E.164 has at most 15 digits.
const MAX_PHONE_CHARS: usize = 64;
/// Longest namespace of external ids, in characters.
const MAX_NAMESPACE_CHARS: usize = 100;

/// Why a contact value was not accepted. The messages name the value and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContactError {
    /// Not an e-mail address.
    #[error("`{value}` is not an e-mail address: {reason}; expected something like name@example.com")]
    Email {
        /// The value, shortened.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Not a phone number that can be dialled.
    #[error(
        "`{value}` is not a phone number: {reason}; expected a number with country code, like +5511961234567"
    )]
    Phone {
        /// The value, shortened.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A national number, and no region to read it in.
    #[error(
        "`{value}` has no country code: write it with a plus sign, like +5511961234567, or set a default region, like BR"
    )]
    PhoneWithoutRegion {
        /// The value, shortened.
        value: String,
    },
    /// Not a region that has phone numbers.
    #[error("unknown region `{value}`: expected the two letters of a country, like BR, DE or US")]
    Region {
        /// The value, shortened.
        value: String,
    },
    /// Not a web address.
    #[error("`{value}` is not a web address: {reason}; expected something like https://example.com")]
    Url {
        /// The value, shortened.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Not a time zone of the IANA data base.
    #[error("unknown time zone `{value}`: expected an IANA name, like America/Sao_Paulo or UTC")]
    TimeZone {
        /// The value, shortened.
        value: String,
    },
    /// Not a currency of ISO 4217.
    #[error("unknown currency `{value}`: expected three letters of ISO 4217, like BRL, EUR or USD")]
    Currency {
        /// The value, shortened.
        value: String,
    },
}

/// Why a text is no namespace of external ids.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a namespace: expected 1 to 100 letters, digits and . _ : / -, like shopify:main")]
pub struct NamespaceError {
    /// The value, shortened.
    value: String,
}

/// Trims and lower-cases an e-mail address and checks it: one `@`, the lengths of RFC 5321, a domain with at
/// least one dot and no address literal. A domain in other letters than ASCII is turned into its `xn--` form.
/// Quoted local parts (`"a b"@example.com`) are refused: hardly any mail system delivers to them.
///
/// # Errors
/// [`ContactError::Email`] says what is wrong.
pub fn normalise_email(value: &str) -> Result<String, ContactError> {
    let fault = |reason| ContactError::Email {
        value: shortened(value),
        reason,
    };
    let address = value.trim().to_lowercase();
    if address.is_empty() {
        return Err(fault("it is empty"));
    }
    let (local, domain) = address.split_once('@').ok_or_else(|| fault("it has no `@`"))?;
    if domain.contains('@') {
        return Err(fault("it has more than one `@`"));
    }
    if local.contains('"') {
        return Err(fault("a quoted part before the `@` is not supported"));
    }
    if local.len() > MAX_LOCAL_PART_BYTES {
        return Err(fault("the part before the `@` is longer than 64 bytes"));
    }
    let address = if domain.is_ascii() {
        address
    } else {
        match url::Host::parse(domain) {
            Ok(url::Host::Domain(ascii)) => format!("{local}@{ascii}"),
            _ => return Err(fault("the domain is not valid")),
        }
    };
    if address.len() > MAX_EMAIL_BYTES {
        return Err(fault("it is longer than 254 bytes"));
    }
    let options = EmailOptions::default()
        .without_display_text()
        .without_domain_literal()
        .with_required_tld();
    if let Err(error) = EmailAddress::parse_with_options(&address, options) {
        return Err(fault(email_fault(error)));
    }
    let last_label = address.rsplit('.').next().unwrap_or_default();
    if last_label.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(fault("the domain ends in a number"));
    }
    Ok(address)
}

fn email_fault(error: EmailSyntax) -> &'static str {
    match error {
        EmailSyntax::MissingSeparator => "it has no `@`",
        EmailSyntax::LocalPartEmpty => "nothing stands before the `@`",
        EmailSyntax::LocalPartTooLong => "the part before the `@` is longer than 64 bytes",
        EmailSyntax::DomainEmpty => "nothing stands after the `@`",
        EmailSyntax::DomainTooLong => "the domain is longer than 254 bytes",
        EmailSyntax::SubDomainTooLong => "a part of the domain is longer than 63 bytes",
        EmailSyntax::SubDomainEmpty | EmailSyntax::DomainInvalidSeparator => {
            "a dot in the domain is misplaced"
        }
        EmailSyntax::DomainTooFew => "the domain has no dot",
        EmailSyntax::UnsupportedDomainLiteral | EmailSyntax::InvalidIPAddress => {
            "the domain is an IP address, which is not supported"
        }
        EmailSyntax::UnsupportedDisplayName
        | EmailSyntax::MissingDisplayName
        | EmailSyntax::MissingEndBracket => "only the bare address is expected, without a name or brackets",
        EmailSyntax::InvalidCharacter | EmailSyntax::UnbalancedQuotes | EmailSyntax::InvalidComment => {
            "it has a character that is not allowed there"
        }
    }
}

/// The country in which a phone number without a country code is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhoneRegion(phonenumber::country::Id);

impl FromStr for PhoneRegion {
    type Err = ContactError;

    /// Reads the two letters of ISO 3166-1, in either case.
    fn from_str(value: &str) -> Result<Self, ContactError> {
        let letters = value.trim().to_ascii_uppercase();
        letters.parse().map(Self).map_err(|_| ContactError::Region {
            value: shortened(value),
        })
    }
}

/// Turns a phone number as people write it into E.164 (`+5511961234567`). A `tel:` in front, spaces, dashes,
/// dots, slashes and brackets are dropped, and so is an extension (`ext. 5`, `x5`, `#5`), which E.164 has no
/// place for. Where no region is given a leading `00` is read as `+`.
///
/// # Errors
/// [`ContactError::PhoneWithoutRegion`] for a national number with no region; [`ContactError::Phone`] for what
/// is not a number in use by the numbering plan of its country.
pub fn normalise_phone(value: &str, region: Option<PhoneRegion>) -> Result<String, ContactError> {
    let fault = |reason: &str| ContactError::Phone {
        value: shortened(value),
        reason: reason.to_owned(),
    };
    let text = value.trim();
    if text.is_empty() {
        return Err(fault("it is empty"));
    }
    if text.chars().nth(MAX_PHONE_CHARS).is_some() {
        return Err(fault("it is longer than 64 characters"));
    }
    let mut digits = dialled(text).map_err(|character| fault(&format!("`{character}` is not a digit")))?;
    if region.is_none() && digits.starts_with("00") {
        digits.replace_range(..2, "+");
    }
    match digits.bytes().filter(u8::is_ascii_digit).count() {
        0 => return Err(fault("it has no digits")),
        1..=4 => return Err(fault("it has too few digits")),
        25.. => return Err(fault("it has too many digits")),
        _ => {}
    }
    if !digits.starts_with('+') && region.is_none() {
        return Err(ContactError::PhoneWithoutRegion {
            value: shortened(value),
        });
    }
    let number = phonenumber::parse(region.map(|region| region.0), &digits).map_err(|error| {
        use phonenumber::ParseError;
        fault(match error {
            ParseError::InvalidCountryCode => "the country code does not exist",
            ParseError::TooShortAfterIdd | ParseError::TooShortNsn => "it has too few digits",
            ParseError::TooLong => "it has too many digits",
            ParseError::NoNumber | ParseError::MalformedInteger(_) => "the country has no such numbers",
        })
    })?;
    if !phonenumber::is_valid(&number) {
        return Err(fault("the country has no such numbers"));
    }
    Ok(number.format().mode(phonenumber::Mode::E164).to_string())
}

/// The digits to dial, with a leading `+` where there is one; the first foreign character otherwise.
fn dialled(text: &str) -> Result<String, char> {
    let text = match text.get(..4) {
        Some(scheme) if scheme.eq_ignore_ascii_case("tel:") => &text[4..],
        _ => text,
    };
    let mut digits = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '0'..='9' => digits.push(character),
            '+' if digits.is_empty() => digits.push('+'),
            // An extension begins: `x5`, `ext. 5`, `#5`, `;ext=5`.
            'x' | 'X' | 'e' | 'E' | '#' | ';' if digits.len() > 4 => break,
            '-' | '.' | '/' | '(' | ')' => {}
            // Dashes and blanks that spreadsheets and web pages put in.
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' => {}
            blank if blank.is_whitespace() => {}
            other => return Err(other),
        }
    }
    Ok(digits)
}

/// Checks a web address and gives it in the normal form of the URL standard; `https://` is put in front where
/// the scheme is missing.
///
/// # Errors
/// [`ContactError::Url`] for another scheme than http and https, a host without a dot, or more than 2,048 bytes.
pub fn normalise_url(value: &str) -> Result<String, ContactError> {
    let fault = |reason| ContactError::Url {
        value: shortened(value),
        reason,
    };
    let text = value.trim();
    if text.is_empty() {
        return Err(fault("it is empty"));
    }
    if text.len() > MAX_URL_BYTES {
        return Err(fault("it is longer than 2,048 bytes"));
    }
    if text.chars().any(char::is_whitespace) {
        return Err(fault("it has a blank in it"));
    }
    let parsed = if text.contains("://") {
        url::Url::parse(text)
    } else {
        url::Url::parse(&format!("https://{text}"))
    };
    let url = parsed.map_err(|_| fault("it cannot be read"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(fault("it is neither http nor https"));
    }
    match url.host() {
        Some(url::Host::Domain(domain)) if domain.trim_matches('.').contains('.') => {}
        Some(url::Host::Domain(_)) => return Err(fault("its host has no dot")),
        Some(_) => {}
        None => return Err(fault("it has no host")),
    }
    let text = String::from(url);
    if text.len() > MAX_URL_BYTES {
        return Err(fault("it is longer than 2,048 bytes"));
    }
    Ok(text)
}

/// Checks a time zone name (IANA, `America/Sao_Paulo`).
///
/// # Errors
/// [`ContactError::TimeZone`] for a name the data base does not have.
pub fn parse_time_zone(value: &str) -> Result<chrono_tz::Tz, ContactError> {
    value.trim().parse().map_err(|_| ContactError::TimeZone {
        value: shortened(value),
    })
}

/// A currency of ISO 4217.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The three letters, upper case.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Number of decimal places of its minor unit: 2 for BRL, 0 for JPY, 3 for KWD. What has no minor unit
    /// (gold, say) counts as 0.
    pub fn exponent(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }
}

impl FromStr for Currency {
    type Err = ContactError;

    /// Reads the three letters, in either case.
    fn from_str(value: &str) -> Result<Self, ContactError> {
        let fault = || ContactError::Currency {
            value: shortened(value),
        };
        let text = value.trim();
        if text.len() != 3 || !text.is_ascii() {
            return Err(fault());
        }
        iso_currency::Currency::from_code(&text.to_ascii_uppercase())
            .map(Self)
            .ok_or_else(fault)
    }
}

/// Trims and lower-cases the namespace of external ids and checks it: a name that can stand in a column's head and on a
/// command line without quotes.
///
/// # Errors
/// [`NamespaceError`] says what is valid.
pub fn normalise_namespace(value: &str) -> Result<String, NamespaceError> {
    let namespace = value.trim().to_lowercase();
    let valid = |character: char| character.is_alphanumeric() || "._:/-".contains(character);
    if (1..=MAX_NAMESPACE_CHARS).contains(&namespace.chars().count()) && namespace.chars().all(valid) {
        return Ok(namespace);
    }
    Err(NamespaceError {
        value: shortened(value),
    })
}

/// At most 80 characters of a value, for messages; control characters become blanks.
pub(crate) fn shortened(value: &str) -> String {
    const MAX_CHARS: usize = 80;
    let plain = |character: char| if character.is_control() { ' ' } else { character };
    match value.char_indices().nth(MAX_CHARS) {
        None => value.chars().map(plain).collect(),
        Some(_) => value
            .chars()
            .take(MAX_CHARS - 1)
            .map(plain)
            .chain(['…'])
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn brazil() -> Option<PhoneRegion> {
        Some("br".parse().unwrap())
    }

    fn email_reason(value: &str) -> &'static str {
        match normalise_email(value) {
            Err(ContactError::Email { reason, .. }) => reason,
            other => panic!("{value}: {other:?}"),
        }
    }

    #[test]
    fn emails_are_trimmed_and_lower_cased() {
        assert_eq!(
            normalise_email("  Ana.Souza+News@Example.COM\n").unwrap(),
            "ana.souza+news@example.com"
        );
        assert_eq!(
            normalise_email("ana@BÜCHER.example").unwrap(),
            "ana@xn--bcher-kva.example"
        );
        assert_eq!(
            normalise_email("o'brien@mail.example.co.uk").unwrap(),
            "o'brien@mail.example.co.uk"
        );
    }

    #[test]
    fn broken_emails_say_what_is_wrong() {
        assert_eq!(email_reason(""), "it is empty");
        assert_eq!(email_reason("ana"), "it has no `@`");
        assert_eq!(email_reason("ana@b@example.com"), "it has more than one `@`");
        assert_eq!(email_reason("@example.com"), "nothing stands before the `@`");
        assert_eq!(email_reason("ana@"), "nothing stands after the `@`");
        assert_eq!(email_reason("ana@localhost"), "the domain has no dot");
        assert_eq!(
            email_reason("ana@example..com"),
            "a dot in the domain is misplaced"
        );
        assert_eq!(email_reason("ana@10.0.0.1"), "the domain ends in a number");
        assert_eq!(
            email_reason("ana@[10.0.0.1]"),
            "the domain is an IP address, which is not supported"
        );
        assert_eq!(
            email_reason("\"a b\"@example.com"),
            "a quoted part before the `@` is not supported"
        );
        assert_eq!(
            email_reason("a b@example.com"),
            "it has a character that is not allowed there"
        );
        assert_eq!(
            email_reason("ana.@example.com"),
            "it has a character that is not allowed there"
        );
        let local = "a".repeat(65);
        assert_eq!(
            email_reason(&format!("{local}@example.com")),
            "the part before the `@` is longer than 64 bytes"
        );
        let domain = "abcdefghi.".repeat(25);
        assert_eq!(
            email_reason(&format!("ana@{domain}com")),
            "it is longer than 254 bytes"
        );
    }

    #[test]
    fn an_email_error_names_the_value_and_the_expected_form() {
        assert_eq!(
            normalise_email("ana@localhost").unwrap_err().to_string(),
            "`ana@localhost` is not an e-mail address: the domain has no dot; expected something like name@example.com"
        );
    }

    #[test]
    fn phones_become_e164() {
        for written in [
            "+55 11 96123-4567",
            "(11) 96123-4567",
            "tel:+55-11-96123-4567",
            "+55 (11) 96123.4567 ext. 12",
            "011961234567",
        ] {
            assert_eq!(
                normalise_phone(written, brazil()).unwrap(),
                "+5511961234567",
                "{written}"
            );
        }
        assert_eq!(
            normalise_phone("0055 11 96123 4567", None).unwrap(),
            "+5511961234567"
        );
        assert_eq!(
            normalise_phone("+44 20 7946 0958", brazil()).unwrap(),
            "+442079460958"
        );
        assert_eq!(
            normalise_phone("+1 (202) 555-0143", None).unwrap(),
            "+12025550143"
        );
    }

    #[test]
    fn a_national_number_needs_a_region() {
        assert_eq!(
            normalise_phone("11 96123-4567", None),
            Err(ContactError::PhoneWithoutRegion {
                value: "11 96123-4567".to_owned()
            })
        );
    }

    #[test]
    fn broken_phones_say_what_is_wrong() {
        let reason = |value: &str| match normalise_phone(value, brazil()) {
            Err(ContactError::Phone { reason, .. }) => reason,
            other => panic!("{value}: {other:?}"),
        };
        assert_eq!(reason(" "), "it is empty");
        assert_eq!(reason("n/a"), "`n` is not a digit");
        assert_eq!(reason("---"), "it has no digits");
        assert_eq!(reason("123"), "it has too few digits");
        assert_eq!(reason("+999 1234 5678"), "the country code does not exist");
        assert_eq!(reason("+55 11 1"), "the country has no such numbers");
        assert_eq!(reason("+55 00 0000 0000"), "the country has no such numbers");
        assert_eq!(
            "XQ".parse::<PhoneRegion>(),
            Err(ContactError::Region {
                value: "XQ".to_owned()
            })
        );
    }

    #[test]
    fn urls_get_a_scheme() {
        assert_eq!(normalise_url("Example.com").unwrap(), "https://example.com/");
        assert_eq!(
            normalise_url(" http://example.com/a?b=1 ").unwrap(),
            "http://example.com/a?b=1"
        );
        for bad in [
            "",
            "nowhere",
            "ftp://example.com",
            "https://",
            "two words.com",
            "javascript:alert(1)",
        ] {
            assert!(
                matches!(normalise_url(bad), Err(ContactError::Url { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn currencies_know_their_minor_units() {
        let exponent = |code: &str| {
            code.parse::<Currency>()
                .map(|currency| (currency.code(), currency.exponent()))
        };
        assert_eq!(exponent("brl"), Ok(("BRL", 2)));
        assert_eq!(exponent(" JPY "), Ok(("JPY", 0)));
        assert_eq!(exponent("KWD"), Ok(("KWD", 3)));
        assert_eq!(
            exponent("XYZ"),
            Err(ContactError::Currency {
                value: "XYZ".to_owned()
            })
        );
        assert_eq!(
            exponent("R$"),
            Err(ContactError::Currency {
                value: "R$".to_owned()
            })
        );
    }

    #[test]
    fn time_zones_are_iana_names() {
        assert_eq!(
            parse_time_zone(" America/Sao_Paulo "),
            Ok(chrono_tz::America::Sao_Paulo)
        );
        assert_eq!(
            parse_time_zone("Mars/Base").unwrap_err().to_string(),
            "unknown time zone `Mars/Base`: expected an IANA name, like America/Sao_Paulo or UTC"
        );
    }

    #[test]
    fn namespaces_are_plain_names() {
        let long = "x".repeat(MAX_NAMESPACE_CHARS);
        for good in ["shopify:main", "shop.de", "crm_2/eu-west", "müller", &long] {
            assert_eq!(normalise_namespace(good).as_deref(), Ok(good));
        }
        assert_eq!(
            normalise_namespace(" Shopify:Main ").as_deref(),
            Ok("shopify:main")
        );
        let too_long = "x".repeat(MAX_NAMESPACE_CHARS + 1);
        for bad in [
            "",
            " ",
            "my shop",
            "a\tb",
            "a\0",
            "\"shop\"",
            "it's",
            "{\"a\":1}",
            "[a]",
            "a,b",
            "a=b",
            &too_long,
        ] {
            assert!(normalise_namespace(bad).is_err(), "{bad}");
        }
        assert_eq!(
            normalise_namespace("my shop").unwrap_err().to_string(),
            "`my shop` is not a namespace: expected 1 to 100 letters, digits and . _ : / -, like shopify:main"
        );
    }

    #[test]
    fn long_values_are_shortened_in_messages() {
        let text = shortened(&"ä".repeat(200));
        assert_eq!(text.chars().count(), 80);
        assert!(text.ends_with('…'));
        assert_eq!(shortened("a\nb"), "a b");
    }

    proptest! {
        #[test]
        fn normalising_an_email_twice_changes_nothing(
            value in prop_oneof![any::<String>(), "[ A-Za-z0-9.+_-]{1,20}@[A-Za-z0-9äß.-]{1,20}\\.[a-zA-Z]{2,5} ?"]
        ) {
            if let Ok(once) = normalise_email(&value) {
                prop_assert_eq!(normalise_email(&once), Ok(once));
            }
        }

        #[test]
        fn normalising_a_phone_twice_changes_nothing(
            value in prop_oneof![any::<String>(), "[+(]?[0-9 ()./x-]{3,24}"],
            region in prop::sample::select(vec![None, Some("BR"), Some("US"), Some("DE"), Some("IT"), Some("AR")])
        ) {
            let region = region.map(|code| code.parse().unwrap());
            if let Ok(once) = normalise_phone(&value, region) {
                prop_assert!(once.starts_with('+'));
                prop_assert_eq!(normalise_phone(&once, region), Ok(once.clone()));
                prop_assert_eq!(normalise_phone(&once, None), Ok(once));
            }
        }

        #[test]
        fn normalising_a_url_twice_changes_nothing(value in prop_oneof![any::<String>(), "(https?://)?[a-zA-Z.]{1,12}(/[ -~]{0,20})?"]) {
            if let Ok(once) = normalise_url(&value) {
                prop_assert_eq!(normalise_url(&once), Ok(once));
            }
        }

        #[test]
        fn normalising_a_namespace_twice_changes_nothing(value in prop_oneof![any::<String>(), "[ -~]{1,20}"]) {
            if let Ok(once) = normalise_namespace(&value) {
                prop_assert_eq!(normalise_namespace(&once), Ok(once));
            }
        }

        #[test]
        fn no_input_makes_the_small_checks_panic(value in any::<String>()) {
            let known = parse_time_zone(&value).is_ok() || value.parse::<Currency>().is_ok();
            prop_assert!(!known || value.is_ascii());
            prop_assert!(shortened(&value).chars().count() <= 80);
        }
    }
}
