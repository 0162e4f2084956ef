//! What files can feed, by kind of import: names, forms and the other names that files use.

use super::{Field, Shape, Spec, keyed, one};

// Synonyms are compared without case, blanks, underscores and other marks.
const LEAD_ID: Spec = one("lead_id", Field::LeadId, Shape::Lead, &["lead"]);
const EXTERNAL_ID: Spec = one(
    "external_id",
    Field::ExternalId,
    Shape::Text,
    &[
        "external_ref",
        "foreign_id",
        "customer_id",
        "contact_id",
        "crm_id",
        "record_id",
        "user_id",
        "id",
    ],
);
const EMAIL: Spec = one(
    "email",
    Field::Email,
    Shape::Email,
    &[
        "email_address",
        "mail",
        "work_email",
        "contact_email",
        "lead_email",
    ],
);
const PHONE: Spec = one(
    "phone",
    Field::Phone,
    Shape::Phone,
    &[
        "phone_number",
        "telephone",
        "tel",
        "mobile",
        "mobile_phone",
        "mobile_number",
        "cell",
        "cell_phone",
        "telefone",
    ],
);
const CITY: Spec = one("city", Field::City, Shape::Text, &["town", "locality"]);
const REGION: Spec = one(
    "region",
    Field::Region,
    Shape::Text,
    &["state", "province", "state_region"],
);
const COUNTRY: Spec = one(
    "country",
    Field::Country,
    Shape::Text,
    &["country_code", "country_name"],
);
const CURRENCY: Spec = one("currency", Field::Currency, Shape::Currency, &["currency_code"]);
const DEDUPE_KEY: Spec = one(
    "dedupe_key",
    Field::DedupeKey,
    Shape::Text,
    &["event_id", "transaction_id", "order_id", "idempotency_key"],
);
const OCCURRED_AT: Spec = one(
    "occurred_at",
    Field::OccurredAt,
    Shape::Moment,
    &[
        "timestamp",
        "time",
        "date",
        "datetime",
        "event_time",
        "happened_at",
        "won_date",
        "converted_at",
    ],
);
const METADATA: Spec = keyed("metadata", Field::Metadata, Shape::Text);

pub(super) const LEADS: &[Spec] = &[
    EXTERNAL_ID,
    keyed("external_id", Field::ExternalId, Shape::Text),
    EMAIL,
    PHONE,
    one(
        "first_name",
        Field::FirstName,
        Shape::Text,
        &["given_name", "forename", "fname"],
    ),
    one(
        "last_name",
        Field::LastName,
        Shape::Text,
        &["surname", "family_name", "lname"],
    ),
    one(
        "display_name",
        Field::DisplayName,
        Shape::Text,
        &["name", "full_name", "contact_name", "lead_name"],
    ),
    one(
        "company_name",
        Field::CompanyName,
        Shape::Text,
        &["company", "organization", "organisation", "account"],
    ),
    one(
        "job_title",
        Field::JobTitle,
        Shape::Text,
        &["title", "position", "role"],
    ),
    one(
        "website",
        Field::Website,
        Shape::Url,
        &["url", "homepage", "company_website", "web"],
    ),
    one(
        "street",
        Field::Street,
        Shape::Text,
        &["address", "street_address", "address_line_1", "address1"],
    ),
    CITY,
    REGION,
    one(
        "postal_code",
        Field::PostalCode,
        Shape::Text,
        &["zip", "zip_code", "postcode", "cep"],
    ),
    COUNTRY,
    one("time_zone", Field::TimeZone, Shape::TimeZone, &["tz"]),
    one(
        "language",
        Field::Language,
        Shape::Text,
        &["locale", "lang", "preferred_language"],
    ),
    one(
        "customer_type",
        Field::CustomerType,
        Shape::Text,
        &["contact_type"],
    ),
    one("interests", Field::Interests, Shape::List, &["interest"]),
    one("tags", Field::Tags, Shape::List, &["tag", "labels"]),
    one(
        "source",
        Field::Source,
        Shape::Text,
        &["lead_source", "original_source", "utm_source", "origin"],
    ),
    one("source_detail", Field::SourceDetail, Shape::Object, &[]),
    keyed("source_detail", Field::SourceDetail, Shape::Text),
    one(
        "deal_stage",
        Field::DealStage,
        Shape::Text,
        &["opportunity_stage"],
    ),
    one(
        "deal_value",
        Field::DealValue,
        Shape::Money,
        &["deal_amount", "amount", "opportunity_value"],
    ),
    one(
        "deal_currency",
        Field::DealCurrency,
        Shape::Currency,
        &["currency", "currency_code"],
    ),
    one(
        "expected_close_date",
        Field::ExpectedCloseDate,
        Shape::Day,
        &["expected_close", "close_date"],
    ),
    one(
        "owner_email",
        Field::OwnerEmail,
        Shape::Email,
        &["owner", "assigned_to", "account_owner"],
    ),
    one(
        "stage",
        Field::Stage,
        Shape::Stage,
        &["lifecycle_stage", "lead_status", "status"],
    ),
    one(
        "created_at",
        Field::CreatedAt,
        Shape::Moment,
        &[
            "created",
            "create_date",
            "created_date",
            "creation_date",
            "date_created",
            "signup_date",
            "first_contact_date",
        ],
    ),
    one(
        "notes",
        Field::Notes,
        Shape::Text,
        &["note", "comment", "comments", "remarks"],
    ),
    keyed("consent", Field::Consent, Shape::Consent),
    keyed("custom", Field::Custom, Shape::Text),
];

