//! Audiences.

use async_trait::async_trait;
use http::Method;
use rand::RngExt as _;
use serde_json::{Value, json};

use super::client::{Area, Graph, Token};
use super::settings::is_number;
use super::{Meta, convert, wire};
use crate::facet::{
    Audience, AudienceReceipt, AudienceSink, AudienceSize, AudienceStatus, Lookalike, NewAudience, Person,
};
use crate::{Context, Error, Kind, Result};

/// How many people a request takes.
const MOST: usize = 10_000;
const CUSTOM: &str = "CUSTOM";
const LOOKALIKE: &str = "LOOKALIKE";
const FIELDS: &str = "id,name,subtype,operation_status,delivery_status,approximate_count_lower_bound,\
                      approximate_count_upper_bound";

#[async_trait]
impl AudienceSink for Meta {
    fn batch_limit(&self) -> usize {
        MOST
    }

    async fn create(&self, context: &Context, audience: &NewAudience) -> Result<Audience> {
        let graph = Graph::new(context)?;
        let body = json!({
            "name": audience.name,
            "description": audience.description,
            "subtype": CUSTOM,
            "customer_file_source": graph.settings.customer_file_source,
        });
        find_or_make(&graph, &audience.name, CUSTOM, &body).await
    }

    async fn add(&self, context: &Context, audience: &str, people: &[Person]) -> Result<AudienceReceipt> {
        let graph = Graph::new(context)?;
        let rows = people.iter().filter(|person| convert::is_matchable(person));
        upload(
            &graph,
            Method::POST,
            audience,
            rows.map(convert::row).collect(),
            people.len(),
        )
        .await
    }

    async fn remove(&self, context: &Context, audience: &str, people: &[Person]) -> Result<AudienceReceipt> {
        let graph = Graph::new(context)?;
        // Our own id is enough to find whom we added.
        let rows = people
            .iter()
            .filter(|person| convert::is_matchable(person) || !person.external_id.trim().is_empty());
        upload(
            &graph,
            Method::DELETE,
            audience,
            rows.map(convert::row).collect(),
            people.len(),
        )
        .await
    }

    async fn lookalike(&self, context: &Context, origin: &str, like: &Lookalike) -> Result<Audience> {
        let graph = Graph::new(context)?;
        known(origin)?;
        let steps = (like.ratio * 100.0).round();
        if !(1.0..=20.0).contains(&steps) || (like.ratio * 100.0 - steps).abs() > 1e-6 {
            return Err(Error::refused(format!(
                "a ratio of {} is not taken: 0.01 to 0.2, in steps of 0.01",
                like.ratio
            )));
        }
        let body = json!({
            "name": like.name,
            "subtype": LOOKALIKE,
            "origin_audience_id": origin,
            "lookalike_spec": { "country": like.country.to_ascii_uppercase(), "ratio": steps / 100.0 },
        });
        find_or_make(&graph, &like.name, LOOKALIKE, &body).await
    }

    async fn size(&self, context: &Context, audience: &str) -> Result<AudienceSize> {
        let graph = Graph::new(context)?;
        known(audience)?;
        let call = graph.get(Token::Owner, Area::Audiences, audience, &[("fields", FIELDS)]);
        Ok(size(&call.read().await?))
    }

