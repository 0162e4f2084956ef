//! Custom fields and tags.

use entity::CustomFieldType;

use super::words;

/// The definition of a custom field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldDefinition {
    /// Key.
    pub key: &'static str,
    /// As shown.
    pub label: &'static str,
    /// Type of its values.
    pub field_type: CustomFieldType,
    /// Options of a selection.
    pub options: &'static [&'static str],
    /// What it is for.
    pub description: &'static str,
}

/// The custom fields of all leads.
pub const FIELDS: &[FieldDefinition] = &[
    FieldDefinition {
        key: "sport_type",
        label: "Primary sport",
        field_type: CustomFieldType::Select,
        options: words::SPORTS,
        description: "The sport that the lead trains for most; scoring looks at it",
    },
    FieldDefinition {
        key: "team_size",
        label: "Team size",
        field_type: CustomFieldType::Number,
        options: &[],
        description: "Athletes in the team, or coached",
    },
    FieldDefinition {
        key: "weekly_hours",
        label: "Hours a week",
        field_type: CustomFieldType::Number,
        options: &[],
        description: "Hours of training in a usual week",
    },
    FieldDefinition {
        key: "power_meter",
        label: "Has a power meter",
        field_type: CustomFieldType::Boolean,
        options: &[],
        description: "Whether training by power is possible",
    },
    FieldDefinition {
        key: "race_date",
        label: "Main race",
        field_type: CustomFieldType::Date,
        options: &[],
        description: "The day of the race that counts most",
    },
    FieldDefinition {
        key: "tools",
        label: "Tools in use",
        field_type: CustomFieldType::MultiSelect,
        options: words::TOOLS,
        description: "What the lead trains or coaches with today",
    },
    FieldDefinition {
        key: "season_goal",
        label: "Goal of the season",
        field_type: CustomFieldType::Text,
        options: &[],
        description: "In the lead's own words",
    },
];

/// A tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagDefinition {
    /// As shown.
    pub name: &'static str,
    /// `#rrggbb`.
    pub colour: &'static str,
    /// Group of tags.
    pub category: &'static str,
    /// What it is for.
    pub description: &'static str,
}

const fn tag(
    name: &'static str,
    colour: &'static str,
    category: &'static str,
    description: &'static str,
) -> TagDefinition {
    TagDefinition {
        name,
        colour,
        category,
        description,
    }
}

/// All tags.
pub const TAGS: &[TagDefinition] = &[
    tag("VIP", "#b45309", "Priority", "Looked after in person"),
    tag("Follow up", "#dc2626", "Priority", "Waits for an answer of ours"),
    tag("Newsletter", "#2563eb", "Audience", "Wants the newsletter"),
    tag("Beta tester", "#7c3aed", "Audience", "Tries what is new"),
    tag("Webinar guest", "#0891b2", "Audience", "Was at a webinar"),
    tag("Club deal", "#15803d", "Deal", "Buys for a whole club"),
    tag("Upsell", "#65a30d", "Deal", "Could use a larger plan"),
    tag("Met in person", "#be185d", "Origin", "Met at a race or fair"),
    tag("Partner lead", "#c2410c", "Origin", "Sent by a partner"),
    tag(
        "Competitor user",
        "#475569",
        "Background",
        "Uses another product today",
    ),
];
