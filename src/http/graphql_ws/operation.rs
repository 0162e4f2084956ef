//! One live operation of a socket.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_graphql::parser::types::OperationType;
use async_graphql::{Executor, Request, Response, ServerError, Value};
use axum::extract::ws::Utf8Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use super::Service;
use super::protocol::Writer;
use super::shared::{Group, Item, Key, Member, Source};
use crate::api::types::Unsubscribed;
use crate::events::Place;
use crate::http::gateway::{
    Continued, Gateway, RequestId, Share, coded_error, complete_errors, never_ran, operation_type,
};

/// Who was let in on a socket or a stream.
pub(in crate::http) struct Guest<C> {
    pub(in crate::http) caller: Arc<C>,
    pub(in crate::http) account: Arc<str>,
}

impl<C> Clone for Guest<C> {
    fn clone(&self) -> Self {
        Self {
            caller: Arc::clone(&self.caller),
            account: Arc::clone(&self.account),
        }
    }
}

/// An operation that has not ended.
pub(in crate::http) struct Operation {
    pub(super) id: Box<str>,
    writer: Writer,
    request_id: RequestId,
    unsubscribed: Unsubscribed,
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
    /// A subscription that is run once for all who watch the same.
    Shared {
        items: Items,
        /// Where the log goes on behind the last item taken.
        place: i64,
        /// Goes on alone.
        alone: Option<Alone>,
        _group: Arc<Group>,
    },
    /// All but `complete` is said.
    Ending,
}

/// What a group has said last, where that is told first, and what it says.
type Items = stream::Chain<
    stream::Iter<std::option::IntoIter<Result<Item, BroadcastStreamRecvError>>>,
    BroadcastStream<Item>,
>;

/// Opens the results of a subscription behind a place of the log.
type Alone = Box<dyn FnOnce(i64) -> BoxFuture<'static, Started> + Send>;

enum Started {
    Result(Box<Response>),
    Stream(BoxStream<'static, Response>),
    Shared(Member, Alone),
}

/// What an operation has to say.
pub(in crate::http) enum Said {
    /// This, and perhaps more later.
    Next(Utf8Bytes),
    /// This, and nothing after it.
    Last(Utf8Bytes),
}

impl Operation {
    pub(in crate::http) fn start<E: Executor, G: Gateway>(
        service: Arc<Service<E, G>>,
        guest: Guest<G::Caller>,
        id: &str,
        writer: Writer,
        request: Request,
        request_id: RequestId,
    ) -> Self {
        let unsubscribed = Unsubscribed::default();
        let request = request.data(unsubscribed.clone());
        let started = start(service, guest, request, request_id.clone());
        Self {
            id: id.into(),
            writer,
            request_id,
            unsubscribed,
            work: Work::Starting(Box::pin(started)),
        }
    }

    /// The client wants no more of it; it is to be dropped then.
    pub(super) fn unsubscribe(&self) {
        self.unsubscribed.say();
    }

    /// The next thing to say. Not to be called after [`Said::Last`].
    pub(in crate::http) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Said> {
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
                    Poll::Ready(Started::Shared(member, alone)) => {
                        let Member {
                            first,
                            items,
                            place,
                            _group,
                        } = member;
                        let first = stream::iter(first.map(Ok));
                        self.work = Work::Shared {
                            items: first.chain(BroadcastStream::new(items)),
                            place,
                            alone: Some(alone),
                            _group,
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
                Work::Shared {
                    items, place, alone, ..
                } => match Pin::new(items).poll_next(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Ok(Item::Payload(payload, position)))) => {
                        *place = position;
                        return Poll::Ready(Said::Next(self.writer.next_of(&payload)));
                    }
                    Poll::Ready(Some(Ok(Item::Failed(errors)))) => {
                        return Poll::Ready(Said::Last(self.writer.error_of(&errors)));
                    }
                    Poll::Ready(Some(Ok(Item::End)) | None) => {
                        return Poll::Ready(Said::Last(self.writer.complete()));
                    }
                    Poll::Ready(Some(Err(BroadcastStreamRecvError::Lagged(_)))) => {
                        metrics::counter!("leadline_graphql_subscriptions_lagged_total").increment(1);
                        let alone = alone
                            .take()
                            .expect("a shared operation lags once, then it is none any more");
                        self.work = Work::Starting(alone(*place));
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
pub(super) fn never_started(response: &Response) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.len() <= 1)
}

async fn start<E: Executor, G: Gateway>(
    service: Arc<Service<E, G>>,
    guest: Guest<G::Caller>,
    request: Request,
    request_id: RequestId,
) -> Started {
    let limit = service.limits.query_timeout;
    let work = async {
        let Guest { caller, account } = &guest;
        let prepared = service.gateway.prepare(caller, account, request, &request_id);
        let mut request = match prepared.await {
            Ok(request) => request,
            Err(error) => return refused(error),
        };
        match operation_type(&mut request) {
            Ok(Some(OperationType::Subscription)) => match service.gateway.share(caller, &mut request) {
                Some(share) => shared(&service, &guest, share, request, &request_id),
                None => Started::Stream(service.executor.execute_stream(request, None)),
            },
            Ok(_) => Started::Result(Box::new(service.executor.execute(request).await)),
            Err(error) => refused(*error),
        }
    };
    timeout(limit, work).await.unwrap_or_else(|_elapsed| {
        let message = format!("the operation took longer than {} s", limit.as_secs_f32());
        refused(coded_error("TIMEOUT", message))
    })
}

/// Joins those who watch the same.
fn shared<E: Executor, G: Gateway>(
    service: &Arc<Service<E, G>>,
    guest: &Guest<G::Caller>,
    share: Share,
    request: Request,
    request_id: &RequestId,
) -> Started {
    let Share {
        rights,
        begin,
        is_state,
    } = share;
    let source = Source::of(&request);
    let key = Key::new(rights, &request);
    let home = service.home.get_or_init(Handle::current);
    let member = service
        .groups
        .join(key, (begin, is_state), request_id, home, |place| {
            service.executor.execute_stream(request.data(place), None)
        });
    let (service, guest, request_id) = (Arc::clone(service), guest.clone(), request_id.clone());
    let alone: Alone = Box::new(move |place| {
        Box::pin(async move {
            let Guest { caller, account } = &guest;
            let prepared =
                service
                    .gateway
                    .prepare(caller, account, source.request().data(Continued), &request_id);
            match prepared.await {
                Ok(request) => {
                    let request = request.data(Place::at(place));
                    Started::Stream(service.executor.execute_stream(request, None))
                }
                Err(error) => refused(error),
            }
        })
    });
    Started::Shared(member, alone)
}

fn refused(error: ServerError) -> Started {
    Started::Result(Box::new(Response::from_errors(vec![error])))
}
