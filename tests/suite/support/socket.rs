//! A client of graphql-transport-ws.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::LIMIT;

type Wire = WebSocketStream<MaybeTlsStream<TcpStream>>;
/// Who waits for the messages of an operation, by its id.
type Feeds = Arc<Mutex<HashMap<String, mpsc::UnboundedSender<Value>>>>;

/// What is known of the socket itself.
#[derive(Clone, Debug, Default)]
struct State {
    let_in: bool,
    /// Answers to pings.
    pongs: usize,
    /// Code and reason; 1006 when the connection broke.
    closed: Option<(u16, String)>,
}

/// A socket; closed when it is dropped.
pub struct Socket {
    out: mpsc::UnboundedSender<Value>,
    feeds: Feeds,
    state: watch::Receiver<State>,
    operations: usize,
    task: JoinHandle<()>,
}

impl Socket {
    /// Connects and sends `connection_init`.
    pub async fn open(address: SocketAddr, token: Option<&str>) -> Self {
        let mut request = format!("ws://{address}/graphql/ws")
            .into_client_request()
            .expect("a request");
        let protocol = "graphql-transport-ws".parse().expect("a header");
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let (wire, _response) = connect_async(request).await.expect("the server upgrades");
        let (out, messages) = mpsc::unbounded_channel();
        let (state, watched) = watch::channel(State::default());
        let feeds = Feeds::default();
        let task = tokio::spawn(attend(wire, messages, Arc::clone(&feeds), state));
        let payload = token.map(|token| json!({ "authorization": format!("Bearer {token}") }));
        let socket = Self {
            out,
            feeds,
            state: watched,
            operations: 0,
            task,
        };
        socket.send(json!({ "type": "connection_init", "payload": payload }));
        socket
    }

    /// Waits until the server has let the client in.
    pub async fn let_in(&mut self) {
        let state = self
            .state
            .wait_for(|state| state.let_in || state.closed.is_some());
        let state = timeout(LIMIT, state)
            .await
            .expect("an answer to `connection_init`");
        let state = state.expect("the task tells").clone();
        assert!(
            state.closed.is_none(),
            "the socket was closed: {:?}",
            state.closed
        );
    }

    /// Waits until the server closes the socket; answers its code.
    pub async fn closed(&mut self) -> u16 {
        let state = self.state.wait_for(|state| state.closed.is_some());
        let state = timeout(LIMIT, state).await.expect("the socket is closed in time");
        state
            .expect("the task tells")
            .closed
            .as_ref()
            .expect("waited for")
            .0
    }

    /// Runs an operation: a subscription is at work when this returns, so that it sees what happens from now on.
    pub async fn subscribe(&mut self, query: &str, variables: Value) -> Feed {
        self.operations += 1;
        let id = self.operations.to_string();
        let (sender, payloads) = mpsc::unbounded_channel();
        self.feeds
            .lock()
            .expect("nobody panics")
            .insert(id.clone(), sender);
        let payload = json!({ "query": query, "variables": variables });
        self.send(json!({ "type": "subscribe", "id": id, "payload": payload }));
        // Messages are taken in their order: who answers this has begun the operation.
        self.send(json!({ "type": "ping" }));
        let operations = self.operations;
        let state = self
            .state
            .wait_for(|state| state.pongs >= operations || state.closed.is_some());
        let state = timeout(LIMIT, state).await.expect("an answer to a ping");
        drop(state.expect("the task tells"));
        Feed {
            id,
            payloads,
            out: self.out.clone(),
        }
    }

    fn send(&self, message: Value) {
        // When the socket is closed, waiting for an answer tells.
        let _ = self.out.send(message);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What an operation says.
pub struct Feed {
    id: String,
    payloads: mpsc::UnboundedReceiver<Value>,
    out: mpsc::UnboundedSender<Value>,
}

impl Feed {
    /// The next response, whole: `data`, `errors`.
    pub async fn next(&mut self) -> Value {
        let payload = timeout(LIMIT, self.payloads.recv()).await;
        payload
            .expect("something is said in time")
            .expect("the operation goes on")
    }

    /// The next response's `data`. Panics on errors, and shows them.
    pub async fn data(&mut self) -> Value {
        let mut payload = self.next().await;
        assert!(
            payload.get("errors").is_none(),
            "the subscription said {payload:#}"
        );
        payload["data"].take()
    }

    /// Waits until the operation ends; panics when it says something before.
    pub async fn ended(&mut self) {
        let payload = timeout(LIMIT, self.payloads.recv())
            .await
            .expect("it ends in time");
        assert_eq!(payload, None, "the operation ends");
    }

    /// Asks the server to end the operation.
    pub fn complete(&self) {
        let _ = self.out.send(json!({ "type": "complete", "id": self.id }));
    }
}

/// Writes what is to be said, and hands on what the server says, until the socket is closed.
async fn attend(
    mut wire: Wire,
    mut messages: mpsc::UnboundedReceiver<Value>,
    feeds: Feeds,
    state: watch::Sender<State>,
) {
    let closed = loop {
        tokio::select! {
            message = messages.recv() => {
                let Some(message) = message else { return };
                if message["type"] == "complete" {
                    let id = message["id"].as_str().expect("written above");
                    feeds.lock().expect("nobody panics").remove(id);
                }
                // A broken connection is told by reading.
                let _ = wire.send(Message::text(message.to_string())).await;
            }
            received = wire.next() => match received {
                Some(Ok(Message::Text(text))) => {
                    if let Some(answer) = hear(&text, &feeds, &state) {
                        let _ = wire.send(Message::text(answer.to_string())).await;
                    }
                }
                Some(Ok(Message::Close(frame))) => break frame.map_or((1005, String::new()), |frame| {
                    (frame.code.into(), frame.reason.to_string())
                }),
                Some(Ok(_)) => {}
                Some(Err(error)) => break (1006, error.to_string()),
                None => break (1006, "the connection ended".to_owned()),
            },
        }
    };
    // In this order, so that who waits for both hears of the close first.
    state.send_modify(|state| state.closed = Some(closed));
    feeds.lock().expect("nobody panics").clear();
}

fn hear(text: &str, feeds: &Feeds, state: &watch::Sender<State>) -> Option<Value> {
    let mut message: Value = serde_json::from_str(text).expect("the server speaks JSON");
    let id = message["id"].as_str().unwrap_or_default().to_owned();
    let mut feeds = feeds.lock().expect("nobody panics");
    match message["type"].as_str().unwrap_or_default() {
        "connection_ack" => state.send_modify(|state| state.let_in = true),
        "next" => {
            if let Some(feed) = feeds.get(&id) {
                let _ = feed.send(message["payload"].take());
            }
        }
        "error" => {
            if let Some(feed) = feeds.remove(&id) {
                let _ = feed.send(json!({ "errors": message["payload"].take() }));
            }
        }
        "complete" => drop(feeds.remove(&id)),
        "pong" => state.send_modify(|state| state.pongs += 1),
        "ping" => return Some(json!({ "type": "pong" })),
        other => panic!("the server says `{other}`: {text}"),
    }
    None
}
