//! What Shopify is.

use super::settings::{Keys, Options};
use crate::{Authentication, Category, FieldDefault, Form, Manifest, Scope, Topic};

pub(super) const ALL_ORDERS: &str = "read_all_orders";

pub(super) const SCOPES: &[Scope] = &[
    scope(
        "read_customers",
        "Read customers, what they agreed to and their tags",
        true,
    ),
    scope(
        "write_customers",
        "Put tags and notes on customers, and tell what they agreed to",
        true,
    ),
    scope(
        "read_orders",
        "Read orders and checkouts that were not finished",
        true,
    ),
    scope("read_products", "Read products", true),
    scope(ALL_ORDERS, "Read orders older than 60 days", false),
];

const fn scope(name: &'static str, purpose: &'static str, required: bool) -> Scope {
    Scope {
        name,
        purpose,
        required,
    }
}

pub(super) const TOPICS: &[Topic] = &[
    topic("customers/create", "A customer came", true),
    topic("customers/update", "A customer changed", true),
    topic("customers/delete", "A customer was removed", true),
    topic(
        "customers_email_marketing_consent/update",
        "A customer agreed to e-mails or took that back",
        true,
    ),
    topic(
        "customers_marketing_consent/update",
        "A customer agreed to text messages or took that back",
        true,
    ),
    topic("orders/create", "An order was placed", true),
    topic("orders/updated", "An order changed", true),
    topic("orders/paid", "An order was paid", true),
    topic("orders/cancelled", "An order was called off", true),
    topic("refunds/create", "Money was given back", true),
    topic("checkouts/create", "A checkout was begun", true),
    topic("checkouts/update", "A checkout changed", true),
    topic("products/create", "A product came", true),
    topic("products/update", "A product changed", true),
    topic("products/delete", "A product was removed", true),
    topic("bulk_operations/finish", "A long reading is ready", true),
    topic("app/uninstalled", "The app was removed from the shop", true),
    topic("app/scopes_update", "What the app may do has changed", true),
    topic(
        "customers/data_request",
        "A customer wants to see their data",
        false,
    ),
    topic("customers/redact", "A customer wants to be forgotten", false),
    topic("shop/redact", "The shop wants its data forgotten", false),
];

const fn topic(name: &'static str, about: &'static str, registrable: bool) -> Topic {
    Topic {
        name,
        about,
        registrable,
    }
}

pub(super) const FIELDS: &[FieldDefault] = &[
    field("email", "email"),
    field("phone", "phone"),
    field("firstName", "first_name"),
    field("lastName", "last_name"),
    field("company", "company_name"),
    field("city", "city"),
    field("provinceCode", "region"),
    field("zip", "postal_code"),
    field("countryCode", "country"),
    field("locale", "language"),
];

const fn field(theirs: &'static str, ours: &'static str) -> FieldDefault {
    FieldDefault { theirs, ours }
}

pub(super) static MANIFEST: Manifest = Manifest {
    key: "shopify",
    name: "Shopify",
    category: Category::Commerce,
    summary: "Customers of a shop become leads, with their orders, what they left in checkouts and what they agreed to. \
              Tags, notes and consent are told back to the shop.",
    docs: "https://shopify.dev/docs/api/admin-graphql",
    authentication: Authentication::OAuth2,
    settings: Form::of::<Options>(),
    secrets: Form::of::<Keys>(),
    addresses: &["shop", "baseUrl"],
    scopes: SCOPES,
    topics: TOPICS,
    fields: FIELDS,
};
