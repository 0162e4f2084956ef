//! Takes connections and serves the router on them.
//!
//! `axum::serve` waits for the headers of a request as long as the client likes (slow-loris) and tells the router nothing
//! of an end; so hyper is driven here: headers have their time, an ended server lets requests finish.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::util::ServiceExt as _;

use super::unread::Unread;

/// How long a client may take nothing of what is written for it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// Serves until `closing`, then returns when the last request has been answered. `header_timeout` is how long the headers
/// of a request may take, and how long a connection is kept between two. Of more connections than `most` those beyond wait
/// to be taken.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    header_timeout: Duration,
    most: usize,
    closing: CancellationToken,
) {
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = closing.cancelled() => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (router, closing) = (router.clone(), closing.clone());
                connections.spawn(async move {
                    let _place = place;
                    attend(stream, peer, router, header_timeout, closing).await;
                });
            }
            Err(error) if is_of_connection(&error) => {}
            Err(error) => {
                // Most likely no file is left to open: some close meanwhile.
                tracing::error!(%error, "could not take a connection");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

async fn attend(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    header_timeout: Duration,
    closing: CancellationToken,
) {
    // Else small events wait for the acknowledgement of those before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "could not set TCP_NODELAY");
    }
    // A client that reads nothing would hold its connection for ever.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let stream = Box::pin(stream);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let (head, body) = request.into_parts();
        let (body, left) = Unread::new(body, &head.headers);
        let answer = router.clone().oneshot(Request::from_parts(head, Body::new(body)));
        async move {
            let mut answer = answer.await?;
            left.say(answer.headers_mut());
            Ok::<Response, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "a connection ended badly");
    }
}
