//! A stand-in of a shop: its GraphQL door with cost and throttle, bulk operations, consent, and webhooks.

mod api;
mod bulk;
mod events;
mod graphql;
mod mutations;
mod oauth;
mod rows;
mod state;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use http::Method;
use serde_json::json;
use url::Url;

use self::rows::{CustomerRow, Row as _, World};
use self::state::State;
use crate::sandbox::{
    Cases, CommerceCase, Delivery, Failure, LongAnswer, Sandbox, SandboxAnswer, SandboxRequest, Setup,
    WebhooksCase,
};
use crate::{Clock, Credentials, Secret};

const CURRENCY: &str = "EUR";
const CLIENT_ID: &str = "7d0cf9a1c2b34e5f8a6b7c8d9e0f1a2b";
const CLIENT_SECRET: &str = "shpss_sandbox_5c1f0e9d8b7a6f5e4d3c2b1a";
const TOKEN: &str = "shpat_sandbox_0a1b2c3d4e5f60718293a4b5c6d7e8f9";
const REFRESH_TOKEN: &str = "shprt_sandbox_9f8e7d6c5b4a39281706f5e4d3c2b1a0";

/// How large the shop of a sandbox is, and whether it has limits.
#[derive(Clone, Copy, Debug)]
pub struct SandboxShop {
    customers: usize,
    orders: usize,
    products: usize,
    checkouts: usize,
    limits: bool,
}

impl Default for SandboxShop {
    fn default() -> Self {
        Self::with(1_240, 1_100, 560, 130)
    }
}

impl SandboxShop {
    /// A shop with so many customers, orders, products and abandoned checkouts. They are made from their index when they are
    /// asked for: a large shop takes no memory.
    #[must_use]
    pub const fn with(customers: usize, orders: usize, products: usize, checkouts: usize) -> Self {
        Self {
            customers,
            orders,
            products,
            checkouts,
            limits: true,
        }
    }

    /// Without throttle, and with bulk operations that are ready at once.
    #[must_use]
    pub const fn unlimited(mut self) -> Self {
        self.limits = false;
        self
    }

    /// The sandbox of it.
    #[must_use]
    pub fn sandbox(self, clock: Arc<dyn Clock>) -> Arc<dyn Sandbox> {
        let world = World {
            born: clock.now().timestamp(),
            customers: self.customers,
            orders: self.orders,
            products: self.products,
            checkouts: self.checkouts,
        };
        Arc::new(Stand {
            state: Mutex::new(State::new(world, self.limits)),
            clock,
            shop: self,
        })
    }
}

struct Stand {
    clock: Arc<dyn Clock>,
    shop: SandboxShop,
    state: Mutex<State>,
}

impl Stand {
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = self.clock.now();
        state
    }
}

#[async_trait]
impl Sandbox for Stand {
    fn setup(&self, base: &Url) -> Setup {
        Setup {
            settings: json!({ "shop": state::DOMAIN, "clientId": CLIENT_ID, "baseUrl": base.as_str() }),
            secrets: json!({ "clientSecret": CLIENT_SECRET }),
            credentials: Some(Credentials {
                access_token: TOKEN.into(),
                refresh_token: Some(Secret::new(REFRESH_TOKEN)),
                expires_at: None,
                refresh_expires_at: None,
                scopes: oauth::SCOPES.iter().map(|scope| (*scope).to_owned()).collect(),
            }),
        }
    }

    async fn answer(&self, request: &SandboxRequest) -> SandboxAnswer {
        let mut state = self.state();
        let answer = match (&request.method, request.path.as_str()) {
            (&Method::GET, "/admin/oauth/authorize") => oauth::authorize(&mut state, request),
            (&Method::POST, "/admin/oauth/access_token") => oauth::token(&mut state, request),
            (method, path) => match path
                .strip_prefix("/admin/api/")
                .and_then(|rest| rest.split_once('/'))
            {
                Some((version, "graphql.json")) if method == Method::POST => {
                    api::graphql(&mut state, version, request)
                }
                Some(_) => SandboxAnswer::json(404, &json!({ "errors": "Not Found" })),
                None => SandboxAnswer::text(404, "text/html", "<html><body>404</body></html>"),
            },
        };
        answer.header("x-request-id", state.request_id())
    }

    fn long_answer(&self, request: &SandboxRequest) -> Option<LongAnswer> {
        bulk::download(&self.state(), request)
    }

    fn failure(&self, failure: Failure, request: &SandboxRequest) -> Option<SandboxAnswer> {
        api::failure(failure, request)
    }

    fn holds(&self) -> BTreeMap<&'static str, usize> {
        self.state().holds()
    }

    fn cases(&self) -> Cases {
        Cases {
            commerce: Some(CommerceCase {
                customers: self.shop.customers,
                orders: self.shop.orders,
                products: self.shop.products,
                abandoned_checkouts: self.shop.checkouts,
                customer: CustomerRow::gid(7),
                another_customer: "customer_created",
                another_order: "order_created",
            }),
            webhooks: Some(WebhooksCase {
                topics: vec![
                    "orders/create",
                    "orders/updated",
                    "customers/create",
                    "customers/update",
                    "app/uninstalled",
                ],
                ids: true,
                signed: true,
            }),
            oauth: Some(()),
            ..Cases::default()
        }
    }

    fn point_webhooks(&self, url: &Url) {
        self.state().app_webhooks = Some(url.clone());
    }

    fn happenings(&self) -> &'static [&'static str] {
        events::HAPPENINGS
    }

    fn happen(&self, what: &str) -> Vec<Delivery> {
        events::happen(&mut self.state(), what)
    }
}
