//! Who a lead is.

use entity::Timestamp;
use serde_json::{Value, json};

use super::dice::Dice;
use super::places::{City, LANDS, Land};
use super::words;

/// All that is known of a lead when it becomes known.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// When it became known.
    pub created_at: Timestamp,
    /// Its identifier in the namespace [`NAMESPACE`](super::NAMESPACE): each lead has one.
    pub external_id: String,
    /// E-mail address; one in twenty-five has none.
    pub email: Option<String>,
    /// Mobile number in E.164.
    pub phone: Option<String>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// Company.
    pub company_name: Option<String>,
    /// Job title.
    pub job_title: Option<String>,
    /// The company's web address.
    pub website: Option<String>,
    /// Street and number.
    pub street: Option<String>,
    /// City.
    pub city: Option<&'static str>,
    /// Region of the city.
    pub region: Option<&'static str>,
    /// Postal code.
    pub postal_code: Option<String>,
    /// Country, ISO 3166-1 alpha-2.
    pub country: &'static str,
    /// Time zone of the city, IANA name.
    pub time_zone: &'static str,
    /// BCP 47 tag.
    pub language: &'static str,
    /// Currency of the country, ISO 4217.
    pub currency: &'static str,
    /// Coach, team, bike fitter, athlete …
    pub customer_type: Option<&'static str>,
    /// Interests.
    pub interests: Vec<&'static str>,
    /// Values of custom fields by key.
    pub custom: Vec<(&'static str, Value)>,
    /// Where the lead came from.
    pub source: Option<&'static str>,
    /// More about the source.
    pub source_detail: Vec<(&'static str, Value)>,
    /// E-mail of the person responsible.
    pub owner: Option<&'static str>,
    /// Names of its first tags.
    pub tags: Vec<&'static str>,
    /// Hours that its clock is ahead of UTC, about.
    pub(in crate::demo) utc_offset: i64,
    /// How likely something comes of it, about 1.
    pub(in crate::demo) promise: f64,
    /// Its mail passes a gateway that follows all links.
    pub(in crate::demo) behind_gateway: bool,
    /// It wants the newsletter.
    pub(in crate::demo) reads_mail: bool,
}

/// A source with its share of the leads, what comes of them, and the campaigns behind it.
struct Source {
    name: Option<&'static str>,
    weight: f64,
    promise: f64,
    medium: &'static str,
    campaigns: &'static [&'static str],
}

const SOURCES: &[Source] = &[
    source(Some("organic_search"), 20.0, 1.0, "organic", &[]),
    source(
        Some("paid_search"),
        16.0,
        0.95,
        "cpc",
        &["brand", "training-plan", "bike-fit-near-me"],
    ),
    source(Some("social"), 12.0, 0.6, "social", &["reels", "club-stories"]),
    source(Some("direct_traffic"), 11.0, 0.9, "none", &[]),
    source(Some("referral"), 10.0, 1.9, "referral", &[]),
    source(
        Some("ads"),
        10.0,
        0.7,
        "paid_social",
        &["lookalike-coaches", "retargeting", "team-launch"],
    ),
    source(
        Some("form"),
        7.0,
        1.3,
        "website",
        &["season-planner", "rate-card"],
    ),
    source(
        Some("email"),
        6.0,
        1.1,
        "email",
        &["newsletter", "partner-mailing"],
    ),
    source(
        Some("partner"),
        5.0,
        1.8,
        "partner",
        &["bike-shops", "federation"],
    ),
    source(Some("event"), 2.5, 1.5, "offline", &["expo", "gran-fondo"]),
    source(None, 0.5, 0.5, "", &[]),
];

const fn source(
    name: Option<&'static str>,
    weight: f64,
    promise: f64,
    medium: &'static str,
    campaigns: &'static [&'static str],
) -> Source {
    Source {
        name,
        weight,
        promise,
        medium,
        campaigns,
    }
}

/// A customer type with its share and what comes of it.
const CUSTOMER_TYPES: &[(Option<&str>, f64, f64)] = &[
    (Some("athlete"), 46.0, 0.8),
    (Some("coach"), 22.0, 1.5),
    (Some("team"), 12.0, 1.6),
    (Some("bike_fitter"), 8.0, 1.2),
    (Some("retailer"), 4.0, 0.8),
    (Some("event_organiser"), 3.0, 0.9),
    (None, 5.0, 0.4),
];

const GOALS: &[&str] = &[
    "finish my first marathon",
    "a podium at the regional championship",
    "ride 200 km in a day",
    "come back after an injury",
    "get the juniors through the season healthy",
    "sub three hours",
    "qualify for the finals",
];

