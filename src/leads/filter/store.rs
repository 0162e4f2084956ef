//! From the filter tree to SQL. The condition refers to the columns of `lead` and works on both databases alike.
//!
//! What lies in other tables is asked for by `lead.id IN (SELECT lead_id …)`, so that an index on that table can lead.
//! Conditions are never NULL, so that `not` is their opposite.

use entity::id::TagId;
use entity::{
    ConsentState, IdentityKind, Timestamp, consent, lead, lead_identity, lead_score, lead_tag, tag,
};
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, Func, Query, SelectStatement, SimpleExpr};
use sea_orm::{ColumnTrait, DbBackend};

use super::{
    ConsentCondition, CustomCondition, DayRange, LeadFilter, ListCondition, MomentRange, NumberRange,
    ScoreScale, Terms, TextCondition,
};

/// The condition of a checked filter, for a query over `lead`.
#[must_use]
pub fn condition(filter: &LeadFilter, terms: &Terms, backend: DbBackend) -> Condition {
    Reader { terms, backend }.tree(filter)
}

struct Reader<'a> {
    terms: &'a Terms,
    backend: DbBackend,
}

fn column(column: lead::Column) -> SimpleExpr {
    Expr::col((lead::Entity, column))
}

/// `lead.id IN (SELECT lead_id FROM …)`.
fn among(query: SelectStatement) -> SimpleExpr {
    Expr::col((lead::Entity, lead::Column::Id)).in_subquery(query)
}

fn never() -> SimpleExpr {
    Expr::val(1).eq(0)
}

