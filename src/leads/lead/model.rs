//! The rules of a lead: what is a valid change, and what it makes of a lead. Pure.

use entity::id::LeadId;
use entity::{Day, IdentityKind, Stage, Timestamp, lead};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::change::{ExternalId, LeadChange, LeadField, LeadFields, Patch};
use crate::error::Problem;
use crate::leads::contact::{self, Currency, shortened};
use crate::leads::custom_fields::{self, Definitions, read_text};

/// What can be wrong with a call about leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, async_graphql::Enum)]
#[graphql(name = "LeadErrorCode")]
pub enum LeadProblem {
    /// Nothing that tells the lead apart: an e-mail, a phone number or an external id is needed.
    IdentityRequired,
    /// Another lead is known by this e-mail, phone number or external id.
    IdentityTaken,
    /// The identities belong to different leads.
    Ambiguous,
    /// A value is malformed.
    Invalid,
    /// A required custom field is missing.
    Required,
    /// There is no such lead.
    NotFound,
    /// The lead has changed since it was read, or the idempotency key was used with another input.
    Conflict,
    /// More items than one call takes.
    TooMany,
    /// The lead is, or would be, outside of what the row filter of the token shows.
    OutsideRowFilter,
}

/// The problem of a call about leads.
pub type LeadFault = Problem<LeadProblem>;

/// Longest texts, in characters.
const SHORT: usize = 100;
const NAME: usize = 200;
const LONG: usize = 300;
/// Most interests of a lead, facts about its source, values of a multi-selection, external ids in a change.
const MOST: usize = 100;
/// Longest text of a custom field or a fact about the source, in characters.
const MAX_VALUE_CHARS: usize = 2_000;
/// Longest JSON text of the custom values or of the facts about the source, in bytes.
const MAX_JSON_BYTES: usize = 65_536;
/// Moments of creation before this are taken for mistakes.
const OLDEST: Timestamp = Day(-25_567).start();
/// How far the clock of whoever tells a moment of creation may be ahead, in seconds.
const CLOCK_SKEW_SECONDS: i64 = 86_400;

/// ISO 3166-1 alpha-2, and XK, which is in common use for Kosovo.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ \
    BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER \
    ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM \
    IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF \
    MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK \
    PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD \
    TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

/// An identity as the table has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// What kind.
    pub kind: IdentityKind,
    /// Whose, for an external id; else empty.
    pub namespace: String,
    /// Normalised value.
    pub value: String,
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            kind,
            namespace,
            value,
        } = self;
        match kind {
            IdentityKind::Email => write!(f, "e-mail `{value}`"),
            IdentityKind::Phone => write!(f, "phone number `{value}`"),
            IdentityKind::External => write!(f, "external id `{namespace}`/`{value}`"),
        }
    }
}

/// The identities that a checked change names, with the input field of each.
pub fn identities(change: &LeadChange) -> impl Iterator<Item = (Identity, &'static str)> {
    let of = |kind, value: &String| Identity {
        kind,
        namespace: String::new(),
        value: value.clone(),
    };
    let email = change
        .email
        .value()
        .map(|value| (of(IdentityKind::Email, value), "email"));
    let phone = change
        .phone
        .value()
        .map(|value| (of(IdentityKind::Phone, value), "phone"));
    let external = change.external_ids.iter().map(|ExternalId { namespace, value }| {
        let identity = Identity {
            kind: IdentityKind::External,
            namespace: namespace.clone(),
            value: value.clone(),
        };
        (identity, "externalIds")
    });
    email.into_iter().chain(phone).chain(external)
}