impl Person {
    /// Person number `n`, known since a moment.
    pub(super) fn draw(dice: &mut Dice, n: u64, created_at: Timestamp) -> Self {
        let land = dice.weighted(LANDS, |land| land.weight);
        let city = dice.pick(land.cities);
        let source = dice.weighted(SOURCES, |source| source.weight);
        let (customer_type, _, worth) = *dice.weighted(CUSTOMER_TYPES, |(_, weight, _)| *weight);
        // One in eight has moved: a name from elsewhere.
        let culture = if dice.chance(0.125) {
            dice.pick(LANDS).culture
        } else {
            land.culture
        };
        let (given, given_latin) = spelled(dice.pick::<&'static str>(culture.given));
        let (family, family_latin) = spelled(dice.pick::<&'static str>(culture.family));
        // Both names in the same letters.
        let native = given != given_latin && family != family_latin;
        let (given, family) = if native {
            (given, family)
        } else {
            (given_latin, family_latin)
        };
        let company = Company::draw(dice, customer_type);
        let mailbox = format!("{}.{}{n}", slug(given_latin, ""), slug(family_latin, ""));
        let domain = company.as_ref().filter(|_| dice.chance(0.8)).map_or_else(
            || (*dice.pick(&["mail.example", "post.example", "inbox.example"])).to_owned(),
            |company| company.domain.clone(),
        );
        let has_email = dice.chance(0.96);
        let nameless = dice.chance(0.04);
        let has_address = dice.chance(0.25);
        let has_city = dice.chance(0.85);
        let mut person = Self {
            created_at,
            external_id: n.to_string(),
            email: has_email.then(|| format!("{mailbox}@{domain}")),
            phone: (!has_email || dice.chance(0.55)).then(|| phone(land, n)),
            first_name: (!nameless).then(|| given.to_owned()),
            last_name: (!nameless && dice.chance(0.97)).then(|| family.to_owned()),
            company_name: company.as_ref().map(|company| company.name.clone()),
            job_title: company.as_ref().and_then(|company| {
                let title = dice.pick(company.titles);
                dice.chance(0.8).then(|| (*title).to_owned())
            }),
            website: company
                .as_ref()
                .filter(|_| dice.chance(0.6))
                .map(|company| format!("https://{}/", company.domain)),
            street: has_address.then(|| land.street.replace("{}", &dice.below(1, 180).to_string())),
            city: has_city.then_some(city.name),
            region: has_city.then_some(city.region),
            postal_code: has_address.then(|| digits(dice, land.postal_code)),
            country: land.country,
            time_zone: city.time_zone,
            language: land.language,
            currency: land.currency,
            customer_type,
            interests: if dice.chance(0.7) {
                dice.some(words::INTERESTS, 0.2).into_iter().copied().collect()
            } else {
                Vec::new()
            },
            custom: Vec::new(),
            source: source.name,
            source_detail: source_detail(dice, source, city),
            owner: dice.chance(0.7).then(|| *dice.pick(words::OWNERS)),
            tags: Vec::new(),
            utc_offset: land.utc_offset,
            promise: source.promise * worth,
            behind_gateway: company.is_some() && dice.chance(0.15),
            reads_mail: has_email && dice.chance(0.7),
        };
        person.draw_fields(dice);
        person.draw_tags(dice);
        person
    }

    fn draw_fields(&mut self, dice: &mut Dice) {
        if dice.chance(0.78) {
            self.custom.push(("sport_type", json!(dice.pick(words::SPORTS))));
        }
        if matches!(self.customer_type, Some("team" | "coach")) && dice.chance(0.8) {
            let size = if self.customer_type == Some("team") {
                dice.below(8, 240)
            } else {
                dice.below(2, 45)
            };
            self.custom.push(("team_size", json!(size)));
        }
        if dice.chance(0.4) {
            self.custom.push(("weekly_hours", json!(dice.below(3, 26))));
        }
        if dice.chance(0.35) {
            self.custom.push(("power_meter", json!(dice.chance(0.6))));
        }
        if dice.chance(0.2) {
            let day = self.created_at.plus_days(dice.below(20, 300)).day();
            self.custom.push(("race_date", json!(day.to_string())));
        }
        if dice.chance(0.3) {
            self.custom.push(("tools", json!(dice.some(words::TOOLS, 0.25))));
        }
        if dice.chance(0.15) {
            self.custom.push(("season_goal", json!(dice.pick(GOALS))));
        }
    }

    fn draw_tags(&mut self, dice: &mut Dice) {
        let mut add = |name, wanted: bool| {
            if wanted {
                self.tags.push(name);
            }
        };
        add("Newsletter", self.reads_mail && dice.chance(0.6));
        add("Partner lead", self.source == Some("partner"));
        add("Met in person", self.source == Some("event"));
        add(
            "Club deal",
            self.customer_type == Some("team") && dice.chance(0.35),
        );
        add("Beta tester", dice.chance(0.03));
        add("Webinar guest", dice.chance(0.06));
        add("Competitor user", dice.chance(0.08));
    }
}

struct Company {
    name: String,
    domain: String,
    titles: &'static [&'static str],
}

impl Company {
    /// The company of a lead of a type; athletes have none.
    fn draw(dice: &mut Dice, customer_type: Option<&str>) -> Option<Self> {
        let of = |list: &'static [(&'static str, &'static [&'static str])]| {
            list.iter()
                .find(|(kind, _)| Some(*kind) == customer_type)
                .map(|(_, words)| *words)
        };
        let kind = dice.pick(of(words::COMPANY_KINDS)?);
        let titles = of(words::JOB_TITLES)?;
        let name = format!("{} {kind}", dice.pick(words::COMPANY_NAMES));
        let domain = format!("{}.example", slug(&name, "-"));
        Some(Self { name, domain, titles })
    }
}

