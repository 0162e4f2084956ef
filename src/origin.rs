//! Where a call comes from: for sessions, limits and the audit log.
//!
//! The doors put it around the work that they begin ([`within`]), and whoever notes what was done asks for it ([`current`]): it
//! is no part of any use case, like the span of a log line.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

/// Where a call comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The network address; none at the command line.
    pub address: Option<IpAddr>,
    /// The browser or program, as it names itself.
    pub user_agent: Option<Arc<str>>,
    /// The request.
    pub request_id: Option<Arc<str>>,
    /// The web origin of the page that has the browser send it; none for programs, and for pages of the server itself that
    /// browsers say nothing of.
    pub page: Option<Arc<str>>,
}

/// Longest user agent that is kept, in characters.
const MOST_USER_AGENT: usize = 300;

tokio::task_local! {
    static CURRENT: Arc<Origin>;
}

/// Does work that comes from somewhere.
pub async fn within<T>(origin: Arc<Origin>, work: impl Future<Output = T>) -> T {
    CURRENT.scope(origin, work).await
}

/// Where the work at hand comes from; none for what Leadline does by itself.
#[must_use]
pub fn current() -> Option<Arc<Origin>> {
    CURRENT.try_with(Arc::clone).ok()
}

impl Origin {
    /// Takes over what a request says of itself.
    #[must_use]
    pub fn new(address: Option<IpAddr>, user_agent: Option<&str>, request_id: &str) -> Self {
        let user_agent = user_agent.map(|text| {
            let text: String = text
                .chars()
                .filter(|ch| !ch.is_control())
                .take(MOST_USER_AGENT)
                .collect();
            text.into()
        });
        Self {
            address,
            user_agent,
            request_id: Some(request_id.into()),
            page: None,
        }
    }

    /// With the web origin of the page.
    #[must_use]
    pub fn of_page(self, page: Option<&str>) -> Self {
        Self {
            page: page.map(Into::into),
            ..self
        }
    }

    /// The network address as text; empty when there is none.
    #[must_use]
    pub fn address_text(&self) -> String {
        self.address
            .map(|address| address.to_string())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_is_bounded() {
        let origin = Origin::new(None, Some(&"x\n".repeat(1_000)), "r");
        assert_eq!(origin.user_agent.expect("there").len(), MOST_USER_AGENT);
    }

    #[tokio::test]
    async fn work_knows_where_it_comes_from() {
        assert_eq!(current(), None);
        let origin = Arc::new(Origin::new(None, Some("curl"), "r"));
        assert_eq!(
            within(Arc::clone(&origin), async { current() }).await,
            Some(origin)
        );
        assert_eq!(current(), None);
    }
}
