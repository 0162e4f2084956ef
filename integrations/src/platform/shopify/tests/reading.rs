//! Reading everything, and what changed.

use std::collections::BTreeSet;
use std::time::Instant;

use super::*;
use crate::facet::{AbandonedCheckout, Commerce, Customer, Order, PaymentState, Product};
use crate::sandbox::Failure;
use crate::{Kind, Retry};

fn customer(item: &Customer) -> &str {
    &item.lead.id
}

fn order(item: &Order) -> &str {
    &item.id
}

fn product(item: &Product) -> &str {
    &item.id
}

fn checkout(item: &AbandonedCheckout) -> &str {
    &item.id
}

fn distinct(names: &[String]) -> usize {
    names.iter().collect::<BTreeSet<_>>().len()
}

#[tokio::test]
async fn everything_is_read_once_and_then_only_what_is_new() {
    let bench = Bench::small().await;
    let context = &bench.context;

    let (names_read, cursor) = names(Shopify.customers(context, None), customer).await;
    assert_eq!((names_read.len(), distinct(&names_read)), (620, 620));
    assert_eq!(
        names(Shopify.customers(context, Some(cursor.clone())), customer)
            .await
            .0,
        [""; 0]
    );
    bench.clock.advance(Duration::from_hours(1));
    bench.running.happen("customer_created").await;
    let (new, later) = names(Shopify.customers(context, Some(cursor.clone())), customer).await;
    assert_eq!(new, ["gid://shopify/Customer/7100000000621"]);
    let (again, _) = names(Shopify.customers(context, Some(cursor)), customer).await;
    assert_eq!(again, new, "a cursor gives the same again");
    assert_eq!(
        names(Shopify.customers(context, Some(later.clone())), customer)
            .await
            .0,
        [""; 0],
        "within the overlap"
    );
    bench.clock.advance(Duration::from_secs(5));
    bench.running.happen("customer_updated").await;
    let (changed, _) = names(Shopify.customers(context, Some(later)), customer).await;
    assert_eq!(changed, ["gid://shopify/Customer/7100000000620"]);

    let (names_read, cursor) = names(Shopify.orders(context, None), order).await;
    assert_eq!((names_read.len(), distinct(&names_read)), (260, 260));
    bench.running.happen("order_created").await;
    assert_eq!(
        names(Shopify.orders(context, Some(cursor)), order).await.0.len(),
        1
    );

    let (names_read, cursor) = names(Shopify.products(context, None), product).await;
    assert_eq!((names_read.len(), distinct(&names_read)), (130, 130));
    bench.running.happen("product_updated").await;
    assert_eq!(
        names(Shopify.products(context, Some(cursor)), product)
            .await
            .0
            .len(),
        1
    );

    let (pages, _) = all(Shopify.abandoned_checkouts(context, None)).await;
    assert!(pages.len() > 2, "{} pages", pages.len());
    let (names_read, cursor) = names(Shopify.abandoned_checkouts(context, None), checkout).await;
    assert_eq!((names_read.len(), distinct(&names_read)), (120, 120));
    bench.running.happen("checkout_recovered").await;
    let (pages, _) = all(Shopify.abandoned_checkouts(context, Some(cursor))).await;
    assert_eq!(pages[0].items.len(), 1);
    assert!(pages[0].items[0].recovered_at.is_some());
}

#[tokio::test]
async fn reading_goes_on_from_every_cursor() {
    let bench = Bench::small().await;
    let context = &bench.context;
    let (pages, _) = all(Shopify.customers(context, None)).await;
    assert_eq!(
        pages.iter().map(|page| page.items.len()).collect::<Vec<_>>(),
        [0, 500, 120]
    );
    assert_eq!(pages[1].total, Some(620));
    let mut left = 620;
    for page in &pages {
        left -= page.items.len();
        let (rest, _) = names(Shopify.customers(context, Some(page.cursor.clone())), customer).await;
        assert_eq!(rest.len(), left);
    }
    assert_eq!(
        bench.holds("bulkOperations"),
        1,
        "the operation is found again, none is begun anew"
    );

    let (pages, _) = all(Shopify.orders(context, None)).await;
    let mut left = 260;
    for page in &pages {
        left -= page.items.len();
        assert_eq!(
            names(Shopify.orders(context, Some(page.cursor.clone())), order)
                .await
                .0
                .len(),
            left
        );
    }

    let (pages, _) = all(Shopify.abandoned_checkouts(context, None)).await;
    let mut left = 120;
    for page in &pages {
        left -= page.items.len();
        let (rest, _) = names(
            Shopify.abandoned_checkouts(context, Some(page.cursor.clone())),
            checkout,
        )
        .await;
        assert_eq!(rest.len(), left);
    }

    // A file is kept for a week: after that, all is read anew.
    bench.clock.advance(Duration::from_hours(8 * 24));
    let cursor = all(Shopify.customers(context, None)).await.0[1].cursor.clone();
    bench.clock.advance(Duration::from_hours(8 * 24));
    assert_eq!(
        names(Shopify.customers(context, Some(cursor)), customer)
            .await
            .0
            .len(),
        620
    );
}

