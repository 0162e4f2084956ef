//! Setting up what the platform tells.

use http::Method;
use serde_json::{Map, Value, json};
use url::Url;

use super::TOPICS;
use super::client::{Client, SendGridJudge};
use super::wire::{Hook, Hooks, Parse, Parses, Signing};
use crate::facet::Subscription;
use crate::transport::Answer;
use crate::{Error, Kind, Result};

const EVENTS: &str = "/user/webhooks/event/settings";
const PARSE: &str = "/user/webhooks/parse/settings";
/// Mails that come in are set up apart from all others.
const INBOUND: &str = "inbound";

async fn ask(client: &Client<'_>, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
    let request = client.request(method, path);
    let request = match body {
        Some(body) => request.json(body),
        None => request,
    };
    request.send(&SendGridJudge { sends: false }).await
}

/// The Event Webhooks of the account.
pub async fn all(client: &Client<'_>) -> Result<Vec<Hook>> {
    let answer = ask(client, Method::GET, &format!("{EVENTS}/all"), None).await?;
    Ok(answer.json::<Hooks>()?.webhooks)
}

async fn parses(client: &Client<'_>) -> Result<Vec<Parse>> {
    match ask(client, Method::GET, PARSE, None).await {
        Ok(answer) => Ok(answer.json::<Parses>()?.result),
        // A key may have been made for events alone.
        Err(error) if matches!(error.kind, Kind::NotFound | Kind::Forbidden) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn is_at(found: Option<&str>, url: &Url) -> bool {
    found.is_some_and(|found| Url::parse(found).is_ok_and(|found| found == *url))
}

fn tells(hook: &Hook, topic: &str) -> bool {
    hook.flags.get(topic) == Some(&Value::Bool(true))
}

/// What is told, and to whom.
pub async fn subscriptions(client: &Client<'_>) -> Result<Vec<Subscription>> {
    let mut found = Vec::new();
    for hook in all(client).await?.into_iter().filter(|hook| hook.enabled) {
        for topic in TOPICS.iter().filter(|topic| tells(&hook, topic.name)) {
            found.push(Subscription {
                topic: topic.name.to_owned(),
                url: hook.url.clone(),
            });
        }
    }
    let parses = parses(client).await?.into_iter().map(|parse| Subscription {
        topic: INBOUND.to_owned(),
        url: parse.url,
    });
    found.extend(parses);
    Ok(found)
}

/// Has these topics told to an address, signed.
pub async fn subscribe(client: &Client<'_>, url: &Url, topics: &[&str]) -> Result<()> {
    if let Some(unknown) = topics
        .iter()
        .find(|topic| !TOPICS.iter().any(|known| known.name == **topic))
    {
        let known: Vec<_> = TOPICS.iter().map(|topic| topic.name).collect();
        return Err(Error::new(
            Kind::Unsupported,
            format!("unknown topic `{unknown}`; one of {}", known.join(", ")),
        ));
    }
    let events: Vec<_> = topics.iter().copied().filter(|topic| *topic != INBOUND).collect();
    if !events.is_empty() {
        subscribe_to_events(client, url, &events).await?;
    }
    if topics.contains(&INBOUND) {
        subscribe_to_mail(client, url).await?;
    }
    Ok(())
}

async fn subscribe_to_events(client: &Client<'_>, url: &Url, topics: &[&str]) -> Result<()> {
    let mut wanted = Map::from_iter([
        ("enabled".to_owned(), true.into()),
        ("url".to_owned(), url.as_str().into()),
    ]);
    wanted.extend(topics.iter().map(|topic| ((*topic).to_owned(), true.into())));
    let known = all(client)
        .await?
        .into_iter()
        .find(|hook| is_at(hook.url.as_deref(), url));
    let id = match known {
        Some(hook) => {
            if !hook.enabled || topics.iter().any(|topic| !tells(&hook, topic)) {
                let path = format!("{EVENTS}/{}", hook.id);
                ask(client, Method::PATCH, &path, Some(&Value::Object(wanted))).await?;
            }
            hook.id
        }
        None => {
            wanted.insert("friendly_name".to_owned(), "Leadline".into());
            let made = ask(client, Method::POST, EVENTS, Some(&Value::Object(wanted))).await?;
            made.json::<Hook>()?.id
        }
    };
    // It cannot be done while it is made.
    let path = format!("{EVENTS}/signed/{id}");
    ask(client, Method::PATCH, &path, Some(&json!({ "enabled": true }))).await?;
    Ok(())
}

async fn subscribe_to_mail(client: &Client<'_>, url: &Url) -> Result<()> {
    let hostname = client.settings.inbound_hostname.as_deref().ok_or_else(|| {
        Error::new(
            Kind::Settings,
            "the setting `inboundHostname` is needed to take mail that comes in",
        )
    })?;
    let known = parses(client)
        .await?
        .into_iter()
        .find(|parse| parse.hostname.eq_ignore_ascii_case(hostname));
    match known {
        Some(parse) if is_at(parse.url.as_deref(), url) => Ok(()),
        // It leads elsewhere, and somebody may rely on that.
        Some(_) => Err(Error::new(
            Kind::Refused,
            format!(
                "mail to `{hostname}` goes to another address already: remove that in the platform's settings first"
            ),
        )),
        None => {
            let body =
                json!({ "hostname": hostname, "url": url.as_str(), "spam_check": false, "send_raw": true });
            ask(client, Method::POST, PARSE, Some(&body)).await.map(drop)
        }
    }
}

/// The key that the webhook at an address is signed with.
pub async fn settings(client: &Client<'_>, url: &Url) -> Result<Map<String, Value>> {
    let known = all(client)
        .await?
        .into_iter()
        .find(|hook| is_at(hook.url.as_deref(), url));
    let Some(hook) = known else {
        return Ok(Map::new());
    };
    let answer = ask(client, Method::GET, &format!("{EVENTS}/signed/{}", hook.id), None).await?;
    let key = answer.json::<Signing>()?.public_key.filter(|key| !key.is_empty());
    Ok(key
        .map(|key| ("webhookPublicKey".to_owned(), key.into()))
        .into_iter()
        .collect())
}

/// Has nothing more told to an address.
pub async fn unsubscribe(client: &Client<'_>, url: &Url) -> Result<()> {
    for hook in all(client).await? {
        if is_at(hook.url.as_deref(), url) {
            gone(ask(client, Method::DELETE, &format!("{EVENTS}/{}", hook.id), None).await)?;
        }
    }
    for parse in parses(client).await? {
        if is_at(parse.url.as_deref(), url) {
            gone(
                ask(
                    client,
                    Method::DELETE,
                    &format!("{PARSE}/{}", parse.hostname),
                    None,
                )
                .await,
            )?;
        }
    }
    Ok(())
}

/// That it was not there any more is no error.
fn gone(asked: Result<Answer>) -> Result<()> {
    match asked {
        Err(error) if error.kind != Kind::NotFound => Err(error),
        _ => Ok(()),
    }
}
