//! Customers.

use serde_json::{Value, json};

use super::super::graphql::{Cell, Lazy, Node, Plain, Step};
use super::order::{OrderRow, orders_of};
use super::{Row, World, gid, maybe, moment, money_cell};

const FIRST_NAMES: [&str; 16] = [
    "Anna", "Lukas", "Sofia", "Jonas", "Marie", "Felix", "Clara", "Paul", "Lena", "Emil", "Nora", "David",
    "Grace", "Omar", "Chloé", "Wei",
];
const LAST_NAMES: [&str; 15] = [
    "Müller", "Schmidt", "Weber", "Fischer", "Wagner", "Becker", "Hoffmann", "Koch", "Richter", "Wolf",
    "Smith", "Garcia", "O'Neill", "Chen", "Novak",
];
const CITIES: [(&str, &str, &str); 6] = [
    ("Berlin", "BE", "10115"),
    ("Hamburg", "HH", "20095"),
    ("München", "BY", "80331"),
    ("Köln", "NW", "50667"),
    ("Leipzig", "SN", "04103"),
    ("Bremen", "HB", "28195"),
];
const TAGS: [&str; 5] = ["newsletter", "vip", "wholesale", "trade fair 2025", "returning"];

/// What a customer said to marketing.
#[derive(Clone, Debug)]
pub struct Consent {
    pub state: String,
    pub level: Option<String>,
    pub at: Option<i64>,
}

/// A customer.
#[derive(Clone, Debug)]
pub struct CustomerRow {
    pub i: usize,
    pub first: String,
    pub last: String,
    pub email: Option<(String, Consent)>,
    pub phone: Option<(String, Consent)>,
    pub note: Option<String>,
    pub tags: Vec<String>,
    pub created: i64,
    pub updated: i64,
    pub orders: u64,
    pub spent: u64,
    pub last_order: Option<usize>,
}

fn consent(i: usize, at: i64) -> Consent {
    let (state, level) = match i % 5 {
        0 | 1 => ("SUBSCRIBED", Some("SINGLE_OPT_IN")),
        2 => ("SUBSCRIBED", Some("CONFIRMED_OPT_IN")),
        3 => ("UNSUBSCRIBED", Some("SINGLE_OPT_IN")),
        _ => ("NOT_SUBSCRIBED", None),
    };
    Consent {
        state: state.to_owned(),
        level: level.map(str::to_owned),
        at: level.map(|_| at),
    }
}

/// The address part of a name: lower case, ASCII.
fn plain(name: &str) -> String {
    let ascii = |letter: char| match letter {
        'ü' => 'u',
        'ö' => 'o',
        'é' => 'e',
        other => other.to_ascii_lowercase(),
    };
    name.chars().map(ascii).filter(char::is_ascii_lowercase).collect()
}

impl Row for CustomerRow {
    const KIND: &'static str = "Customer";
    const FIRST: u64 = 7_100_000_000_001;

    fn count(world: &World) -> usize {
        world.customers
    }

    fn make(world: &World, i: usize) -> Self {
        let updated = world.stamp(i, world.customers);
        let created = updated - 3_600 * i64::try_from(i % 50).unwrap_or(0);
        let first = FIRST_NAMES[i % FIRST_NAMES.len()];
        let last = LAST_NAMES[(i / 3) % LAST_NAMES.len()];
        let domain = if i.is_multiple_of(2) {
            "example.com"
        } else {
            "example.org"
        };
        let email = format!("{}.{}{i}@{domain}", plain(first), plain(last));
        let phone = if i.is_multiple_of(3) {
            format!("+1555{i:07}")
        } else {
            format!("+4930{i:08}")
        };
        let (mut orders, mut spent, mut last_order) = (0, 0, None);
        for order in orders_of(world, i) {
            orders += 1;
            spent += OrderRow::make(world, order).total();
            last_order = Some(order);
        }
        Self {
            i,
            first: first.to_owned(),
            last: last.to_owned(),
            // Somebody who bought over the counter leaves a number at most.
            email: (i % 9 != 8).then(|| (email, consent(i, created))),
            phone: (i % 13 != 12).then(|| (phone, consent(i + 2, created))),
            note: i
                .is_multiple_of(7)
                .then(|| "Asked for an invoice with the company's name.".to_owned()),
            tags: (0..i % 3)
                .map(|k| TAGS[(i + k) % TAGS.len()].to_owned())
                .collect(),
            created,
            updated,
            orders,
            spent,
            last_order,
        }
    }

