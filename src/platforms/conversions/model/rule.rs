//! Which happenings are told, and as what.

use entity::id::{ConversionDeliveryId, ConversionId, LeadId};
use entity::{ConversionDeliveryState, ConversionKind, HappeningKind, SharedAs, Stage, Timestamp};
use serde::{Deserialize, Serialize};

use super::wrong;
use crate::error::Problem;
use crate::platforms::conversions::{ConversionDelivery, ConversionSharing};

/// Most rules of a connection.
const MOST_RULES: usize = 50;
/// Longest name of an event that platforms take.
const MOST_NAME_CHARS: usize = 50;
/// Longest name of a click id among what is known of a source.
const MOST_KEY_CHARS: usize = 100;
const MOST_CUSTOM_CHARS: usize = 200;

/// What can be wrong with a call about what is told to platforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, async_graphql::Enum)]
#[graphql(name = "ConversionSharingErrorCode")]
pub enum SharingProblem {
    /// There is no such connection or delivery.
    NotFound,
    /// The platform takes no conversions.
    Unsupported,
    /// A rule that cannot be.
    InvalidRule,
    /// Two rules for one happening.
    DuplicateRule,
    /// More than one call takes.
    TooMany,
    /// A name that is empty or too long.
    InvalidName,
    /// Nothing is shared with the connection.
    NotShared,
    /// A moment that lies outside of what the platform takes.
    OutOfRange,
    /// It was told already, waits, or is too old.
    NotRetriable,
}

/// A happening that is told, and as what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// What happens.
    pub happening: HappeningKind,
    /// Of a conversion: of this kind.
    pub conversion_kind: Option<ConversionKind>,
    /// Of a custom conversion: of this name; any without one.
    pub conversion_name: Option<String>,
    /// Of a stage: this one.
    pub stage: Option<Stage>,
    /// As what it is told.
    pub shared_as: SharedAs,
    /// By which name, for stages and what is custom.
    pub name: Option<String>,
}

impl Rule {
    /// What tells it apart from other rules.
    fn key(
        &self,
    ) -> (
        HappeningKind,
        Option<ConversionKind>,
        Option<String>,
        Option<Stage>,
    ) {
        let name = self.conversion_name.as_ref().map(|name| name.to_lowercase());
        (self.happening, self.conversion_kind, name, self.stage)
    }
}

fn text(given: Option<String>) -> Option<String> {
    given
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

fn is_fit(text: &str, most: usize) -> bool {
    text.chars().count() <= most && !text.chars().any(char::is_control)
}

fn checked(rule: Rule) -> Result<Rule, Problem<SharingProblem>> {
    let code = SharingProblem::InvalidRule;
    let Rule {
        happening,
        conversion_kind,
        conversion_name,
        stage,
        shared_as,
        name,
    } = rule;
    let (conversion_name, name) = (text(conversion_name), text(name));
    match happening {
        HappeningKind::Conversion if conversion_kind.is_none() => {
            return Err(wrong(
                "conversionKind",
                code,
                "a CONVERSION needs its `conversionKind`",
            ));
        }
        HappeningKind::LeadCreated | HappeningKind::StageReached if conversion_kind.is_some() => {
            return Err(wrong(
                "conversionKind",
                code,
                "only a CONVERSION has a `conversionKind`",
            ));
        }
        _ => {}
    }
    if conversion_name.is_some() && conversion_kind != Some(ConversionKind::Custom) {
        let message = "only a conversion of the kind CUSTOM has a `conversionName`";
        return Err(wrong("conversionName", code, message));
    }
    match (happening, stage) {
        (HappeningKind::StageReached, None) => {
            return Err(wrong("stage", code, "a STAGE_REACHED needs its `stage`"));
        }
        (HappeningKind::LeadCreated | HappeningKind::Conversion, Some(_)) => {
            return Err(wrong("stage", code, "only a STAGE_REACHED has a `stage`"));
        }
        _ => {}
    }
    if let Some(long) = conversion_name
        .as_deref()
        .filter(|name| !is_fit(name, MOST_CUSTOM_CHARS))
    {
        let message = format!("`{}…` has more than {MOST_CUSTOM_CHARS} characters", &short(long));
        return Err(wrong("conversionName", code, message));
    }
    let name = match (shared_as, name) {
        (SharedAs::Custom, None) => {
            return Err(wrong("name", code, "what is told as CUSTOM needs a `name`"));
        }
        // The stage's own word, as there is none of the deployment's.
        (SharedAs::Stage, None) => match stage {
            Some(stage) => Some(stage.as_str().to_lowercase()),
            None => return Err(wrong("name", code, "what is told as STAGE needs a `name`")),
        },
        (SharedAs::Custom | SharedAs::Stage, Some(name)) => {
            if !is_fit(&name, MOST_NAME_CHARS) {
                let message = format!("a name has 1 to {MOST_NAME_CHARS} characters");
                return Err(wrong("name", code, message));
            }
            Some(name)
        }
        (_, Some(_)) => {
            return Err(wrong(
                "name",
                code,
                "only what is told as CUSTOM or STAGE has a `name`",
            ));
        }
        (_, None) => None,
    };
    Ok(Rule {
        happening,
        conversion_kind,
        conversion_name,
        stage,
        shared_as,
        name,
    })
}

fn short(text: &str) -> String {
    text.chars().take(30).collect()
}

/// Rules as they are kept.
pub(in super::super) fn checked_rules(rules: Vec<Rule>) -> Result<Vec<Rule>, Vec<Problem<SharingProblem>>> {
    if rules.len() > MOST_RULES {
        let message = format!("{} rules are too many: at most {MOST_RULES}", rules.len());
        return Err(vec![wrong("rules", SharingProblem::TooMany, message)]);
    }
    let (mut kept, mut problems): (Vec<Rule>, Vec<_>) = (Vec::with_capacity(rules.len()), Vec::new());
    for (place, rule) in rules.into_iter().enumerate() {
        let place = place.to_string();
        match checked(rule) {
            Ok(rule) if kept.iter().any(|before| before.key() == rule.key()) => {
                let message = "there is a rule for this happening already";
                let problem = wrong("", SharingProblem::DuplicateRule, message);
                problems.push(problem.within(&["rules", &place]));
            }
            Ok(rule) => kept.push(rule),
            Err(problem) => problems.push(problem.within(&["rules", &place])),
        }
    }
    if problems.is_empty() {
        Ok(kept)
    } else {
        Err(problems)
    }
}

/// The name of a click id or cookie, as it is kept; nothing for an empty one.
pub(in super::super) fn checked_key(
    field: &str,
    key: Option<String>,
) -> Result<Option<String>, Problem<SharingProblem>> {
    match text(key) {
        Some(key) if !is_fit(&key, MOST_KEY_CHARS) => {
            let message = format!("a name has 1 to {MOST_KEY_CHARS} characters, e.g. `fbclid`");
            Err(wrong(field, SharingProblem::InvalidName, message))
        }
        key => Ok(key),
    }
}

/// What happened to a lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum What {
    LeadCreated,
    Stage(Stage),
    Conversion {
        id: ConversionId,
        kind: ConversionKind,
        name: Option<String>,
    },
}