impl Reader<'_> {
    fn tree(&self, filter: &LeadFilter) -> Condition {
        let LeadFilter {
            and,
            or,
            not,
            ids,
            email,
            phone,
            first_name,
            last_name,
            company_name,
            job_title,
            website,
            city,
            region,
            postal_code,
            country,
            time_zone,
            language,
            customer_type,
            source,
            deal_stage,
            owner_email,
            interests,
            tags,
            stage,
            stage_since,
            consents,
            custom,
            score,
            grade,
            temperature,
            deal_value,
            expected_close_date,
            last_activity_at,
            created_at,
            updated_at,
        } = filter;
        let mut all = Condition::all();
        if let Some(branches) = and {
            for branch in branches {
                all = all.add(self.tree(branch));
            }
        }
        if let Some(branches) = or {
            let mut any = Condition::any();
            for branch in branches {
                any = any.add(self.tree(branch));
            }
            all = if branches.is_empty() {
                all.add(never())
            } else {
                all.add(any)
            };
        }
        if let Some(inner) = not {
            all = all.add(self.tree(inner).not());
        }
        if let Some(ids) = ids {
            all = all.add(column(lead::Column::Id).is_in(ids.iter().copied()));
        }
        for (condition, kind, primary) in [
            (email, IdentityKind::Email, lead::Column::Email),
            (phone, IdentityKind::Phone, lead::Column::Phone),
        ] {
            if let Some(condition) = condition {
                all = all.add(self.identity(condition, kind, primary));
            }
        }
        for (condition, field) in [
            (first_name, lead::Column::FirstName),
            (last_name, lead::Column::LastName),
            (company_name, lead::Column::CompanyName),
            (job_title, lead::Column::JobTitle),
            (website, lead::Column::Website),
            (city, lead::Column::City),
            (region, lead::Column::Region),
            (postal_code, lead::Column::PostalCode),
            (country, lead::Column::Country),
            (time_zone, lead::Column::TimeZone),
            (language, lead::Column::Language),
            (customer_type, lead::Column::CustomerType),
            (source, lead::Column::Source),
            (deal_stage, lead::Column::DealStage),
            (owner_email, lead::Column::Owner),
        ] {
            if let Some(condition) = condition {
                all = all.add(self.text(condition, &column(field)));
            }
        }
        if let Some(condition) = interests {
            let member = |value: &str| self.json_has("lead.interests", "", value);
            all = all.add(list(condition, |values| {
                values
                    .iter()
                    .fold(Condition::any().add(never()), |any, value| any.add(member(value)))
            }));
        }
        if let Some(condition) = tags {
            all = all.add(list(condition, |values| Condition::all().add(tagged(values))));
        }
        if let Some(condition) = stage {
            all = all.add(column(lead::Column::Stage).is_in(condition.one_of.iter().copied()));
        }
        if let Some(range) = stage_since {
            all = all.add(self.moment(range, &column(lead::Column::StageSince)));
        }
        for condition in consents.iter().flatten() {
            all = all.add(consented(condition));
        }
        for condition in custom.iter().flatten() {
            all = all.add(self.custom(condition));
        }
        if let Some(range) = score {
            all = all.add(self.scored(range));
        }
        let ScoreScale {
            rate: _,
            grades,
            temperatures,
        } = &self.terms.scale;
        if let Some(condition) = grade {
            all = all.add(self.bands(grades, &condition.one_of));
        }
        if let Some(condition) = temperature {
            all = all.add(self.bands(temperatures, &condition.one_of));
        }
        if let Some(condition) = deal_value {
            let code = condition.currency_code.trim().to_ascii_uppercase();
            let value = column(lead::Column::DealValueMinor);
            let mut deal = Condition::all()
                .add(column(lead::Column::DealCurrency).is_not_null())
                .add(column(lead::Column::DealCurrency).eq(code))
                .add(value.clone().is_not_null());
            if let Some(least) = condition.gte {
                deal = deal.add(value.clone().gte(condition.minor(least, true)));
            }
            if let Some(most) = condition.lte {
                deal = deal.add(value.lte(condition.minor(most, false)));
            }
            all = all.add(deal);
        }
        if let Some(DayRange { gte, lte, is_set }) = expected_close_date {
            let day = column(lead::Column::ExpectedClose);
            let mut range = Condition::all();
            if let Some(first) = gte {
                range = range.add(day.clone().gte(*first));
            }
            if let Some(last) = lte {
                range = range.add(day.clone().lte(*last));
            }
            all = all.add(presence(range, &day, *is_set));
        }
        if let Some(range) = last_activity_at {
            all = all.add(self.activity(range));
        }
        for (range, field) in [
            (created_at, lead::Column::CreatedAt),
            (updated_at, lead::Column::UpdatedAt),
        ] {
            if let Some(range) = range {
                all = all.add(self.moment(range, &column(field)));
            }
        }
        all
    }

    /// A condition on an e-mail or phone number: equality is asked of the identities, which have an index.
    fn identity(&self, condition: &TextCondition, kind: IdentityKind, primary: lead::Column) -> Condition {
        let TextCondition {
            eq,
            one_of,
            contains,
            starts_with,
            is_set,
        } = condition;
        let known = || {
            Query::select()
                .column(lead_identity::Column::LeadId)
                .from(lead_identity::Entity)
                .and_where(Expr::col((lead_identity::Entity, lead_identity::Column::Kind)).eq(kind.as_str()))
                .and_where(Expr::col((lead_identity::Entity, lead_identity::Column::Namespace)).eq(""))
                .to_owned()
        };
        let value = Expr::col((lead_identity::Entity, lead_identity::Column::Value));
        let mut all = Condition::all();
        for values in [eq.as_ref().map(std::slice::from_ref), one_of.as_deref()]
            .into_iter()
            .flatten()
        {
            let values = values.iter().map(|value| value.trim().to_lowercase());
            all = all.add(among(known().and_where(value.clone().is_in(values)).to_owned()));
        }
        let value: SimpleExpr = value;
        if let Some(text) = contains {
            let matching = self.matches(&value, text, Place::Anywhere);
            all = all.add(among(known().and_where(matching).to_owned()));
        }
        if let Some(text) = starts_with {
            let matching = self.matches(&value, text, Place::Start);
            all = all.add(among(known().and_where(matching).to_owned()));
        }
        match is_set {
            Some(true) => all.add(column(primary).is_not_null()),
            Some(false) => all.add(column(primary).is_null()),
            None => all,
        }
    }

    fn text(&self, condition: &TextCondition, field: &SimpleExpr) -> Condition {
        let TextCondition {
            eq,
            one_of,
            contains,
            starts_with,
            is_set,
        } = condition;
        let mut all = Condition::all();
        if let Some(text) = eq {
            all = all.add(self.is_one_of(field, std::slice::from_ref(text)));
        }
        if let Some(texts) = one_of {
            all = all.add(self.is_one_of(field, texts));
        }
        if let Some(text) = contains {
            all = all.add(self.matches(field, text, Place::Anywhere));
        }
        if let Some(text) = starts_with {
            all = all.add(self.matches(field, text, Place::Start));
        }
        presence(all, field, *is_set)
    }

    fn is_one_of(&self, field: &SimpleExpr, texts: &[String]) -> Condition {
        // `lower` folds nothing but ASCII on SQLite, and what PostgreSQL's locale knows there: only ASCII is alike.
        let (plain, other): (Vec<&String>, Vec<&String>) = texts.iter().partition(|text| text.is_ascii());
        let mut any = Condition::any();
        let lowered = plain.into_iter().map(|text| text.trim().to_ascii_lowercase());
        any = any.add(SimpleExpr::from(Func::lower(field.clone())).is_in(lowered));
        for text in other {
            any = any.add(self.matches(field, text.trim(), Place::Whole));
        }
        any
    }

    /// Whether a text is found in a field, in any case of any script: each letter is looked for in both its cases, by
    /// GLOB on SQLite and by a regular expression on PostgreSQL, because their case folding differs.
    fn matches(&self, field: &SimpleExpr, text: &str, place: Place) -> SimpleExpr {
        if self.backend == DbBackend::Postgres {
            let mut pattern = String::from(if place == Place::Anywhere { "" } else { "^" });
            each_case(text, |cases| match cases {
                [one] if one.is_alphanumeric() => pattern.push(*one),
                [one] => {
                    pattern.push_str(if *one == '^' { "\\" } else { "[" });
                    if *one == '\\' {
                        pattern.push('\\');
                    }
                    pattern.push(*one);
                    if *one != '^' {
                        pattern.push(']');
                    }
                }
                several => {
                    pattern.push('[');
                    pattern.extend(several);
                    pattern.push(']');
                }
            });
            if place == Place::Whole {
                pattern.push('$');
            }
            return Expr::cust_with_exprs("$1 ~ $2", [field.clone(), Expr::val(pattern)]);
        }
        let mut pattern = String::from(if place == Place::Anywhere { "*" } else { "" });
        each_case(text, |cases| match cases {
            [one] if !matches!(one, '*' | '?' | '[') => pattern.push(*one),
            several => {
                pattern.push('[');
                pattern.extend(several);
                pattern.push(']');
            }
        });
        if place != Place::Whole {
            pattern.push('*');
        }
        Expr::cust_with_exprs("? GLOB ?", [field.clone(), Expr::val(pattern)])
    }

    fn moment(&self, range: &MomentRange, field: &SimpleExpr) -> Condition {
        let MomentRange { is_set, .. } = range;
        let mut all = Condition::all();
        let (from, until) = self.bounds(range);
        if let Some(from) = from {
            all = all.add(field.clone().gte(from.micros()));
        }
        if let Some(until) = until {
            all = all.add(field.clone().lt(until.micros()));
        }
        presence(all, field, *is_set)
    }

    /// From (inclusive) and until (exclusive).
    fn bounds(&self, range: &MomentRange) -> (Option<Timestamp>, Option<Timestamp>) {
        let MomentRange {
            gte,
            lt,
            within_days,
            older_than_days,
            is_set: _,
        } = range;
        let ago = |days: i32| self.terms.now.plus_days(-i64::from(days));
        let from = [*gte, within_days.map(ago)].into_iter().flatten().max();
        let until = [*lt, older_than_days.map(ago)].into_iter().flatten().min();
        (from, until)
    }

    fn activity(&self, range: &MomentRange) -> Condition {
        let last = Expr::col((lead_score::Entity, lead_score::Column::LastActivityAt));
        let active = scores;
        let mut all = Condition::all();
        let (from, until) = self.bounds(range);
        if from.is_some() || until.is_some() {
            let mut query = active();
            if let Some(from) = from {
                query.and_where(last.clone().gte(from.micros()));
            }
            if let Some(until) = until {
                query.and_where(last.clone().lt(until.micros()));
            }
            all = all.add(among(query));
        }
        match range.is_set {
            Some(true) => all.add(among(active())),
            Some(false) => all.add(among(active()).not()),
            None => all,
        }
    }

    /// The current score is at least `s` as long as the decay key is at least `s + rate × today`; below 0 it is 0.
    fn scored(&self, range: &NumberRange) -> SimpleExpr {
        let NumberRange { gte, gt, lte, lt } = *range;
        let key = Expr::col((lead_score::Entity, lead_score::Column::DecayKey));
        let threshold = |score: f64| self.terms.scale.threshold(score, self.terms.now);
        let mut query = scores();
        if let Some(least) = gte.filter(|least| *least > 0.0) {
            query.and_where(key.clone().gte(threshold(least)));
        }
        if let Some(least) = gt.filter(|least| *least >= 0.0) {
            query.and_where(key.clone().gt(threshold(least)));
        }
        for (most, inclusive) in [(lte, true), (lt, false)] {
            let Some(most) = most else { continue };
            if most < 0.0 || (most == 0.0 && !inclusive) {
                query.and_where(never());
            } else if inclusive {
                query.and_where(key.clone().lte(threshold(most)));
            } else {
                query.and_where(key.clone().lt(threshold(most)));
            }
        }
        among(query)
    }

    /// Bands of the current score, each from its own threshold to the one above.
    fn bands<T: PartialEq + Copy>(&self, bands: &[(T, f64)], wanted: &[T]) -> SimpleExpr {
        let key = Expr::col((lead_score::Entity, lead_score::Column::DecayKey));
        let mut any = Condition::any().add(never());
        let mut above: Option<f64> = None;
        for (band, from) in bands {
            if wanted.contains(band) {
                let mut within = Condition::all();
                if from.is_finite() {
                    within = within.add(key.clone().gte(self.terms.scale.threshold(*from, self.terms.now)));
                }
                if let Some(above) = above {
                    within = within.add(key.clone().lt(self.terms.scale.threshold(above, self.terms.now)));
                }
                any = any.add(within);
            }
            above = Some(*from);
        }
        among(scores().cond_where(any).to_owned())
    }

    fn custom(&self, condition: &CustomCondition) -> Condition {
        let CustomCondition {
            key,
            text,
            number,
            boolean,
            date,
            date_time,
            options,
            is_set,
        } = condition;
        let value = self.json_text(key);
        let mut all = Condition::all();
        if let Some(text) = text {
            all = all.add(self.text(text, &value));
        }
        if let Some(NumberRange { gte, gt, lte, lt }) = number {
            let number = self.json_number(key);
            let mut range = Condition::all();
            if let Some(bound) = gte {
                range = range.add(number.clone().gte(*bound));
            }
            if let Some(bound) = gt {
                range = range.add(number.clone().gt(*bound));
            }
            if let Some(bound) = lte {
                range = range.add(number.clone().lte(*bound));
            }
            if let Some(bound) = lt {
                range = range.add(number.clone().lt(*bound));
            }
            all = all.add(presence(range, &number, None));
        }
        if let Some(wanted) = boolean {
            // SQLite shows a JSON boolean as 1 or 0, PostgreSQL as true or false.
            let word = match (self.backend, wanted) {
                (DbBackend::Postgres, true) => "true",
                (DbBackend::Postgres, false) => "false",
                (_, true) => "1",
                (_, false) => "0",
            };
            all = all.add(presence(
                Condition::all().add(value.clone().eq(word)),
                &value,
                None,
            ));
        }
        if let Some(DayRange { gte, lte, is_set }) = date {
            // `YYYY-MM-DD` orders as a text as it does as a day.
            let mut range = Condition::all();
            if let Some(first) = gte {
                range = range.add(value.clone().gte(first.to_string()));
            }
            if let Some(last) = lte {
                range = range.add(value.clone().lte(last.to_string()));
            }
            all = all.add(presence(range, &value, *is_set));
        }
        if let Some(range) = date_time {
            // The normal form is UTC; cut to whole seconds it orders as a text.
            let seconds = SimpleExpr::from(Func::cust(Alias::new("substr")).args([
                value.clone(),
                Expr::val(1),
                Expr::val(19),
            ]));
            let (from, until) = self.bounds(range);
            let mut bounds = Condition::all();
            let cut = |moment: Timestamp| moment.to_rfc3339().chars().take(19).collect::<String>();
            if let Some(from) = from {
                bounds = bounds.add(seconds.clone().gte(cut(from)));
            }
            if let Some(until) = until {
                bounds = bounds.add(seconds.clone().lt(cut(until)));
            }
            all = all.add(presence(bounds, &value, range.is_set));
        }
        if let Some(condition) = options {
            let member = |option: &str| self.json_has("lead.custom", key, option);
            all = all.add(list(condition, |values| {
                values
                    .iter()
                    .fold(Condition::any().add(never()), |any, value| any.add(member(value)))
            }));
        }
        match is_set {
            Some(true) => all.add(value.is_not_null()),
            Some(false) => all.add(value.is_null()),
            None => all,
        }
    }

    /// A custom value as text. The key is one of a definition: letters, digits and underscores.
    fn json_text(&self, key: &str) -> SimpleExpr {
        if self.backend == DbBackend::Postgres {
            Expr::cust(format!("(lead.custom::jsonb ->> '{key}')"))
        } else {
            Expr::cust(format!("CAST(json_extract(lead.custom, '$.\"{key}\"') AS TEXT)"))
        }
    }

    fn json_number(&self, key: &str) -> SimpleExpr {
        if self.backend == DbBackend::Postgres {
            Expr::cust(format!(
                "(CASE WHEN jsonb_typeof(lead.custom::jsonb -> '{key}') = 'number' \
                 THEN (lead.custom::jsonb ->> '{key}')::double precision END)"
            ))
        } else {
            Expr::cust(format!(
                "(CASE WHEN json_type(lead.custom, '$.\"{key}\"') IN ('integer', 'real') \
                 THEN CAST(json_extract(lead.custom, '$.\"{key}\"') AS REAL) END)"
            ))
        }
    }

    /// Whether an array of texts in a JSON column (under a key, where one is given) has a text.
    fn json_has(&self, column: &str, key: &str, text: &str) -> SimpleExpr {
        let text = Expr::val(text.to_owned());
        if self.backend == DbBackend::Postgres {
            let array = if key.is_empty() {
                format!("{column}::jsonb")
            } else {
                format!("({column}::jsonb -> '{key}')")
            };
            return Expr::cust_with_exprs(format!("COALESCE(jsonb_exists({array}, $1), FALSE)"), [text]);
        }
        let path = if key.is_empty() {
            "$".to_owned()
        } else {
            format!("$.\"{key}\"")
        };
        Expr::cust_with_exprs(
            format!("EXISTS (SELECT 1 FROM json_each({column}, '{path}') WHERE value = ?)"),
            [text],
        )
    }
}

