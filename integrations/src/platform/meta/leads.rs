//! Leads: forms of pages, one lead, all leads since a moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_stream::try_stream;
use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::{Area, Graph, Token};
use super::pages::Page;
use super::settings::is_number;
use super::{Meta, convert, wire};
use crate::facet::{Cursor, LeadForm, LeadRecord, LeadSource, Page as LeadPage, Pages};
use crate::{Context, Error, Kind, Result};

const LEAD: &str = "id,created_time,field_data,form_id,is_organic,platform,custom_disclaimer_responses,partner_name,\
                    retailer_item_id";
/// To be had with rights to advertisements alone.
const ADS: &str = "ad_id,ad_name,adset_id,adset_name,campaign_id,campaign_name";
const FORM: &str = "id,name,status,leads_count,questions{key,label},\
                    legal_content{custom_disclaimer{checkboxes{key,text,is_checked_by_default}}}";
/// How many leads a page of ours has.
const PAGE: usize = 100;
/// Leads are read in parts of about so many, as they have to be put into order.
const PART: u64 = 5_000;
/// The platform keeps leads for so long.
const KEPT: Duration = Duration::days(90);
/// A lead may show up a little later than it was made.
const LATE: i64 = 300;

#[async_trait]
impl LeadSource for Meta {
    async fn forms(&self, context: &Context) -> Result<Vec<LeadForm>> {
        let graph = Graph::new(context)?;
        let mut all = Vec::new();
        for (page, form) in self.all_forms(&graph).await? {
            all.push(convert::form(form, &page.name));
        }
        Ok(all)
    }

    fn leads<'a>(&'a self, context: &'a Context, since: Option<Cursor>) -> Pages<'a, LeadRecord> {
        Box::pin(try_stream! {
            let mut place = Place::read(since.as_ref())?;
            let graph = Graph::new(context)?;
            let mut forms = self.all_forms(&graph).await?;
            // Nobody has seen these.
            forms.retain(|(_, form)| form.status != "DRAFT");
            let windows = place.windows(&forms, context.clock.now());
            let whole = since.is_none() && windows.len() == 1;
            let mut reader = Reader { meta: self, graph, with_ads: true };
            let mut told = false;
            for window in windows {
                let mut found = Vec::new();
                for (page, form) in &forms {
                    reader.read(page, form, window, &mut found).await?;
                }
                found.retain(|lead| !place.seen.contains_key(&lead.id));
                found.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
                found.dedup_by(|one, other| one.id == other.id);
                let total = whole.then_some(found.len() as u64);
                let mut found = found.into_iter().peekable();
                while found.peek().is_some() {
                    let items: Vec<_> = found.by_ref().take(PAGE).collect();
                    place.pass(&items);
                    told = true;
                    yield LeadPage { items, cursor: place.cursor(), total };
                }
            }
            if !told {
                yield LeadPage { items: Vec::new(), cursor: place.cursor(), total: whole.then_some(0) };
            }
        })
    }

    async fn lead(&self, context: &Context, id: &str) -> Result<Option<LeadRecord>> {
        if !is_number(id) {
            return Ok(None);
        }
        let graph = Graph::new(context)?;
        let mut reader = Reader {
            meta: self,
            graph,
            with_ads: true,
        };
        match reader.find(id).await {
            // Perhaps it is on a page that came in since, or with a token that was changed since.
            Ok(None) if self.pages.forget(&reader.graph).await => reader.find(id).await,
            Err(error) if error.kind == Kind::Unauthorised && self.pages.forget(&reader.graph).await => {
                reader.find(id).await
            }
            found => found,
        }
    }
}

impl Meta {
    /// The forms of all pages.
    async fn all_forms(&self, graph: &Graph<'_>) -> Result<Vec<(Page, wire::Form)>> {
        let pages = self.pages.of(graph).await?;
        let mut all = Vec::new();
        for page in pages.iter() {
            let path = format!("{}/leadgen_forms", page.id);
            let query = [("fields", FORM), ("limit", "100")];
            let found = graph
                .all(Token::Own(&page.token), Area::Leads, &path, &query)
                .await;
            let found: Vec<wire::Form> = match found {
                Ok(found) => found,
                Err(error) => return Err(self.of_page(graph, page, error).await),
            };
            all.extend(found.into_iter().map(|form| (page.clone(), form)));
        }
        Ok(all)
    }

