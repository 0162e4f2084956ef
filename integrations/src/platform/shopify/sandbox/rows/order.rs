//! Orders, and checkouts that were begun.

use serde_json::{Value, json};

use super::super::graphql::{Cell, Node, Plain, Step};
use super::customer::CustomerRow;
use super::product::{ProductRow, price, title};
use super::{Row, World, amount, children, gid, maybe, moment, money_set};

const SHIPPING: u64 = 490;

/// A line of an order or checkout.
#[derive(Clone, Debug)]
pub struct LineRow {
    pub kind: &'static str,
    pub id: u64,
    pub product: usize,
    pub quantity: u64,
}

impl LineRow {
    fn total(&self) -> u64 {
        price(self.product) * self.quantity
    }

    fn payload(&self) -> Value {
        json!({
            "id": self.id, "admin_graphql_api_id": gid(self.kind, self.id), "title": title(self.product),
            "sku": format!("SKU-{}-1", self.product), "quantity": self.quantity, "price": amount(price(self.product)),
            "product_id": ProductRow::FIRST + self.product as u64, "variant_id": ProductRow::variant(self.product, 0),
        })
    }
}

fn lines(kind: &'static str, first: u64, i: usize, count: usize, world: &World) -> Vec<LineRow> {
    let line = |k: usize| LineRow {
        kind,
        id: first + (i * 100 + k) as u64,
        product: (i * 7 + k * 3) % world.products.max(1),
        quantity: (i + k) as u64 % 3 + 1,
    };
    (0..count).map(line).collect()
}

impl Node for LineRow {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn field(&self, step: &Step) -> Cell<'_> {
        match step.name.as_str() {
            "id" => gid(self.kind, self.id).into(),
            "title" => title(self.product).into(),
            "sku" => format!("SKU-{}-1", self.product).into(),
            "quantity" | "currentQuantity" => self.quantity.into(),
            "vendor" => "Example Goods".into(),
            "originalUnitPriceSet" | "discountedUnitPriceSet" => money_set(price(self.product)),
            "product" => Cell::Object(Box::new(Plain(
                "Product",
                json!({ "id": ProductRow::gid(self.product) }),
            ))),
            "variant" => {
                let id = gid("ProductVariant", ProductRow::variant(self.product, 0));
                let variant = json!({ "id": id, "sku": format!("SKU-{}-1", self.product) });
                Cell::Object(Box::new(Plain("ProductVariant", variant)))
            }
            _ => Cell::NULL,
        }
    }
}

/// An order.
#[derive(Clone, Debug)]
pub struct OrderRow {
    pub i: usize,
    pub customer: Option<usize>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub created: i64,
    pub updated: i64,
    pub cancelled: Option<i64>,
    pub test: bool,
    pub state: &'static str,
    pub refunded: u64,
    pub lines: Vec<LineRow>,
    pub tags: Vec<String>,
    pub codes: Vec<String>,
}

/// The orders of a customer.
pub(super) fn orders_of(world: &World, customer: usize) -> impl Iterator<Item = usize> + use<> {
    let (orders, step) = (world.orders, world.customers.max(1));
    (customer..orders).step_by(step).filter(|i| !is_guest(*i))
}

fn is_guest(i: usize) -> bool {
    i % 10 == 9
}

impl Row for OrderRow {
    const KIND: &'static str = "Order";
    const FIRST: u64 = 5_200_000_000_001;

    fn count(world: &World) -> usize {
        world.orders
    }

    fn make(world: &World, i: usize) -> Self {
        let updated = world.stamp(i, world.orders);
        let created = updated - 900 * i64::try_from(i % 90).unwrap_or(0);
        let customer = (!is_guest(i) && world.customers > 0).then(|| i % world.customers);
        // A few are as long as those of resellers.
        let count = if i % 50 == 49 { 24 } else { 1 + i % 3 };
        let mut row = Self {
            i,
            customer,
            email: Some(match customer {
                Some(customer) => format!("buyer{customer}@example.com"),
                None => format!("guest{i}@example.org"),
            }),
            phone: i.is_multiple_of(4).then(|| format!("+1555{i:07}")),
            created,
            updated,
            cancelled: (i % 25 == 24).then_some(updated),
            test: i % 97 == 96,
            state: match i % 25 {
                24 => "VOIDED",
                20 => "PENDING",
                15 => "PARTIALLY_REFUNDED",
                10 => "REFUNDED",
                5 => "AUTHORIZED",
                _ => "PAID",
            },
            refunded: 0,
            lines: lines("LineItem", 13_000_000_000_001, i, count, world),
            tags: if i.is_multiple_of(6) {
                vec!["gift".to_owned()]
            } else {
                Vec::new()
            },
            codes: if i.is_multiple_of(8) {
                vec!["WELCOME10".to_owned()]
            } else {
                Vec::new()
            },
        };
        row.refunded = match row.state {
            "REFUNDED" => row.total(),
            "PARTIALLY_REFUNDED" => row.lines[0].total(),
            _ => 0,
        };
        row
    }