/// Where a text is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Anywhere,
    Start,
    Whole,
}

/// Calls back with each character of a text in its cases.
fn each_case(text: &str, mut with: impl FnMut(&[char])) {
    for ch in text.chars() {
        let mut cases = vec![ch];
        for other in single(ch.to_lowercase())
            .into_iter()
            .chain(single(ch.to_uppercase()))
        {
            if !cases.contains(&other) {
                cases.push(other);
            }
        }
        with(&cases);
    }
}

/// The one character of a case mapping; none where it maps to several (ß).
fn single(mut mapped: impl Iterator<Item = char>) -> Option<char> {
    let first = mapped.next()?;
    mapped.next().is_none().then_some(first)
}

/// Makes a condition on a field hold only where there is a value.
fn presence(condition: Condition, field: &SimpleExpr, is_set: Option<bool>) -> Condition {
    match is_set {
        Some(false) => Condition::all().add(field.clone().is_null()).add_option(
            (!condition.is_empty()).then(|| Condition::all().add(field.clone().is_not_null()).add(condition)),
        ),
        None if condition.is_empty() => condition,
        Some(true) | None => Condition::all().add(field.clone().is_not_null()).add(condition),
    }
}

fn list(condition: &ListCondition, any_of: impl Fn(&[String]) -> Condition) -> Condition {
    let ListCondition { any, all, none } = condition;
    let mut holds = Condition::all();
    if let Some(values) = any {
        holds = holds.add(any_of(values));
    }
    for value in all.iter().flatten() {
        holds = holds.add(any_of(std::slice::from_ref(value)));
    }
    if let Some(values) = none {
        holds = holds.add(any_of(values).not());
    }
    holds
}

