//! Webhooks: verified first, kept raw, read later.

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, Method};
use serde_json::{Map, Value};
use url::Url;

use super::{AbandonedCheckout, Channel, Customer, DeliveryState, LeadRecord, Order, Product};
use crate::{Context, Error, Kind, RecipientFault, Result};

/// A platform that tells by itself what happened.
///
/// `answer`, `verify` and `id` are called while the platform waits: they compute, and never ask anybody.
#[async_trait]
pub trait Webhooks: Send + Sync {
    /// What is answered at once to a request that tells nothing, e.g. the question whether the address is ours; `None`
    /// for all others.
    ///
    /// # Errors
    /// [`Kind::Signature`] where the question is not from the platform.
    fn handshake(&self, context: &Context, request: &Inbound) -> Result<Option<Reply>>;

    /// Whether it is from the platform. Looks at the bytes as they came, and reads nothing out of them.
    ///
    /// # Errors
    /// [`Kind::Signature`].
    fn verify(&self, context: &Context, request: &Inbound) -> Result<()>;

    /// The platform's id of the delivery, the same when it is sent again; `None` where it has none, and then its bytes
    /// are its id.
    fn id(&self, request: &Inbound) -> Option<String>;

    /// What it is about, in the platform's words; for people.
    fn topic(&self, request: &Inbound) -> Option<String>;

    /// The largest body that it sends, in bytes.
    fn largest(&self) -> usize {
        1 << 20
    }

    /// What the platform is answered when the delivery is kept.
    fn reply(&self, request: &Inbound) -> Reply {
        let _ = request;
        Reply::empty()
    }

    /// What it says. Called after `verify`, perhaps much later.
    ///
    /// # Errors
    /// [`Kind::Malformed`] when it cannot be read.
    fn parse(&self, context: &Context, request: &Inbound) -> Result<Vec<WebhookEvent>>;

    /// What the platform tells, and to which address.
    ///
    /// # Errors
    /// The platform's.
    async fn subscriptions(&self, context: &Context) -> Result<Vec<Subscription>>;

    /// Has the platform tell these topics to an address; what it tells there already is no error.
    ///
    /// # Errors
    /// The platform's.
    async fn subscribe(&self, context: &Context, url: &Url, topics: &[&str]) -> Result<()>;

    /// What the platform gives out with a subscription and the connection has to know from then on, as fields of its settings:
    /// e.g. the key that the platform signs with. Asked for after [`Self::subscribe`]; whoever keeps the settings puts the
    /// fields into them.
    ///
    /// # Errors
    /// The platform's.
    async fn subscription_settings(&self, context: &Context, url: &Url) -> Result<Map<String, Value>> {
        let _ = (context, url);
        Ok(Map::new())
    }

    /// Has it tell nothing more to an address; that it told nothing is no error.
    ///
    /// # Errors
    /// The platform's.
    async fn unsubscribe(&self, context: &Context, url: &Url) -> Result<()>;
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// `GET` or `POST`.
    pub method: Method,
    /// The address as the platform called it: public, with the query.
    pub url: Url,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its bytes.
    pub body: Bytes,
    /// When it came.
    pub received_at: DateTime<Utc>,
}

impl Inbound {
    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The fields of a form that was posted.
    #[must_use]
    pub fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    /// [`Kind::Malformed`], with the place.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        let mut reader = serde_json::Deserializer::from_slice(&self.body);
        serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().to_string();
            Error::new(Kind::Malformed, format!("at `{path}`: {}", error.inner()))
        })
    }
}

/// What a platform is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Media type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Reply {
    /// 200, and nothing else.
    #[must_use]
    pub fn empty() -> Self {
        Self::text(String::new())
    }

    /// 200 with plain text.
    #[must_use]
    pub fn text(body: String) -> Self {
        Self {
            status: 200,
            content_type: "text/plain",
            body,
        }
    }
}