    fn index(&self) -> usize {
        self.i
    }

    fn created(&self) -> i64 {
        self.created
    }

    fn updated(&self) -> i64 {
        self.updated
    }

    fn email(&self) -> Option<&str> {
        self.email.as_ref().map(|(address, _)| address.as_str())
    }
}

impl CustomerRow {
    fn address(&self, name: &str) -> Value {
        let (city, region, zip) = CITIES[self.i % CITIES.len()];
        match name {
            "id" => gid("MailingAddress", 9_100_000_000_001 + self.i as u64).into(),
            "firstName" => self.first.as_str().into(),
            "lastName" => self.last.as_str().into(),
            "company" if self.i.is_multiple_of(4) => format!("{} & Partner GmbH", self.last).into(),
            "address1" => format!("Hauptstraße {}", self.i % 120 + 1).into(),
            "city" => city.into(),
            "province" | "provinceCode" => region.into(),
            "country" => "Germany".into(),
            "countryCodeV2" => "DE".into(),
            "zip" => zip.into(),
            _ => Value::Null,
        }
    }

    /// As webhooks show it: since 2025-01 without tags, consent and what was spent.
    pub(in super::super) fn payload(&self) -> Value {
        let (city, region, zip) = CITIES[self.i % CITIES.len()];
        json!({
            "id": Self::FIRST + self.i as u64,
            "admin_graphql_api_id": Self::gid(self.i),
            "email": self.email(), "first_name": self.first, "last_name": self.last,
            "phone": self.phone.as_ref().map(|(number, _)| number),
            "created_at": moment(self.created), "updated_at": moment(self.updated),
            "state": "disabled", "note": self.note, "verified_email": true, "multipass_identifier": null,
            "tax_exempt": false, "currency": super::super::CURRENCY,
            "default_address": {
                "id": 9_100_000_000_001 + self.i as u64, "customer_id": Self::FIRST + self.i as u64,
                "first_name": self.first, "last_name": self.last, "company": null,
                "address1": format!("Hauptstraße {}", self.i % 120 + 1), "city": city, "province_code": region,
                "country": "Germany", "country_code": "DE", "zip": zip, "default": true,
            },
        })
    }
}

fn channel<'a>(kind: &'static str, value: &'a str, consent: &'a Consent) -> Cell<'a> {
    Cell::Object(Box::new(Lazy(kind, move |name: &str| match name {
        "emailAddress" | "phoneNumber" => value.into(),
        "marketingState" => consent.state.as_str().into(),
        "marketingOptInLevel" => consent.level.as_deref().into(),
        "marketingUpdatedAt" => consent.at.map(moment).into(),
        "marketingCollectedFrom" => "SHOPIFY".into(),
        _ => "https://example.com/unsubscribe".into(),
    })))
}

impl Node for CustomerRow {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn field(&self, step: &Step) -> Cell<'_> {
        match step.name.as_str() {
            "id" => Self::gid(self.i).into(),
            "legacyResourceId" => (Self::FIRST + self.i as u64).to_string().into(),
            "firstName" => self.first.as_str().into(),
            "lastName" => self.last.as_str().into(),
            "displayName" => format!("{} {}", self.first, self.last).into(),
            "locale" => "de".into(),
            "state" => "DISABLED".into(),
            "note" => maybe(self.note.as_deref()),
            "tags" => self.tags.clone().into(),
            "verifiedEmail" => self.email.is_some().into(),
            "taxExempt" | "dataSaleOptOut" => false.into(),
            "numberOfOrders" => self.orders.to_string().into(),
            "amountSpent" => money_cell(self.spent),
            "createdAt" => moment(self.created).into(),
            "updatedAt" => moment(self.updated).into(),
            "defaultEmailAddress" => match &self.email {
                Some((address, consent)) => channel("CustomerEmailAddress", address, consent),
                None => Cell::NULL,
            },
            "defaultPhoneNumber" => match &self.phone {
                Some((number, consent)) => channel("CustomerPhoneNumber", number, consent),
                None => Cell::NULL,
            },
            "defaultAddress" => {
                Cell::Object(Box::new(Lazy("MailingAddress", |name: &str| self.address(name))))
            }
            "lastOrder" => match self.last_order {
                Some(order) => {
                    let found = json!({ "id": OrderRow::gid(order), "name": format!("#{}", 1001 + order) });
                    Cell::Object(Box::new(Plain("Order", found)))
                }
                None => Cell::NULL,
            },
            _ => Cell::NULL,
        }
    }
}