/// A happening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Happening {
    pub(in super::super) lead: LeadId,
    pub(in super::super) at: Timestamp,
    pub(in super::super) what: What,
}

impl Happening {
    /// What platforms know it by: the same happening has the same id, whoever comes by it and however often.
    pub(in super::super) fn event_id(&self) -> String {
        match &self.what {
            What::LeadCreated => format!("{}:created", self.lead),
            What::Stage(stage) => format!("{}:{stage}:{}", self.lead, self.at.micros()),
            What::Conversion { id, .. } => id.to_string(),
        }
    }
}

/// The rule for a happening; one for a custom conversion's name before one for all of them.
pub(in super::super) fn rule_for<'r>(rules: &'r [Rule], what: &What) -> Option<&'r Rule> {
    let fits = |rule: &&Rule| match what {
        What::LeadCreated => rule.happening == HappeningKind::LeadCreated,
        What::Stage(stage) => rule.happening == HappeningKind::StageReached && rule.stage == Some(*stage),
        What::Conversion { kind, name, .. } => {
            rule.happening == HappeningKind::Conversion
                && rule.conversion_kind == Some(*kind)
                && rule.conversion_name.as_ref().is_none_or(|wanted| {
                    name.as_ref()
                        .is_some_and(|name| name.to_lowercase() == wanted.to_lowercase())
                })
        }
    };
    let of_name = |rule: &&Rule| rule.conversion_name.is_some();
    let mut fitting = rules.iter().filter(fits);
    let first = fitting.clone().find(of_name);
    first.or_else(|| fitting.next())
}

