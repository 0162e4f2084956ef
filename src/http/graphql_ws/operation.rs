//! One live operation of a socket.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_graphql::parser::types::OperationType;
use async_graphql::{Executor, Request, Response, ServerError, Value};
use axum::extract::ws::Utf8Bytes;
use futures_util::Stream;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::time::timeout;

use super::Service;
use super::protocol::OperationWriter;
use crate::http::gateway::{Gateway, RequestId, coded_error, complete_errors, never_ran};

/// An operation that has not ended.
pub(super) struct Operation {
    pub(super) id: Box<str>,
    writer: OperationWriter,
    request_id: RequestId,
    work: Work,
}

enum Work {
    /// Being made ready; a query or mutation runs to its end in here.
    Starting(BoxFuture<'static, Started>),
    /// A subscription, and whether it has answered yet.
    Streaming {
        results: BoxStream<'static, Response>,
        answered: bool,
    },
    /// All but `complete` is said.
    Ending,
}

enum Started {
    Result(Box<Response>),
    Stream(BoxStream<'static, Response>),
}

/// What an operation has to say.
pub(super) enum Said {
    /// This, and perhaps more later.
    Next(Utf8Bytes),
    /// This, and nothing after it.
    Last(Utf8Bytes),
}

impl Operation {
    pub(super) fn start<E: Executor, G: Gateway>(
        service: Arc<Service<E, G>>,
        caller: Arc<G::Caller>,
        id: &str,
        request: Request,
        request_id: RequestId,
    ) -> Self {
        let started = start(service, caller, request, request_id.clone());
        Self {
            id: id.into(),
            writer: OperationWriter::new(id),
            request_id,
            work: Work::Starting(Box::pin(started)),
        }
    }

    /// The next thing to say. Not to be called after [`Said::Last`].
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Said> {
        catch_unwind(AssertUnwindSafe(|| self.poll_work(cx))).unwrap_or_else(|_panic| {
            tracing::error!(request_id = self.request_id.as_str(), "a resolver panicked");
            let mut response = Response::from_errors(vec![coded_error("INTERNAL", "internal error")]);
            Poll::Ready(self.fail(&mut response))
        })
    }

    fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<Said> {
        loop {
            match &mut self.work {
                Work::Starting(start) => match start.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Started::Stream(results)) => {
                        self.work = Work::Streaming {
                            results,
                            answered: false,
                        };
                    }
                    Poll::Ready(Started::Result(mut response)) => {
                        return Poll::Ready(if never_ran(&response) {
                            self.fail(&mut response)
                        } else {
                            self.work = Work::Ending;
                            self.next(&mut response)
                        });
                    }
                },
                Work::Streaming { results, answered } => match Pin::new(results).poll_next(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(None) => return Poll::Ready(Said::Last(self.writer.complete())),
                    Poll::Ready(Some(mut response)) => {
                        let first = !std::mem::replace(answered, true);
                        return Poll::Ready(if never_ran(&response) || (first && never_started(&response)) {
                            self.fail(&mut response)
                        } else {
                            self.next(&mut response)
                        });
                    }
                },
                Work::Ending => return Poll::Ready(Said::Last(self.writer.complete())),
            }
        }
    }

    fn next(&mut self, response: &mut Response) -> Said {
        complete_errors(response, &self.request_id);
        Said::Next(self.writer.next(response))
    }

    fn fail(&mut self, response: &mut Response) -> Said {
        complete_errors(response, &self.request_id);
        Said::Last(self.writer.error(response))
    }
}

/// Whether the first answer of a subscription says that its source could not be opened: an error of the
/// subscription's own field, not of one inside an event.
fn never_started(response: &Response) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.len() <= 1)
}

async fn start<E: Executor, G: Gateway>(
    service: Arc<Service<E, G>>,
    caller: Arc<G::Caller>,
    request: Request,
    request_id: RequestId,
) -> Started {
    let limit = service.limits.query_timeout;
    let work = async {
        let mut request = match service.gateway.prepare(&caller, request, &request_id).await {
            Ok(request) => request,
            Err(error) => return refused(error),
        };
        match is_subscription(&mut request) {
            Ok(true) => Started::Stream(service.executor.execute_stream(request, None)),
            Ok(false) => Started::Result(Box::new(service.executor.execute(request).await)),
            Err(error) => refused(*error),
        }
    };
    timeout(limit, work).await.unwrap_or_else(|_elapsed| {
        let message = format!("the operation took longer than {} s", limit.as_secs_f32());
        refused(coded_error("TIMEOUT", message))
    })
}

fn refused(error: ServerError) -> Started {
    Started::Result(Box::new(Response::from_errors(vec![error])))
}

/// Whether a request runs a subscription. The parsed document stays in the request, so it is parsed once. Where the
/// operation cannot be told, the executor says why.
fn is_subscription(request: &mut Request) -> Result<bool, Box<ServerError>> {
    let wanted = request.operation_name.clone();
    let document = request.parsed_query().map_err(Box::new)?;
    let mut operations = document.operations.iter();
    let operation = match &wanted {
        Some(wanted) => operations.find(|(name, _)| name.is_some_and(|name| name.as_str() == wanted)),
        None => operations.next(),
    };
    Ok(operation.is_some_and(|(_, operation)| operation.node.ty == OperationType::Subscription))
}