pub(super) const ENGAGEMENTS: &[Spec] = &[
    LEAD_ID,
    EXTERNAL_ID,
    EMAIL,
    PHONE,
    one(
        "type",
        Field::Type,
        Shape::EngagementType,
        &["event", "event_type", "engagement_type", "activity_type"],
    ),
    one("channel", Field::Channel, Shape::Channel, &[]),
    OCCURRED_AT,
    DEDUPE_KEY,
    one("title", Field::Title, Shape::Text, &["subject", "description"]),
    one("name", Field::Name, Shape::Text, &["custom_name", "event_name"]),
    one("value", Field::Score, Shape::Percent, &["score"]),
    one("revenue", Field::Amount, Shape::Money, &["amount"]),
    CURRENCY,
    one(
        "source_kind",
        Field::SourceKind,
        Shape::SourceKind,
        &["source_type"],
    ),
    one("source_id", Field::SourceId, Shape::Text, &["campaign_id"]),
    one(
        "source_name",
        Field::SourceName,
        Shape::Text,
        &["campaign", "campaign_name"],
    ),
    one("device", Field::Device, Shape::Device, &["device_type"]),
    COUNTRY,
    REGION,
    CITY,
    one("ip", Field::Ip, Shape::Ip, &["ip_address"]),
    one("user_agent", Field::UserAgent, Shape::Text, &[]),
    one("url", Field::Url, Shape::Url, &["page_url", "page", "link"]),
    METADATA,
];

pub(super) const CONVERSIONS: &[Spec] = &[
    LEAD_ID,
    EXTERNAL_ID,
    EMAIL,
    PHONE,
    one(
        "kind",
        Field::Kind,
        Shape::ConversionKind,
        &["conversion_kind", "conversion_type", "type"],
    ),
    OCCURRED_AT,
    one(
        "value",
        Field::Amount,
        Shape::Money,
        &["amount", "revenue", "total", "price"],
    ),
    CURRENCY,
    DEDUPE_KEY,
    one(
        "name",
        Field::Name,
        Shape::Text,
        &["conversion_name", "title", "description"],
    ),
    METADATA,
];

const DAY: Spec = one("day", Field::Day, Shape::Day, &["date", "on", "spent_on"]);

pub(super) const COSTS: &[Spec] = &[
    one(
        "kind",
        Field::Kind,
        Shape::CostKind,
        &["cost_kind", "cost_type", "type", "category"],
    ),
    DAY,
    one(
        "amount",
        Field::Amount,
        Shape::Money,
        &["cost", "spend", "spent", "amount_spent", "value", "total"],
    ),
    CURRENCY,
    one(
        "source",
        Field::Source,
        Shape::Text,
        &["lead_source", "utm_source"],
    ),
    one(
        "campaign",
        Field::Campaign,
        Shape::Text,
        &["campaign_name", "utm_campaign"],
    ),
    one(
        "note",
        Field::Notes,
        Shape::Text,
        &["notes", "comment", "description"],
    ),
    DEDUPE_KEY,
];

pub(super) const RATES: &[Spec] = &[
    DAY,
    CURRENCY,
    one("rate", Field::Rate, Shape::Rate, &["exchange_rate", "value"]),
    keyed("rate", Field::Rate, Shape::Rate),
];
