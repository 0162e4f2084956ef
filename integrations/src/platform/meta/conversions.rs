//! Conversions.

use async_trait::async_trait;
use http::Method;
use tracing::warn;

use super::client::{Area, Graph, Token};
use super::{Meta, convert, wire};
use crate::facet::{AdConsent, ConversionEvent, ConversionOutcome, ConversionSink};
use crate::{Context, Error, Kind, Result};

/// How many events a request takes.
const MOST: usize = 1_000;

#[async_trait]
impl ConversionSink for Meta {
    fn batch_limit(&self) -> usize {
        MOST
    }

    fn oldest(&self) -> chrono::Duration {
        convert::OLDEST
    }

    async fn send(&self, context: &Context, events: &[ConversionEvent]) -> Result<Vec<ConversionOutcome>> {
        let graph = Graph::new(context)?;
        let path = format!("{}/events", graph.settings.dataset()?);
        let now = context.clock.now();
        // Accepted, unless something else is found.
        let mut outcomes = vec![ConversionOutcome::Accepted; events.len()];
        let mut sent = Vec::new();
        let mut places = Vec::new();
        for (place, event) in events.iter().enumerate() {
            match event.consent {
                AdConsent::Denied | AdConsent::Unknown => outcomes[place] = ConversionOutcome::Withheld,
                AdConsent::Granted | AdConsent::NotRequired => {
                    match convert::event(event, &graph.settings, now) {
                        Ok(event) => {
                            sent.push(event);
                            places.push(place);
                        }
                        Err(reason) => outcomes[place] = ConversionOutcome::Refused(reason),
                    }
                }
            }
        }
        // A wrong event fails all that go with it, and the platform does not say which it is: halves are tried, down to the
        // one. What is sent again counts once, by its id.
        let mut ahead: Vec<_> = (0..sent.len())
            .step_by(MOST)
            .map(|start| start..sent.len().min(start + MOST))
            .rev()
            .collect();
        while let Some(range) = ahead.pop() {
            match post(&graph, &path, &sent[range.clone()]).await {
                Ok(()) => {}
                Err(error) if error.kind != Kind::Refused => return Err(error),
                Err(error) if range.len() == 1 => {
                    outcomes[places[range.start]] = ConversionOutcome::Refused(error.message);
                }
                Err(_) => {
                    let middle = range.start + range.len() / 2;
                    ahead.push(middle..range.end);
                    ahead.push(range.start..middle);
                }
            }
        }
        Ok(outcomes)
    }
}

async fn post(graph: &Graph<'_>, path: &str, events: &[wire::Event]) -> Result<()> {
    let body = wire::Events {
        data: events,
        test_event_code: graph.settings.test_event_code.as_deref(),
    };
    let call = graph.request(Method::POST, Token::Owner, Area::Events, path);
    let taken: wire::EventsTaken = call.with(|request| request.json(&body)).read().await?;
    if !taken.messages.is_empty() {
        warn!(
            warnings = taken.messages.len(),
            events = events.len(),
            "the platform has taken events with warnings"
        );
    }
    if taken.events_received < events.len() {
        let text = format!(
            "the platform took {} of {} events",
            taken.events_received,
            events.len()
        );
        return Err(Error::malformed(text));
    }
    Ok(())
}