    fn index(&self) -> usize {
        self.i
    }

    fn created(&self) -> i64 {
        self.created
    }

    fn updated(&self) -> i64 {
        self.updated
    }

    fn email(&self) -> Option<&str> {
        self.email.as_deref()
    }
}

impl OrderRow {
    pub(in super::super) fn total(&self) -> u64 {
        self.lines.iter().map(LineRow::total).sum::<u64>() + SHIPPING
    }

    fn name(&self) -> String {
        format!("#{}", 1001 + self.i)
    }

    pub(in super::super) fn payload(&self) -> Value {
        json!({
            "id": Self::FIRST + self.i as u64,
            "admin_graphql_api_id": Self::gid(self.i),
            "name": self.name(), "email": self.email, "contact_email": self.email, "phone": self.phone,
            "created_at": moment(self.created), "processed_at": moment(self.created), "updated_at": moment(self.updated),
            "cancelled_at": self.cancelled.map(moment), "test": self.test,
            "financial_status": self.state.to_ascii_lowercase(), "currency": super::super::CURRENCY,
            "total_price": amount(self.total()), "current_total_price": amount(self.total() - self.refunded),
            "tags": self.tags.join(", "), "source_name": "web",
            "discount_codes": self.codes.iter().map(|code| json!({ "code": code, "amount": "1.00", "type": "percentage" }))
                .collect::<Value>(),
            "landing_site": "/products/tea?utm_source=newsletter&utm_medium=email&utm_campaign=spring",
            "referring_site": "https://www.example.org/",
            "customer": self.customer.map(|customer| json!({
                "id": CustomerRow::FIRST + customer as u64, "admin_graphql_api_id": CustomerRow::gid(customer),
            })),
            "line_items": self.lines.iter().map(LineRow::payload).collect::<Value>(),
        })
    }

    pub(in super::super) fn refund_payload(&self, now: i64) -> Value {
        let id = 990_000_000_001 + self.i as u64;
        json!({
            "id": id, "admin_graphql_api_id": gid("Refund", id), "order_id": Self::FIRST + self.i as u64,
            "created_at": moment(now), "note": null, "refund_line_items": [], "transactions": [],
        })
    }

    fn journey() -> Value {
        let visit = |source: &str| {
            json!({
                "landingPage": "https://leadline-demo.example.com/products/tea", "referrerUrl": "https://www.example.org/",
                "source": source, "sourceType": null,
                "utmParameters": { "source": source, "medium": "email", "campaign": "spring", "content": null, "term": null },
            })
        };
        json!({ "ready": true, "daysToConversion": 3, "firstVisit": visit("newsletter"), "lastVisit": visit("direct") })
    }
}

impl Node for OrderRow {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn field(&self, step: &Step) -> Cell<'_> {
        match step.name.as_str() {
            "id" => Self::gid(self.i).into(),
            "legacyResourceId" => (Self::FIRST + self.i as u64).to_string().into(),
            "name" => self.name().into(),
            "email" => maybe(self.email.as_deref()),
            "phone" => maybe(self.phone.as_deref()),
            "createdAt" | "processedAt" => moment(self.created).into(),
            "updatedAt" => moment(self.updated).into(),
            "cancelledAt" => maybe(self.cancelled.map(moment)),
            "test" => self.test.into(),
            "tags" => self.tags.clone().into(),
            "discountCodes" => self.codes.clone().into(),
            "currencyCode" => super::super::CURRENCY.into(),
            "displayFinancialStatus" => self.state.into(),
            "displayFulfillmentStatus" => "UNFULFILLED".into(),
            "sourceName" => "web".into(),
            "customerAcceptsMarketing" => true.into(),
            "customer" => match self.customer {
                Some(customer) => {
                    let found = json!({ "id": CustomerRow::gid(customer) });
                    Cell::Object(Box::new(Plain("Customer", found)))
                }
                None => Cell::NULL,
            },
            "totalPriceSet" => money_set(self.total()),
            "currentTotalPriceSet" => money_set(self.total() - self.refunded),
            "subtotalPriceSet" => money_set(self.total() - SHIPPING),
            "totalTaxSet" => money_set(0),
            "lineItems" => children(
                self.lines
                    .iter()
                    .map(|line| Box::new(line.clone()) as _)
                    .collect(),
                step,
            ),
            "customerJourneySummary" if self.i.is_multiple_of(3) => {
                Cell::Object(Box::new(Plain("CustomerJourneySummary", Self::journey())))
            }
            _ => Cell::NULL,
        }
    }
}