/// What a platform tells, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// As the platform calls it.
    pub topic: String,
    /// The address; `None` where the platform does not say.
    pub url: Option<String>,
}

/// What a delivery says.
#[derive(Clone, Debug, PartialEq)]
pub enum WebhookEvent {
    /// A lead came in that is to be fetched by its id.
    LeadArrived {
        /// The platform's id.
        id: String,
    },
    /// A lead, whole.
    Lead(Box<LeadRecord>),
    /// A customer came or changed.
    Customer(Box<Customer>),
    /// A customer was removed from the shop.
    CustomerDeleted {
        /// The platform's id.
        id: String,
    },
    /// The law wants a customer's data handed to them, by the owner.
    DataRequest {
        /// The customer's id, where it is told.
        customer: Option<String>,
        /// Their address, where it is told.
        email: Option<String>,
    },
    /// The law wants a customer forgotten.
    Redact {
        /// The customer's id, where it is told.
        customer: Option<String>,
        /// Their address, where it is told.
        email: Option<String>,
    },
    /// The law wants all data of the shop forgotten.
    RedactShop,
    /// An order came or changed.
    Order(Box<Order>),
    /// Something of an order changed; it is to be read again.
    OrderChanged {
        /// The platform's id of the order.
        id: String,
    },
    /// A product came or changed.
    Product(Box<Product>),
    /// A product was removed.
    ProductDeleted {
        /// The platform's id.
        id: String,
    },
    /// A checkout was begun or changed.
    Checkout(Box<AbandonedCheckout>),
    /// Something became of a message of ours.
    Message(MessageEvent),
    /// Somebody wrote to us.
    Received(InboundMessage),
    /// The owner has removed us from the platform.
    Uninstalled,
    /// What we may do has changed.
    ScopesChanged {
        /// What we may do now.
        scopes: Vec<String>,
    },
    /// A long reading that we asked for is ready.
    BulkFinished {
        /// The platform's id of it.
        id: String,
    },
    /// Nothing for us, or nothing that we know; kept all the same.
    Ignored {
        /// Why.
        reason: String,
    },
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageEvent {
    /// The platform's id of the event, where it has one.
    pub id: Option<String>,
    /// Our id of the message, where it comes back.
    pub message: Option<String>,
    /// The platform's id of the message.
    pub platform_message: Option<String>,
    /// The recipient.
    pub recipient: Option<String>,
    /// What it became.
    pub state: DeliveryState,
    /// What that says about the recipient.
    pub fault: Option<RecipientFault>,
    /// When.
    pub at: Option<DateTime<Utc>>,
    /// The platform's own code.
    pub code: Option<String>,
    /// The platform's, or the receiving server's, own words.
    pub detail: Option<String>,
    /// The link that was followed.
    pub url: Option<String>,
    /// What opened or clicked calls itself.
    pub user_agent: Option<String>,
    /// Its address.
    pub ip: Option<String>,
    /// The platform itself says that a machine did it.
    pub machine: bool,
}

/// Something that somebody wrote to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundMessage {
    /// The platform's id.
    pub id: String,
    /// What it came by.
    pub channel: Channel,
    /// By whom: an address or a number.
    pub from: String,
    /// To whom of ours.
    pub to: String,
    /// Their name, where it is told.
    pub from_name: Option<String>,
    /// The subject of a mail.
    pub subject: Option<String>,
    /// What it says.
    pub text: String,
    /// The `Message-ID`s (or the platform's ids) that it answers to, the nearest last.
    pub answers: Vec<String>,
    /// What it asks for when it is a keyword as a whole.
    pub keyword: Option<Keyword>,
    /// Pictures that came with it.
    pub media: Vec<String>,
    /// When.
    pub at: Option<DateTime<Utc>>,
}

/// A word that asks for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Keyword {
    /// Write no more.
    Stop,
    /// Write again.
    Start,
    /// Who are you?
    Help,
}