#[tokio::test]
async fn orders_and_products_come_whole_by_either_door() {
    let bench = Bench::small().await;
    let context = &bench.context;
    let (by_bulk, _) = all(Shopify.orders(context, None)).await;
    let by_bulk: Vec<_> = by_bulk.into_iter().flat_map(|page| page.items).collect();
    let listed = super::super::listing::everything().cursor();
    let (pages, end) = all(Shopify.orders(context, Some(listed.clone()))).await;
    end.unwrap();
    assert!(pages.len() > 5);
    let by_pages: Vec<_> = pages.into_iter().flat_map(|page| page.items).collect();
    assert_eq!(by_bulk, by_pages);
    assert_eq!(
        by_bulk[49].lines.len(),
        24,
        "also those with more lines than come at once"
    );
    assert_eq!(by_bulk[10].payment, PaymentState::Refunded);
    assert_eq!(by_bulk[10].current_total.amount, rust_decimal::Decimal::ZERO);
    assert_eq!(by_bulk[9].customer, None, "a guest");
    assert_eq!(by_bulk[0].visits[0].campaign.as_deref(), Some("spring"));

    let (by_bulk, _) = all(Shopify.products(context, None)).await;
    let (by_pages, _) = all(Shopify.products(context, Some(listed))).await;
    let by_bulk: Vec<_> = by_bulk.into_iter().flat_map(|page| page.items).collect();
    let by_pages: Vec<_> = by_pages.into_iter().flat_map(|page| page.items).collect();
    assert_eq!(by_bulk, by_pages);
    assert_eq!(by_bulk[59].variants.len(), 45);
}

#[tokio::test]
async fn an_empty_shop_has_no_file() {
    let bench = Bench::of(SandboxShop::with(0, 0, 0, 0)).await;
    let (read, cursor) = names(Shopify.customers(&bench.context, None), customer).await;
    assert_eq!(read, [""; 0]);
    bench.running.happen("customer_created").await;
    assert_eq!(
        names(Shopify.customers(&bench.context, Some(cursor)), customer)
            .await
            .0
            .len(),
        1
    );
    assert_eq!(
        names(Shopify.abandoned_checkouts(&bench.context, None), checkout)
            .await
            .0,
        [""; 0]
    );
}

#[tokio::test]
async fn a_file_that_is_cut_is_fetched_again() {
    let bench = Bench::small().await;
    bench.running.faults.on("/bulk/", Failure::CutWithin, 2);
    let (names_read, _) = names(Shopify.customers(&bench.context, None), customer).await;
    assert_eq!((names_read.len(), distinct(&names_read)), (620, 620));
    bench.running.faults.on("/bulk/", Failure::CutWithin, 20);
    let (pages, end) = all(Shopify.orders(&bench.context, None)).await;
    let error = end.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Cut, Retry::Exhausted));
    bench.running.faults.clear();
    let cursor = pages.last().unwrap().cursor.clone();
    let before: usize = pages.iter().map(|page| page.items.len()).sum();
    let (rest, _) = names(Shopify.orders(&bench.context, Some(cursor)), order).await;
    assert_eq!(before + rest.len(), 260);
}

#[tokio::test]
async fn a_listing_keeps_to_the_limits() {
    let bench = Bench::of(SandboxShop::with(3_000, 10, 10, 10)).await;
    let listed = super::super::listing::everything().cursor();
    let (read, _) = names(Shopify.customers(&bench.context, Some(listed)), customer).await;
    assert_eq!((read.len(), distinct(&read)), (3_000, 3_000));
    let waited: Duration = bench.clock.waits().iter().sum();
    assert!(
        waited > Duration::from_mins(1),
        "a bucket of 2,000 with 100 a second: {waited:?}"
    );
    let asked = bench.documents().len();
    assert!(
        asked < 80,
        "the pages are as large as they may be: {asked} requests"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_customers_take_seconds_and_little_memory() {
    let bench = Bench::of(SandboxShop::with(100_000, 1_000, 100, 10).unlimited()).await;
    let begun = Instant::now();
    let mut pages = Shopify.customers(&bench.context, None);
    let (mut read, mut largest) = (0, 0);
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        read += page.items.len();
        largest = largest.max(page.items.len());
    }
    assert_eq!((read, largest), (100_000, 500));
    // Without optimisation, on a busy machine; a tenth of that otherwise.
    assert!(begun.elapsed() < Duration::from_secs(90), "{:?}", begun.elapsed());
}
