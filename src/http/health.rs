//! Whether the server lives and is ready to answer.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::app::App;

/// Longest wait for the database's answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The log is looked at several times a second; at the longest so long ago.
const LOG_PATIENCE: Duration = Duration::from_secs(10);

/// Something that the server needs and that is away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Away {
    what: &'static str,
    why: String,
}

#[derive(Debug, Serialize)]
struct Readiness {
    /// `ready` or `away`.
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    away: Vec<Away>,
}

/// `/health/live`: the process answers.
pub(super) async fn live() -> Response {
    Json(Readiness {
        status: "live",
        away: Vec::new(),
    })
    .into_response()
}

/// `/health/ready`: the database answers and the event log is being followed; 503 saying what is away otherwise.
pub(super) async fn ready(State(app): State<App>) -> Response {
    let mut away = Vec::new();
    let answer = tokio::time::timeout(PATIENCE, app.db().ping()).await;
    if let Err(why) = answer.map_or_else(
        |_elapsed| Err(format!("no answer within {} s", PATIENCE.as_secs())),
        |answer| {
            answer.map_err(|error| {
                tracing::debug!(%error, "the database is away");
                "it cannot be reached".to_owned()
            })
        },
    ) {
        away.push(Away {
            what: "database",
            why,
        });
    }
    let last_look = app.bus().last_look();
    if last_look > LOG_PATIENCE {
        away.push(Away {
            what: "events",
            why: format!("the event log was last read {} s ago", last_look.as_secs()),
        });
    }
    let (code, status) = if away.is_empty() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "away")
    };
    (code, Json(Readiness { status, away })).into_response()
}