/// The row of a happening.
pub(in super::super) fn delivery(
    sharing: &ConversionSharing,
    happening: &Happening,
    rule: &Rule,
    now: Timestamp,
) -> ConversionDelivery {
    let (kind, conversion_id, stage) = match &happening.what {
        What::LeadCreated => (HappeningKind::LeadCreated, None, None),
        What::Stage(stage) => (HappeningKind::StageReached, None, Some(*stage)),
        What::Conversion { id, .. } => (HappeningKind::Conversion, Some(*id), None),
    };
    ConversionDelivery {
        id: ConversionDeliveryId::at(now),
        connection_id: sharing.connection_id,
        event_id: happening.event_id(),
        happening: kind,
        lead_id: happening.lead,
        conversion_id,
        stage,
        shared_as: rule.shared_as,
        name: rule.name.clone(),
        occurred_at: happening.at,
        state: ConversionDeliveryState::Pending,
        attempts: 0,
        due_at: Some(now),
        problem_kind: None,
        problem: None,
        sent_at: None,
        reversed_at: None,
        created_at: now,
        updated_at: now,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(happening: HappeningKind, shared_as: SharedAs) -> Rule {
        Rule {
            happening,
            conversion_kind: None,
            conversion_name: None,
            stage: None,
            shared_as,
            name: None,
        }
    }

    fn conversion(kind: ConversionKind, name: Option<&str>, shared_as: SharedAs) -> Rule {
        Rule {
            conversion_kind: Some(kind),
            conversion_name: name.map(str::to_owned),
            ..rule(HappeningKind::Conversion, shared_as)
        }
    }

    fn place(problem: Result<Vec<Rule>, Vec<Problem<SharingProblem>>>) -> (String, SharingProblem) {
        let problem = problem.expect_err("refused").remove(0);
        (problem.field.join("."), problem.code)
    }

    #[test]
    fn rules_say_what_happens_and_as_what_it_is_told() {
        use SharingProblem::{DuplicateRule, InvalidRule, TooMany};
        let (lead, purchase) = (
            rule(HappeningKind::LeadCreated, SharedAs::Lead),
            conversion(ConversionKind::Purchase, None, SharedAs::Purchase),
        );
        assert_eq!(
            checked_rules(vec![lead.clone(), purchase.clone()]).map(|rules| rules.len()),
            Ok(2)
        );
        let stage = Rule {
            stage: Some(Stage::Qualified),
            ..rule(HappeningKind::StageReached, SharedAs::Stage)
        };
        let kept = checked_rules(vec![stage.clone()]).expect("a rule");
        assert_eq!(kept[0].name.as_deref(), Some("qualified"));
        let wrong = |rule: Rule| place(checked_rules(vec![purchase.clone(), rule]));
        let at = |field: &str| (format!("rules.1.{field}"), InvalidRule);
        assert_eq!(
            wrong(rule(HappeningKind::Conversion, SharedAs::Lead)),
            at("conversionKind")
        );
        assert_eq!(
            wrong(rule(HappeningKind::StageReached, SharedAs::Lead)),
            at("stage")
        );
        assert_eq!(
            wrong(Rule {
                stage: Some(Stage::New),
                ..lead.clone()
            }),
            at("stage")
        );
        assert_eq!(
            wrong(Rule {
                conversion_kind: Some(ConversionKind::Purchase),
                ..lead.clone()
            }),
            at("conversionKind")
        );
        assert_eq!(
            wrong(conversion(ConversionKind::Qualified, Some("x"), SharedAs::Lead)),
            at("conversionName")
        );
        assert_eq!(
            wrong(rule(HappeningKind::LeadCreated, SharedAs::Custom)),
            at("name")
        );
        assert_eq!(
            wrong(rule(HappeningKind::LeadCreated, SharedAs::Stage)),
            at("name")
        );
        assert_eq!(
            wrong(Rule {
                name: Some("x".into()),
                ..lead.clone()
            }),
            at("name")
        );
        let long = Rule {
            name: Some("x".repeat(51)),
            shared_as: SharedAs::Custom,
            ..lead.clone()
        };
        assert_eq!(wrong(long), at("name"));
        assert_eq!(wrong(purchase.clone()), ("rules.1".to_owned(), DuplicateRule));
        assert_eq!(
            place(checked_rules(vec![lead; 51])),
            ("rules".to_owned(), TooMany)
        );
    }

    #[test]
    fn the_rule_of_a_name_goes_before_that_of_all() {
        let rules = [
            conversion(ConversionKind::Custom, None, SharedAs::Lead),
            conversion(ConversionKind::Custom, Some("Demo booked"), SharedAs::Schedule),
        ];
        let custom = |name: &str| What::Conversion {
            id: ConversionId::at(Timestamp(1)),
            kind: ConversionKind::Custom,
            name: Some(name.to_owned()),
        };
        let found = |what: &What| rule_for(&rules, what).map(|rule| rule.shared_as);
        assert_eq!(found(&custom("demo BOOKED")), Some(SharedAs::Schedule));
        assert_eq!(found(&custom("Other")), Some(SharedAs::Lead));
        assert_eq!(found(&What::LeadCreated), None);
        assert_eq!(found(&What::Stage(Stage::New)), None);
    }

    proptest! {
        #[test]
        fn the_same_happening_has_the_same_id_and_another_another(
            one in 1..1_000_i64, other in 1..1_000_i64, stage in 0..8_usize, another in 0..8_usize,
        ) {
            let lead = LeadId::at(Timestamp(1));
            let at = |micros, stage: usize| Happening { lead, at: Timestamp(micros), what: What::Stage(Stage::ALL[stage]) };
            let (left, right) = (at(one, stage), at(other, another));
            prop_assert_eq!(left.event_id() == right.event_id(), left == right);
            let created = Happening { what: What::LeadCreated, ..left.clone() };
            prop_assert_ne!(created.event_id(), left.event_id());
        }
    }
}