fn source_detail(dice: &mut Dice, source: &Source, city: &City) -> Vec<(&'static str, Value)> {
    let mut detail = Vec::new();
    if source.name.is_none() {
        return detail;
    }
    detail.push(("medium", json!(source.medium)));
    if !source.campaigns.is_empty() {
        detail.push(("campaign", json!(dice.pick(source.campaigns))));
    }
    if source.name == Some("event") {
        detail.push(("place", json!(city.name)));
    } else {
        detail.push(("landingPage", json!(dice.pick(words::PAGES).0)));
    }
    detail
}

/// The spelling of a name and its Latin form.
fn spelled(name: &'static str) -> (&'static str, &'static str) {
    name.split_once('|').unwrap_or((name, name))
}

/// A number nobody else of the first eight million has: the last seven digits are a permutation of `n`.
fn phone(land: &Land, n: u64) -> String {
    // In North America the seven digits begin with 2–9.
    let scattered = 2_000_000 + (n * 1_234_567 + 765_431) % 8_000_000;
    format!("{}{scattered:07}", land.phone)
}

fn digits(dice: &mut Dice, pattern: &str) -> String {
    pattern
        .chars()
        .map(|ch| match ch {
            '#' => char::from(b'0' + u8::try_from(dice.below(0, 10)).expect("a digit")),
            other => other,
        })
        .collect()
}

/// ASCII letters and digits in lower case, as in an address; all else becomes the separator.
fn slug(text: &str, separator: &str) -> String {
    let mut slug = String::with_capacity(text.len());
    for ch in text.chars() {
        let plain = match ch {
            'ä' | 'Ä' => "ae",
            'ö' | 'Ö' | 'ø' | 'Ø' => "oe",
            'ü' | 'Ü' => "ue",
            'ß' => "ss",
            'æ' => "ae",
            'å' | 'Å' | 'á' | 'à' | 'â' | 'ã' | 'Á' | 'ą' => "a",
            'é' | 'è' | 'ê' | 'ë' | 'É' | 'ę' => "e",
            'í' | 'î' | 'ï' | 'ı' | 'Í' | 'İ' => "i",
            'ó' | 'ò' | 'ô' | 'õ' => "o",
            'ú' | 'ù' | 'û' => "u",
            'ç' | 'Ç' | 'ć' => "c",
            'ñ' | 'ń' => "n",
            'ş' | 'Ş' | 'ś' | 'Ś' => "s",
            'ğ' => "g",
            'ł' | 'Ł' => "l",
            'ý' => "y",
            'ź' | 'ż' | 'Ż' => "z",
            _ if ch.is_ascii_alphanumeric() => {
                slug.push(ch.to_ascii_lowercase());
                continue;
            }
            _ => separator,
        };
        slug.push_str(plain);
    }
    slug
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leads::contact::{normalise_email, normalise_phone};

    #[test]
    fn every_country_has_numbers_that_can_be_dialled() {
        for land in LANDS {
            for n in (0..1_000_000).step_by(9_973) {
                let number = phone(land, n);
                assert_eq!(
                    normalise_phone(&number, None).as_deref(),
                    Ok(&*number),
                    "{}",
                    land.country
                );
            }
        }
    }

    #[test]
    fn phone_numbers_do_not_repeat() {
        let numbers: std::collections::HashSet<_> = (0..100_000).map(|n| phone(&LANDS[0], n)).collect();
        assert_eq!(numbers.len(), 100_000);
    }

    #[test]
    fn all_names_give_an_address() {
        for land in LANDS {
            let culture = land.culture;
            for name in culture.given.iter().chain(culture.family) {
                let address = format!("{}@mail.example", slug(spelled(name).1, ""));
                assert_eq!(normalise_email(&address).as_deref(), Ok(&*address), "{name}");
                let letters = spelled(name).1.chars().filter(|ch| ch.is_alphabetic()).count();
                assert!(
                    address.len() - "@mail.example".len() >= letters,
                    "{name} lost a letter: {address}"
                );
            }
        }
    }
}