    async fn delete(&self, context: &Context, audience: &str) -> Result<()> {
        let graph = Graph::new(context)?;
        if known(audience).is_err() {
            return Ok(());
        }
        let call = graph.request(Method::DELETE, Token::Owner, Area::Audiences, audience);
        match call.read::<wire::Done>().await {
            Ok(done) if done.success => Ok(()),
            Ok(_) => Err(Error::refused("the platform did not remove the audience")),
            Err(error) if error.kind == Kind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Whether an audience can have this id; others never get into an address.
fn known(id: &str) -> Result<()> {
    if is_number(id) {
        Ok(())
    } else {
        Err(Error::new(
            Kind::NotFound,
            "there is no such audience: its id has digits only",
        ))
    }
}

/// The platform makes an audience anew each time it is asked, so one of the same name is looked for first.
async fn find_or_make(graph: &Graph<'_>, name: &str, subtype: &str, body: &Value) -> Result<Audience> {
    if let Some(found) = find(graph, name, subtype).await? {
        return Ok(found);
    }
    let path = format!("{}/customaudiences", graph.settings.account()?);
    let call = graph.request(Method::POST, Token::Owner, Area::Audiences, &path);
    match call
        .with(|request| request.json(body).once())
        .read::<wire::Named>()
        .await
    {
        Ok(made) => Ok(Audience {
            id: made.id.0,
            name: name.to_owned(),
        }),
        // It may have been made all the same.
        Err(error)
            if matches!(
                error.kind,
                Kind::OutcomeUnknown | Kind::Unavailable | Kind::Malformed
            ) =>
        {
            find(graph, name, subtype).await?.ok_or(error)
        }
        Err(error) => Err(error),
    }
}

async fn find(graph: &Graph<'_>, name: &str, subtype: &str) -> Result<Option<Audience>> {
    let path = format!("{}/customaudiences", graph.settings.account()?);
    let query = [("fields", "id,name,subtype"), ("limit", "200")];
    let mut after = None;
    loop {
        let part = graph.part::<wire::CustomAudience>(
            Token::Owner,
            Area::Audiences,
            &path,
            &query,
            after.as_deref(),
        );
        let part = part.await?;
        let same = |one: &wire::CustomAudience| one.name == name && one.subtype == subtype;
        if let Some(found) = part.items.into_iter().find(same) {
            return Ok(Some(Audience {
                id: found.id.0,
                name: found.name,
            }));
        }
        if !part.more {
            return Ok(None);
        }
        after = part.after;
    }
}

async fn upload(
    graph: &Graph<'_>,
    method: Method,
    audience: &str,
    rows: Vec<Vec<String>>,
    people: usize,
) -> Result<AudienceReceipt> {
    known(audience)?;
    let mut receipt = AudienceReceipt {
        unmatchable: (people - rows.len()) as u64,
        ..AudienceReceipt::default()
    };
    let session_id = rand::rng().random_range(1..=u64::from(u32::MAX));
    let batches = rows.len().div_ceil(MOST);
    for (number, batch) in rows.chunks(MOST).enumerate() {
        let body = wire::Upload {
            session: wire::Session {
                session_id,
                batch_seq: number + 1,
                last_batch_flag: number + 1 == batches,
                estimated_num_total: rows.len(),
            },
            payload: wire::Payload {
                schema: convert::SCHEMA,
                data: batch,
            },
        };
        let path = format!("{audience}/users");
        let call = graph.request(method.clone(), Token::Owner, Area::Audiences, &path);
        let taken: wire::Uploaded = call.with(|request| request.json(&body)).read().await?;
        receipt.received += taken.num_received;
        receipt.invalid += taken.num_invalid_entries;
    }
    Ok(receipt)
}

/// What the platform's codes say. Its own words go along, as it has more codes than it tells of.
fn size(audience: &wire::CustomAudience) -> AudienceSize {
    let bound = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
    let operation = audience.operation_status.code;
    let delivery = audience.delivery_status.code;
    let status = match (operation, delivery) {
        (Some(471 | 450), _) => AudienceStatus::Blocked,
        (Some(441), _) => AudienceStatus::Filling,
        (_, Some(200)) => AudienceStatus::Ready,
        (_, Some(300)) => AudienceStatus::TooSmall,
        _ => AudienceStatus::Other,
    };
    let words = if matches!(operation, None | Some(200)) {
        &audience.delivery_status.description
    } else {
        &audience.operation_status.description
    };
    AudienceSize {
        at_least: bound(audience.approximate_count_lower_bound),
        at_most: bound(audience.approximate_count_upper_bound),
        status,
        detail: words.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_codes_say() {
        let read = |operation: u32, delivery: u32, count: i64| {
            let audience = json!({
                "id": 1, "operation_status": { "code": operation, "description": "operation" },
                "delivery_status": { "code": delivery, "description": "delivery" },
                "approximate_count_lower_bound": count, "approximate_count_upper_bound": count,
            });
            let size = size(&serde_json::from_value(audience).expect("an audience"));
            (size.status, size.at_least, size.detail.expect("words"))
        };
        assert_eq!(
            read(200, 200, 1_200),
            (AudienceStatus::Ready, Some(1_200), "delivery".to_owned())
        );
        assert_eq!(
            read(200, 300, -1),
            (AudienceStatus::TooSmall, None, "delivery".to_owned())
        );
        assert_eq!(
            read(441, 300, -1),
            (AudienceStatus::Filling, None, "operation".to_owned())
        );
        assert_eq!(read(471, 200, 1_200).0, AudienceStatus::Blocked);
        assert_eq!(
            read(999, 999, 0),
            (AudienceStatus::Other, Some(0), "operation".to_owned())
        );
    }
}
