//! For tests: a connection to a sandbox that runs, and what came of a request.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use futures_util::StreamExt as _;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::facet::{Finish, Model, Role, TextGenerator, TextMessage, TextPiece, TextRequest, Usage};
use crate::sandbox::{Running, SandboxRequest, Setup, start};
use crate::transport::{Egress, HttpTransport, Policy, Recording};
use crate::{Context, Integration, ManualClock, Result};

/// A connection to a sandbox.
pub(crate) struct Trial {
    pub context: Context,
    pub clock: Arc<ManualClock>,
    pub running: Running,
    platform: Box<dyn Integration>,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub pieces: Vec<String>,
    /// What the end said; the error where there was none.
    pub end: Result<End>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct End {
    pub finish: Finish,
    pub model: String,
    pub id: Option<String>,
    pub usage: Usage,
}

impl Outcome {
    pub(crate) fn text(&self) -> String {
        self.pieces.concat()
    }

    pub(crate) fn kind(&self) -> Option<crate::Kind> {
        self.end.as_ref().err().map(|error| error.kind)
    }

    pub(crate) fn done(&self) -> &End {
        self.end.as_ref().expect("the text has an end")
    }
}

/// A request for the first model of a sandbox.
pub(crate) fn asked(model: &str, text: &str) -> TextRequest {
    TextRequest {
        model: model.to_owned(),
        system: Some("You write outreach for a bakery.".to_owned()),
        messages: vec![TextMessage {
            role: Role::User,
            text: text.to_owned(),
        }],
        max_tokens: 400,
        temperature: None,
        json_schema: None,
        user: Some("tenant-42".to_owned()),
    }
}

impl Trial {
    pub(crate) async fn of(platform: impl Integration) -> Self {
        Self::with(platform, &json!({}), None).await
    }

    /// With settings on top of those of the sandbox, and other secrets where they are given.
    pub(crate) async fn with(platform: impl Integration, settings: &Value, secrets: Option<Value>) -> Self {
        let clock = Arc::new(ManualClock::at(
            DateTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000),
        ));
        let running = start(platform.sandbox(clock.clone()), clock.clone())
            .await
            .expect("a port of loopback");
        let mut setup = running.sandbox().setup(&running.base);
        for (name, value) in settings.as_object().into_iter().flatten() {
            setup.settings[name] = value.clone();
        }
        if let Some(secrets) = secrets {
            setup.secrets = secrets;
        }
        let manifest = platform.manifest();
        manifest
            .settings
            .check(&setup.settings)
            .expect("the form takes the settings");
        manifest
            .secrets
            .check(&setup.secrets)
            .expect("the form takes the secrets");
        let transport = HttpTransport::new(Egress::Anywhere, Policy::default()).expect("TLS");
        Self {
            context: setup.context(&platform, &transport, clock.clone()),
            clock,
            running,
            platform: Box::new(platform),
        }
    }

    pub(crate) fn generator(&self) -> &dyn TextGenerator {
        self.platform.facets().text_generator.expect("it writes")
    }

    pub(crate) fn platform(&self) -> &dyn Integration {
        &*self.platform
    }

    /// The name of a model of the sandbox.
    pub(crate) fn model(&self) -> String {
        let cases = self.running.sandbox().cases();
        cases.text_generator.expect("a case").model
    }

    pub(crate) async fn models(&self) -> Vec<Model> {
        self.generator().models(&self.context).await.expect("models")
    }

    pub(crate) async fn write(&self, text: &str) -> Outcome {
        self.generate(asked(&self.model(), text)).await
    }

    pub(crate) async fn generate(&self, request: TextRequest) -> Outcome {
        collect(self.generator(), &self.context, request).await
    }

    /// What the sandbox answers to a body that this connection would not send, with the connection's headers of its last
    /// request: the status and the text.
    pub(crate) async fn posted(&self, body: &Value) -> (u16, String) {
        let mut request = self.running.requests().pop().expect("something was asked before");
        request.method = http::Method::POST;
        request.body = body.to_string().into();
        let answer = self.running.sandbox().answer(&request).await;
        let text: Vec<u8> = answer.body.iter().flat_map(|(_, piece)| piece.to_vec()).collect();
        (answer.status, String::from_utf8(text).expect("text"))
    }

    /// The bodies that the sandbox was asked for texts with.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        let requests = self.running.requests();
        requests
            .iter()
            .filter(|request| request.method == "POST")
            .map(SandboxRequest::json)
            .collect()
    }
}

/// Reads a text to its end.
pub(crate) async fn collect(
    generator: &dyn TextGenerator,
    context: &Context,
    request: TextRequest,
) -> Outcome {
    let mut stream = generator.generate(context, request);
    let mut pieces = Vec::new();
    let mut end = None;
    while let Some(piece) = stream.next().await {
        assert!(end.is_none(), "nothing comes behind the end");
        match piece {
            Ok(TextPiece::Text(text)) => pieces.push(text),
            Ok(TextPiece::End {
                finish,
                model,
                id,
                usage,
            }) => {
                end = Some(Ok(End {
                    finish,
                    model,
                    id,
                    usage,
                }));
            }
            Err(error) => end = Some(Err(error)),
        }
    }
    Outcome {
        pieces,
        end: end.expect("a text has an end or an error"),
    }
}

/// A connection to exchanges that were recorded.
pub(crate) fn recorded(
    platform: &dyn Integration,
    recording: &Arc<Recording>,
    settings: Value,
) -> (Context, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(DateTime::UNIX_EPOCH));
    let setup = Setup {
        settings,
        secrets: json!({ "apiKey": "sk-recorded" }),
        credentials: None,
    };
    let transport = HttpTransport::over(recording.clone(), Policy::default());
    (setup.context(platform, &transport, clock.clone()), clock)
}

/// The bill of an answer, by the prices of a model for a million tokens.
pub(crate) fn bill(model: &Model, usage: &Usage) -> Decimal {
    let price = |price: Option<Decimal>| price.expect("a price");
    let millionths = Decimal::from(usage.input) * price(model.input_price)
        + Decimal::from(usage.output) * price(model.output_price);
    (millionths / Decimal::from(1_000_000)).normalize()
}