/// Normalises a change in place and answers all that is wrong with it; what is wrong is left as it was.
pub fn check(change: &mut LeadChange, definitions: &Definitions, now: Timestamp) -> Vec<LeadFault> {
    let mut problems = Vec::new();
    let normal = change.contact_is_normal;
    let contact = |value: &str, rule: fn(&str) -> Result<String, contact::ContactError>| {
        if normal {
            Ok(value.to_owned())
        } else {
            rule(value).map_err(|error| error.to_string())
        }
    };
    text(&mut change.email, "email", usize::MAX, &mut problems, |value| {
        contact(value, contact::normalise_email)
    });
    text(&mut change.phone, "phone", usize::MAX, &mut problems, |value| {
        contact(value, |value| contact::normalise_phone(value, None))
    });
    text(
        &mut change.website,
        "website",
        usize::MAX,
        &mut problems,
        |value| contact(value, contact::normalise_url),
    );
    text(&mut change.time_zone, "timeZone", SHORT, &mut problems, |value| {
        contact(value, |value| {
            contact::parse_time_zone(value).map(|zone| zone.name().to_owned())
        })
    });
    text(
        &mut change.owner,
        "ownerEmail",
        usize::MAX,
        &mut problems,
        |value| contact::normalise_email(value).map_err(|error| error.to_string()),
    );
    text(&mut change.country, "country", usize::MAX, &mut problems, country);
    text(
        &mut change.language,
        "language",
        usize::MAX,
        &mut problems,
        language,
    );
    text(
        &mut change.deal_currency,
        "dealCurrency",
        usize::MAX,
        &mut problems,
        |value| {
            let currency = value.parse::<Currency>().map_err(|error| error.to_string())?;
            Ok(currency.code().to_owned())
        },
    );
    let plain = |value: &str| Ok(value.to_owned());
    for (patch, name, most) in [
        (&mut change.first_name, "firstName", NAME),
        (&mut change.last_name, "lastName", NAME),
        (&mut change.company_name, "companyName", LONG),
        (&mut change.job_title, "jobTitle", NAME),
        (&mut change.street, "street", LONG),
        (&mut change.city, "city", NAME),
        (&mut change.region, "region", NAME),
        (&mut change.postal_code, "postalCode", SHORT),
        (&mut change.customer_type, "customerType", SHORT),
        (&mut change.source, "source", SHORT),
        (&mut change.deal_stage, "dealStage", SHORT),
    ] {
        text(patch, name, most, &mut problems, plain);
    }
    interests(&mut change.interests, &mut problems);
    external_ids(&mut change.external_ids, &mut problems);
    for (key, value) in &mut change.custom {
        custom_value(key, value, definitions, &mut problems);
    }
    source_detail(&mut change.source_detail, &mut problems);
    if let Patch::Set(value) = &change.deal_value
        && value.is_sign_negative()
        && !value.is_zero()
    {
        problems.push(invalid(
            "dealValue",
            format!("`{value}` is negative; it has to be 0 or more"),
        ));
    }
    if let Some(at) = change.created_at
        && (at < OLDEST || at > now.plus_seconds(CLOCK_SKEW_SECONDS))
    {
        problems.push(invalid(
            "createdAt",
            format!("`{at}` is no moment at which a lead became known: expected one from 1900 until now"),
        ));
    }
    problems
}

fn invalid(path: &str, message: impl Into<String>) -> LeadFault {
    Problem::new(path, LeadProblem::Invalid, message)
}

/// What is wrong with any text, whatever it is for.
fn text_fault(value: &str, most: usize) -> Option<String> {
    if value.contains('\0') {
        return Some(format!("`{}` has a NUL character in it", shortened(value)));
    }
    // A text of few bytes has few characters: the count is rarely needed.
    if value.len() > most && value.chars().count() > most {
        return Some(format!(
            "`{}` is too long: it has {} characters, the most is {most}",
            shortened(value),
            value.chars().count()
        ));
    }
    None
}