fn tagged(values: &[String]) -> SimpleExpr {
    let ids = values.iter().filter_map(|value| TagId::parse(value).ok());
    let names = values.iter().map(|value| {
        let words: Vec<&str> = value.split_whitespace().collect();
        words.join(" ").to_lowercase()
    });
    let tags = Query::select()
        .column(tag::Column::Id)
        .from(tag::Entity)
        .cond_where(
            Condition::any()
                .add(tag::Column::Id.is_in(ids))
                .add(tag::Column::NameKey.is_in(names)),
        )
        .to_owned();
    among(
        Query::select()
            .column(lead_tag::Column::LeadId)
            .from(lead_tag::Entity)
            .and_where(Expr::col((lead_tag::Entity, lead_tag::Column::TagId)).in_subquery(tags))
            .to_owned(),
    )
}

fn consented(condition: &ConsentCondition) -> SimpleExpr {
    let ConsentCondition {
        channel,
        purpose,
        granted,
        refused,
    } = condition;
    let states: &[ConsentState] = if *refused {
        &[ConsentState::Denied, ConsentState::Withdrawn]
    } else {
        &[ConsentState::Granted]
    };
    let with = among(
        Query::select()
            .column(consent::Column::LeadId)
            .from(consent::Entity)
            .and_where(consent::Column::Channel.eq(*channel))
            .and_where(consent::Column::Purpose.eq(*purpose))
            .and_where(consent::Column::State.is_in(states.iter().copied()))
            .to_owned(),
    );
    if *granted || *refused { with } else { with.not() }
}

fn scores() -> SelectStatement {
    Query::select()
        .column(lead_score::Column::LeadId)
        .from(lead_score::Entity)
        .to_owned()
}