    /// An error on a page: says on which, and forgets a token that is refused.
    async fn of_page(&self, graph: &Graph<'_>, page: &Page, error: Error) -> Error {
        if error.kind == Kind::Unauthorised {
            self.pages.forget(graph).await;
        }
        page.name_in(error)
    }
}

/// Moments in Unix seconds: from the first, to before the second.
type Window = (Option<i64>, Option<i64>);

struct Reader<'a> {
    meta: &'a Meta,
    graph: Graph<'a>,
    /// Cleared when the platform refuses the fields of advertisements.
    with_ads: bool,
}

impl Reader<'_> {
    fn fields(&self) -> String {
        if self.with_ads {
            format!("{LEAD},{ADS}")
        } else {
            LEAD.to_owned()
        }
    }

    /// The leads of a form within a window.
    async fn read(
        &mut self,
        page: &Page,
        form: &wire::Form,
        (from, to): Window,
        into: &mut Vec<LeadRecord>,
    ) -> Result<()> {
        let bound = |operator: &str, value: i64| json!({ "field": "time_created", "operator": operator, "value": value });
        let from = from.map(|at| bound("GREATER_THAN_OR_EQUAL", at));
        let to = to.map(|at| bound("LESS_THAN", at));
        let filters: Vec<_> = from.into_iter().chain(to).collect();
        let filtering = serde_json::Value::from(filters).to_string();
        let path = format!("{}/leads", form.id.0);
        let found: Vec<wire::Lead> = loop {
            let fields = self.fields();
            let query = [
                ("fields", fields.as_str()),
                ("filtering", &filtering),
                ("limit", "100"),
            ];
            match self
                .graph
                .all(Token::Own(&page.token), Area::Leads, &path, &query)
                .await
            {
                Err(error) if error.kind == Kind::Forbidden && self.with_ads => self.with_ads = false,
                Err(error) => return Err(self.meta.of_page(&self.graph, page, error).await),
                Ok(found) => break found,
            }
        };
        let boxes = &self.graph.settings.consent_boxes;
        into.extend(found.iter().map(|lead| convert::lead(lead, Some(form), boxes)));
        Ok(())
    }

    /// A lead by its id, on whichever page it is.
    async fn find(&mut self, id: &str) -> Result<Option<LeadRecord>> {
        let pages: Arc<[Page]> = self.meta.pages.of(&self.graph).await?;
        let mut denied = None;
        for page in pages.iter() {
            match self.on(page, id).await {
                Ok(found) => return Ok(Some(found)),
                Err(error) if error.kind == Kind::NotFound => {}
                // The owner may have closed the leads of one page alone.
                Err(error) if error.kind == Kind::Forbidden => denied = Some(page.name_in(error)),
                Err(error) => return Err(page.name_in(error)),
            }
        }
        denied.map_or(Ok(None), Err)
    }

    async fn on(&mut self, page: &Page, id: &str) -> Result<LeadRecord> {
        let token = Token::Own(&page.token);
        let lead: wire::Lead = loop {
            let fields = self.fields();
            let call = self
                .graph
                .get(token, Area::Leads, id, &[("fields", fields.as_str())]);
            match call.read().await {
                Err(Error {
                    kind: Kind::Forbidden,
                    ..
                }) if self.with_ads => self.with_ads = false,
                read => break read?,
            }
        };
        let form_id = lead
            .form_id
            .as_ref()
            .map(|id| id.0.as_str())
            .filter(|id| is_number(id));
        let form: Option<wire::Form> = match form_id {
            None => None,
            Some(form_id) => {
                let call = self.graph.get(token, Area::Leads, form_id, &[("fields", FORM)]);
                match call.read().await {
                    Ok(form) => Some(form),
                    // The lead is worth more than the name of its form.
                    Err(error) if matches!(error.kind, Kind::NotFound | Kind::Forbidden | Kind::Refused) => {
                        None
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        Ok(convert::lead(
            &lead,
            form.as_ref(),
            &self.graph.settings.consent_boxes,
        ))
    }
}

/// How far leads were read: up to which moment, and which of the last minutes, as late ones may still show up there.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Place {
    /// Unix seconds; 0: nothing yet.
    at: i64,
    seen: BTreeMap<String, i64>,
}

impl Place {
    fn read(cursor: Option<&Cursor>) -> Result<Self> {
        let Some(Cursor(text)) = cursor else {
            return Ok(Self::default());
        };
        serde_json::from_str(text).map_err(|_| Error::refused("the cursor is none of leads"))
    }

    fn cursor(&self) -> Cursor {
        Cursor(serde_json::to_string(self).unwrap_or_default())
    }

    /// Passes leads, which come in their order.
    fn pass(&mut self, leads: &[LeadRecord]) {
        for lead in leads {
            let at = lead.created_at.map_or(self.at, |at| at.timestamp());
            self.at = self.at.max(at);
            self.seen.insert(lead.id.clone(), at);
        }
        let oldest = self.at - LATE;
        self.seen.retain(|_, at| *at >= oldest);
    }

    /// What is to be read, in parts that fit into memory: by how many leads the forms count.
    fn windows(&self, forms: &[(Page, wire::Form)], now: DateTime<Utc>) -> Vec<Window> {
        let from = (self.at > 0).then(|| self.at - LATE);
        let start = from.unwrap_or_default().max((now - KEPT).timestamp());
        let end = now.timestamp();
        let length = (end - start).max(0).unsigned_abs();
        let counted: u64 = forms.iter().filter_map(|(_, form)| form.leads_count).sum();
        let expected = counted.saturating_mul(length) / KEPT.num_seconds().unsigned_abs();
        let parts = expected.div_ceil(PART).clamp(1, 90).min(length.max(1));
        let bound = |part: u64| start + i64::try_from(length / parts * part).unwrap_or_default();
        (0..parts)
            .map(|part| {
                let lower = if part == 0 { from } else { Some(bound(part)) };
                let upper = (part + 1 < parts).then(|| bound(part + 1));
                (lower, upper)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(counts: &[u64]) -> Vec<(Page, wire::Form)> {
        let form = |count: &u64| {
            let page = Page {
                id: "1".to_owned(),
                name: String::new(),
                token: "t".into(),
            };
            let form = serde_json::from_value(json!({ "id": "2", "leads_count": count })).expect("a form");
            (page, form)
        };
        counts.iter().map(form).collect()
    }

    #[test]
    fn many_leads_are_read_in_parts_without_gaps() {
        let now = DateTime::from_timestamp(1_760_000_000, 0).unwrap();
        assert_eq!(Place::default().windows(&forms(&[260]), now), [(None, None)]);
        let windows = Place::default().windows(&forms(&[9_000, 3_000]), now);
        assert_eq!(windows.len(), 3);
        assert_eq!((windows[0].0, windows[2].1), (None, None));
        assert_eq!(windows[0].1, windows[1].0);
        assert_eq!(windows[1].1, windows[2].0);
        let place = Place {
            at: 1_759_999_000,
            seen: BTreeMap::new(),
        };
        assert_eq!(
            place.windows(&forms(&[12_000]), now),
            [(Some(1_759_998_700), None)]
        );
        let ahead = Place {
            at: 1_760_000_900,
            seen: BTreeMap::new(),
        };
        assert_eq!(
            ahead.windows(&forms(&[12_000]), now),
            [(Some(1_760_000_600), None)]
        );
    }

    #[test]
    fn a_place_remembers_the_last_minutes_alone() {
        let lead = |id: &str, at: i64| LeadRecord {
            id: id.to_owned(),
            created_at: DateTime::from_timestamp(at, 0),
            ..LeadRecord::default()
        };
        let mut place = Place::default();
        place.pass(&[lead("1", 1_000), lead("2", 1_200), lead("3", 1_500)]);
        assert_eq!(place.at, 1_500);
        assert_eq!(place.seen.keys().collect::<Vec<_>>(), ["2", "3"]);
        assert_eq!(Place::read(Some(&place.cursor())).unwrap(), place);
        assert_eq!(
            Place::read(Some(&Cursor("x".to_owned()))).unwrap_err().kind,
            Kind::Refused
        );
    }
}