fn text(
    patch: &mut Patch<String>,
    path: &str,
    most: usize,
    problems: &mut Vec<LeadFault>,
    rule: impl Fn(&str) -> Result<String, String>,
) {
    let Patch::Set(value) = patch else { return };
    let trimmed = value.trim();
    if trimmed.is_empty() {
        *patch = Patch::Clear;
        return;
    }
    let outcome = match text_fault(trimmed, most) {
        Some(fault) => Err(fault),
        None => rule(trimmed),
    };
    match outcome {
        Ok(normal) => {
            if normal != *value {
                *value = normal;
            }
        }
        Err(message) => problems.push(invalid(path, message)),
    }
}

fn country(value: &str) -> Result<String, String> {
    let code = value.to_ascii_uppercase();
    if code.len() == 2 && COUNTRIES.split(' ').any(|known| known == code) {
        Ok(code)
    } else {
        Err(format!(
            "unknown country `{}`: expected the two letters of ISO 3166-1, like BR, DE or US",
            shortened(value)
        ))
    }
}

/// Language, then script, region and variants of BCP 47, in their usual case.
fn language(value: &str) -> Result<String, String> {
    let fault = || {
        format!(
            "`{}` is not a language tag: expected BCP 47, like pt-BR, de or zh-Hant",
            shortened(value)
        )
    };
    if value.len() > 35 {
        return Err(fault());
    }
    let mut tag = String::with_capacity(value.len());
    for (n, part) in value.split(['-', '_']).enumerate() {
        let letters = part.bytes().all(|byte| byte.is_ascii_alphabetic());
        let valid = if n == 0 {
            letters && matches!(part.len(), 2 | 3)
        } else {
            matches!(part.len(), 2..=8) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if !valid {
            return Err(fault());
        }
        if n > 0 {
            tag.push('-');
        }
        match part.len() {
            2 if n > 0 && letters => tag.push_str(&part.to_ascii_uppercase()),
            4 if n > 0 && letters => {
                tag.push_str(&part[..1].to_ascii_uppercase());
                tag.push_str(&part[1..].to_ascii_lowercase());
            }
            _ => tag.push_str(&part.to_ascii_lowercase()),
        }
    }
    Ok(tag)
}

fn interests(patch: &mut Patch<Vec<String>>, problems: &mut Vec<LeadFault>) {
    let Patch::Set(values) = patch else { return };
    let mut kept: Vec<String> = Vec::with_capacity(values.len());
    for value in values.iter() {
        let value = value.trim();
        if let Some(fault) = text_fault(value, SHORT) {
            problems.push(invalid("interests", fault));
        } else if !value.is_empty() && !kept.iter().any(|known| known == value) {
            kept.push(value.to_owned());
        }
    }
    if kept.len() > MOST {
        problems.push(invalid(
            "interests",
            format!("{} interests are too many: the most is {MOST}", kept.len()),
        ));
    }
    *patch = if kept.is_empty() {
        Patch::Clear
    } else {
        Patch::Set(kept)
    };
}

fn external_ids(ids: &mut Vec<ExternalId>, problems: &mut Vec<LeadFault>) {
    if ids.len() > MOST {
        problems.push(invalid(
            "externalIds",
            format!("{} external ids are too many: the most is {MOST}", ids.len()),
        ));
        return;
    }
    for (n, ExternalId { namespace, value }) in ids.iter_mut().enumerate() {
        match contact::normalise_namespace(namespace) {
            Ok(normal) => *namespace = normal,
            Err(error) => {
                problems.push(invalid(&format!("externalIds.{n}.namespace"), error.to_string()));
            }
        }
        *value = value.trim().to_owned();
        let fault = if value.is_empty() {
            Some("it is empty: expected the id in the namespace".to_owned())
        } else {
            text_fault(value, NAME)
        };
        if let Some(fault) = fault {
            problems.push(invalid(&format!("externalIds.{n}.value"), fault));
        }
    }
    if ids.len() > 1 {
        ids.sort_unstable();
        ids.dedup();
    }
}

fn source_detail(entries: &mut [(String, Option<Value>)], problems: &mut Vec<LeadFault>) {
    for (key, value) in entries {
        let path = "sourceDetail";
        if key.is_empty() || text_fault(key, SHORT).is_some() {
            problems.push(invalid(
                path,
                format!(
                    "`{}` is not a key: expected 1 to {SHORT} characters without NUL",
                    shortened(key)
                ),
            ));
        }
        match value {
            Some(Value::Null) => *value = None,
            Some(Value::String(text)) => {
                if let Some(fault) = text_fault(text, MAX_VALUE_CHARS) {
                    problems.push(invalid(path, fault));
                }
            }
            Some(other @ (Value::Array(_) | Value::Object(_))) if has_nul(other) => {
                problems.push(invalid(path, format!("`{key}` has a NUL character in it")));
            }
            _ => {}
        }
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(map) => map
            .iter()
            .any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

/// Checks a value against its definition and brings it to the form that is stored. A text is read as the type of
/// the field (files have nothing but texts).
fn custom_value(
    key: &str,
    value: &mut Option<Value>,
    definitions: &Definitions,
    problems: &mut Vec<LeadFault>,
) {
    let checked = match definitions.get(key) {
        None => Err(definitions.unknown(key)),
        Some(field) => match value.as_ref().unwrap_or(&Value::Null) {
            Value::String(text) => read_text(field, text),
            given => custom_fields::check(field, given),
        },
    };
    match checked {
        Ok(normal) => *value = Some(normal).filter(|normal| !normal.is_null()),
        Err(message) => problems.push(invalid(&format!("custom.{key}"), message)),
    }
}

/// A lead of which nothing is known yet.
#[must_use]
pub fn blank(id: LeadId, change: &LeadChange, now: Timestamp) -> lead::Model {
    let since = change.created_at.unwrap_or(now).min(now);
    lead::Model {
        id,
        email: None,
        phone: None,
        first_name: None,
        last_name: None,
        company_name: None,
        job_title: None,
        website: None,
        street: None,
        city: None,
        region: None,
        postal_code: None,
        country: None,
        time_zone: None,
        language: None,
        customer_type: None,
        interests: "[]".to_owned(),
        custom: "{}".to_owned(),
        source: None,
        source_detail: "{}".to_owned(),
        deal_stage: None,
        deal_value_minor: None,
        deal_currency: None,
        expected_close: None,
        owner: None,
        sort_name: String::new(),
        stage: change.stage.unwrap_or(Stage::New),
        stage_since: since,
        version: 1,
        created_at: since,
        updated_at: now,
        deleted_at: None,
        erased_at: None,
    }
}

/// The required custom fields that a new lead lacks.
#[must_use]
pub fn missing(lead: &lead::Model, definitions: &Definitions) -> Vec<LeadFault> {
    let values = object(&lead.custom);
    definitions
        .missing(&values)
        .map(|field| {
            let key = &field.key;
            Problem::new(
                &format!("custom.{key}"),
                LeadProblem::Required,
                format!("the custom field `{key}` is required"),
            )
        })
        .collect()
}

/// Applies a checked change to a lead; answers which fields really changed. `email` and `phone` say whether those
/// are taken over (an upsert by a further address of a lead does not make it the primary one).
///
/// # Errors
/// What can only be told with the lead at hand: an amount without a currency, or with too many decimals for it.
pub fn apply(change: &LeadChange, lead: &mut lead::Model, take: Primary) -> Result<LeadFields, LeadFault> {
    let mut changed = LeadFields::default();
    deal(change, lead, &mut changed)?;
    if take.email {
        put(&mut lead.email, &change.email, LeadField::Email, &mut changed);
    }
    if take.phone {
        put(&mut lead.phone, &change.phone, LeadField::Phone, &mut changed);
    }
    let (source, source_detail) = if change.is_first_source && lead.source.is_some() {
        (&Patch::Keep, &Vec::new())
    } else {
        (&change.source, &change.source_detail)
    };
    for (field, patch, name) in [
        (&mut lead.first_name, &change.first_name, LeadField::FirstName),
        (&mut lead.last_name, &change.last_name, LeadField::LastName),
        (
            &mut lead.company_name,
            &change.company_name,
            LeadField::CompanyName,
        ),
        (&mut lead.job_title, &change.job_title, LeadField::JobTitle),
        (&mut lead.website, &change.website, LeadField::Website),
        (&mut lead.street, &change.street, LeadField::Street),
        (&mut lead.city, &change.city, LeadField::City),
        (&mut lead.region, &change.region, LeadField::Region),
        (&mut lead.postal_code, &change.postal_code, LeadField::PostalCode),
        (&mut lead.country, &change.country, LeadField::Country),
        (&mut lead.time_zone, &change.time_zone, LeadField::TimeZone),
        (&mut lead.language, &change.language, LeadField::Language),
        (
            &mut lead.customer_type,
            &change.customer_type,
            LeadField::CustomerType,
        ),
        (&mut lead.source, source, LeadField::Source),
        (&mut lead.deal_stage, &change.deal_stage, LeadField::DealStage),
        (&mut lead.owner, &change.owner, LeadField::Owner),
    ] {
        put(field, patch, name, &mut changed);
    }
    put(
        &mut lead.expected_close,
        &change.expected_close,
        LeadField::ExpectedClose,
        &mut changed,
    );
    let interests = match &change.interests {
        Patch::Keep => None,
        Patch::Clear => Some("[]".to_owned()),
        Patch::Set(values) => Some(Value::from(values.as_slice()).to_string()),
    };
    if let Some(interests) = interests
        && interests != lead.interests
    {
        lead.interests = interests;
        changed.insert(LeadField::Interests);
    }
    for (field, entries, name) in [
        (&mut lead.custom, &change.custom, LeadField::Custom),
        (&mut lead.source_detail, source_detail, LeadField::SourceDetail),
    ] {
        if entries.is_empty() {
            continue;
        }
        if let Some(merged) = merged(field, entries) {
            if merged.len() > MAX_JSON_BYTES {
                return Err(invalid(
                    name.name(),
                    format!(
                        "all values together have {} bytes; the most is {MAX_JSON_BYTES}",
                        merged.len()
                    ),
                ));
            }
            *field = merged;
            changed.insert(name);
        }
    }
    if !changed.is_empty() {
        lead.sort_name = sort_name(lead);
    }
    Ok(changed)
}

/// What a lead is ordered by as its name: lower case, last name first; company, e-mail or phone where it has no name.
/// At most 100 characters, so that an index row stays small.
#[must_use]
pub fn sort_name(lead: &lead::Model) -> String {
    let name = [lead.last_name.as_deref(), lead.first_name.as_deref()];
    let mut name = name.into_iter().flatten().collect::<Vec<_>>().join(" ");
    if name.is_empty() {
        let other = [&lead.company_name, &lead.email, &lead.phone];
        name = other.into_iter().flatten().next().cloned().unwrap_or_default();
    }
    if let Some((end, _)) = name.char_indices().nth(SHORT) {
        name.truncate(end);
    }
    name.to_lowercase()
}

/// Takes everything personal out of a lead; what is left counts it in statistics: its source, stage, deal and times.
pub fn erase(lead: &mut lead::Model, now: Timestamp) {
    let lead::Model {
        id: _,
        email,
        phone,
        first_name,
        last_name,
        company_name,
        job_title,
        website,
        street,
        city,
        region,
        postal_code,
        country: _,
        time_zone,
        language,
        customer_type: _,
        interests,
        custom,
        source: _,
        source_detail,
        deal_stage: _,
        deal_value_minor: _,
        deal_currency: _,
        expected_close: _,
        owner,
        sort_name,
        stage: _,
        stage_since: _,
        version,
        created_at: _,
        updated_at,
        deleted_at,
        erased_at,
    } = lead;
    for text in [
        email,
        phone,
        first_name,
        last_name,
        company_name,
        job_title,
        website,
        street,
        city,
        region,
        postal_code,
        time_zone,
        language,
        owner,
    ] {
        *text = None;
    }
    "[]".clone_into(interests);
    "{}".clone_into(custom);
    "{}".clone_into(source_detail);
    sort_name.clear();
    *version += 1;
    *updated_at = now;
    deleted_at.get_or_insert(now);
    *erased_at = Some(now);
}

/// Which of the primary ways to reach a lead a change may set.
#[derive(Clone, Copy, Debug)]
pub struct Primary {
    /// The e-mail address.
    pub email: bool,
    /// The phone number.
    pub phone: bool,
}

fn put<T: Clone + PartialEq>(
    field: &mut Option<T>,
    patch: &Patch<T>,
    name: LeadField,
    changed: &mut LeadFields,
) {
    match patch {
        Patch::Keep => {}
        Patch::Clear => {
            if field.take().is_some() {
                changed.insert(name);
            }
        }
        Patch::Set(value) => {
            if field.as_ref() != Some(value) {
                *field = Some(value.clone());
                changed.insert(name);
            }
        }
    }
}

/// The object with the entries put in; `None` when that changes nothing.
fn merged(json: &str, entries: &[(String, Option<Value>)]) -> Option<String> {
    let mut map = object(json);
    let mut differs = false;
    for (key, value) in entries {
        match value {
            Some(value) => {
                if map.get(key) != Some(value) {
                    map.insert(key.clone(), value.clone());
                    differs = true;
                }
            }
            None => differs |= map.remove(key).is_some(),
        }
    }
    differs.then(|| Value::Object(map).to_string())
}

/// Reads a JSON object as it is stored.
#[must_use]
pub fn object(json: &str) -> Map<String, Value> {
    if json == "{}" {
        return Map::new();
    }
    serde_json::from_str(json).unwrap_or_default()
}

fn deal(change: &LeadChange, lead: &mut lead::Model, changed: &mut LeadFields) -> Result<(), LeadFault> {
    if change.deal_value.is_keep() && change.deal_currency.is_keep() {
        return Ok(());
    }
    let before = lead.deal_currency.clone();
    let currency = match &change.deal_currency {
        Patch::Keep => before.clone(),
        Patch::Clear => None,
        Patch::Set(code) => Some(code.clone()),
    };
    let exponent = |code: &str| code.parse::<Currency>().map_or(2, Currency::exponent);
    let value = match (&change.deal_value, lead.deal_value_minor, &before) {
        (Patch::Set(value), _, _) => Some(*value),
        (Patch::Keep, Some(minor), Some(before)) => Some(Decimal::new(minor, exponent(before))),
        _ => None,
    };
    let minor = match (value, &currency) {
        (None, _) => None,
        (Some(_), None) => {
            return Err(invalid(
                "dealCurrency",
                "a deal with a value needs a currency of ISO 4217, like BRL, EUR or USD",
            ));
        }
        (Some(value), Some(code)) => Some(minor_units(value, code, exponent(code))?),
    };
    put(
        &mut lead.deal_currency,
        &change.deal_currency,
        LeadField::DealCurrency,
        changed,
    );
    if lead.deal_value_minor != minor {
        lead.deal_value_minor = minor;
        changed.insert(LeadField::DealValue);
    }
    Ok(())
}

/// An amount in minor units of its currency.
fn minor_units(value: Decimal, code: &str, exponent: u32) -> Result<i64, LeadFault> {
    if value.normalize().scale() > exponent {
        return Err(invalid(
            "dealValue",
            format!("`{value}` has too many decimals: {code} has {exponent}"),
        ));
    }
    Decimal::from(10_i64.pow(exponent))
        .checked_mul(value)
        .and_then(|minor| minor.to_i64())
        .ok_or_else(|| {
            invalid(
                "dealValue",
                format!("`{value}` is too large: 64-bit minor units are the most"),
            )
        })
}