/// A checkout that was begun.
#[derive(Clone, Debug)]
pub struct CheckoutRow {
    pub i: usize,
    pub customer: Option<CustomerRow>,
    pub created: i64,
    pub updated: i64,
    pub completed: Option<i64>,
    pub lines: Vec<LineRow>,
}

impl Row for CheckoutRow {
    const KIND: &'static str = "AbandonedCheckout";
    const FIRST: u64 = 31_300_000_000_001;

    fn count(world: &World) -> usize {
        world.checkouts
    }

    fn make(world: &World, i: usize) -> Self {
        let updated = world.stamp(i, world.checkouts);
        Self {
            i,
            customer: (i % 6 != 5 && world.customers > 0)
                .then(|| CustomerRow::make(world, (i * 11) % world.customers)),
            created: updated - 1_200,
            updated,
            completed: (i % 4 == 3).then_some(updated),
            lines: lines(
                "AbandonedCheckoutLineItem",
                41_000_000_000_001,
                i,
                1 + i % 3,
                world,
            ),
        }
    }

    fn index(&self) -> usize {
        self.i
    }

    fn created(&self) -> i64 {
        self.created
    }

    fn updated(&self) -> i64 {
        self.updated
    }

    fn email(&self) -> Option<&str> {
        self.customer.as_ref()?.email()
    }
}

impl CheckoutRow {
    fn total(&self) -> u64 {
        self.lines.iter().map(LineRow::total).sum::<u64>() + SHIPPING
    }

    fn url(&self) -> String {
        format!(
            "https://leadline-demo.example.com/checkouts/{}/recover?key=k{}",
            self.i, self.i
        )
    }

    pub(in super::super) fn payload(&self) -> Value {
        json!({
            "id": Self::FIRST + self.i as u64, "token": format!("t{}", self.i), "name": format!("#C{}", self.i),
            "email": self.email(), "phone": null, "created_at": moment(self.created), "updated_at": moment(self.updated),
            "completed_at": self.completed.map(moment), "abandoned_checkout_url": self.url(),
            "currency": super::super::CURRENCY, "presentment_currency": super::super::CURRENCY,
            "total_price": amount(self.total()), "customer": self.customer.as_ref().map(CustomerRow::payload),
            "line_items": self.lines.iter().map(LineRow::payload).collect::<Value>(),
        })
    }
}

impl Node for CheckoutRow {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn field(&self, step: &Step) -> Cell<'_> {
        match step.name.as_str() {
            "id" => Self::gid(self.i).into(),
            "name" => format!("#C{}", self.i).into(),
            "abandonedCheckoutUrl" => self.url().into(),
            "createdAt" => moment(self.created).into(),
            "updatedAt" => moment(self.updated).into(),
            "completedAt" => maybe(self.completed.map(moment)),
            "note" => "".into(),
            "discountCodes" => Vec::<String>::new().into(),
            "taxesIncluded" => true.into(),
            "totalPriceSet" => money_set(self.total()),
            "subtotalPriceSet" => money_set(self.total() - SHIPPING),
            "customer" => self
                .customer
                .as_ref()
                .map_or(Cell::NULL, |row| Cell::Object(Box::new(row.clone()))),
            "billingAddress" | "shippingAddress" => {
                let phone = format!("+1555{:07}", self.i);
                Cell::Object(Box::new(Plain(
                    "MailingAddress",
                    json!({ "countryCodeV2": "DE", "phone": phone }),
                )))
            }
            "lineItems" => children(
                self.lines
                    .iter()
                    .map(|line| Box::new(line.clone()) as _)
                    .collect(),
                step,
            ),
            _ => Cell::NULL,
        }
    }
}
