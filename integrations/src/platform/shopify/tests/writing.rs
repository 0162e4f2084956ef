//! Tags, notes and consent; the shop itself.

use super::*;
use crate::facet::{Commerce, ConsentChange, ConsentState, ContactChannel, Customer};
use crate::{Integration as _, Kind};

const CUSTOMER: &str = "gid://shopify/Customer/7100000000011";

/// A customer as the shop has them now.
async fn found(bench: &Bench, id: &str) -> Customer {
    let listed = super::super::listing::everything().cursor();
    let (pages, end) = all(Shopify.customers(&bench.context, Some(listed))).await;
    end.expect("it can be read");
    pages
        .into_iter()
        .flat_map(|page| page.items)
        .find(|item| item.lead.id == id)
        .expect("a customer")
}

fn owned(tags: &[&str]) -> Vec<String> {
    tags.iter().map(|tag| (*tag).to_owned()).collect()
}

#[tokio::test]
async fn the_shop_says_who_it_is_and_how_much_it_holds() {
    let bench = Bench::small().await;
    let shop = Shopify.shop(&bench.context).await.unwrap();
    assert_eq!(
        (shop.name.as_str(), shop.currency.as_str()),
        ("Leadline Demo", "EUR")
    );
    assert_eq!(
        (shop.time_zone.as_deref(), shop.plan.as_deref()),
        (Some("Europe/Berlin"), Some("Basic"))
    );
    let counts = Shopify.counts(&bench.context).await.unwrap();
    assert_eq!(
        (counts.customers, counts.orders, counts.products),
        (Some(620), Some(260), Some(130))
    );
    let large = Bench::of(SandboxShop::with(25_001, 1, 1, 1)).await;
    assert_eq!(
        Shopify.counts(&large.context).await.unwrap().customers,
        None,
        "at least so many is no count"
    );
    let account = Shopify.check(&bench.context).await.unwrap();
    assert_eq!(account.id, "leadline-demo.myshopify.com");
    let scopes = account.scopes.unwrap();
    assert!(
        scopes.contains(&"read_customers".to_owned()),
        "held by writing: {scopes:?}"
    );
}

#[tokio::test]
async fn tags_are_added_and_taken_off_and_the_rest_stays() {
    let bench = Bench::small().await;
    let before = found(&bench, CUSTOMER).await.lead.tags.unwrap();
    assert!(!before.is_empty());
    for _ in 0..2 {
        let (add, remove) = (
            owned(&["Lead A", "hot"]),
            owned(&[before[0].as_str(), "never there"]),
        );
        Shopify
            .change_tags(&bench.context, CUSTOMER, &add, &remove)
            .await
            .unwrap();
        let mut expected = before[1..].to_vec();
        expected.extend(add);
        expected.sort_by_key(|tag| tag.to_lowercase());
        assert_eq!(found(&bench, CUSTOMER).await.lead.tags.unwrap(), expected);
    }
    Shopify
        .change_tags(&bench.context, CUSTOMER, &[], &[])
        .await
        .unwrap();
    let many: Vec<String> = (0..260).map(|i| format!("tag {i}")).collect();
    let error = Shopify
        .change_tags(&bench.context, CUSTOMER, &many, &[])
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::Refused, "{error}");
    let error = Shopify
        .change_tags(&bench.context, "gid://shopify/Customer/1", &owned(&["a"]), &[])
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::NotFound, "{error}");
}

#[tokio::test]
async fn a_note_is_added_to_and_not_written_over() {
    let bench = Bench::small().await;
    let with_note = "gid://shopify/Customer/7100000000008";
    let before = found(&bench, with_note).await.note.unwrap();
    for _ in 0..2 {
        Shopify
            .add_note(&bench.context, with_note, " Lead score 80 \n")
            .await
            .unwrap();
        assert_eq!(
            found(&bench, with_note).await.note.unwrap(),
            format!("{before}\nLead score 80")
        );
    }
    Shopify
        .add_note(&bench.context, with_note, "Lead score 8")
        .await
        .unwrap();
    assert_eq!(
        bench.holds("noteLinesOfChangedCustomers"),
        3,
        "a part of a line is not that line"
    );
    Shopify
        .add_note(&bench.context, "7100000000011", "first")
        .await
        .unwrap();
    assert_eq!(found(&bench, CUSTOMER).await.note.as_deref(), Some("first"));
    let error = Shopify
        .add_note(&bench.context, "gid://shopify/Customer/1", "x")
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::NotFound);
}

#[tokio::test]
async fn consent_is_told_to_the_shop() {
    let bench = Bench::small().await;
    for (channel, state) in [
        (ContactChannel::Email, ConsentState::Denied),
        (ContactChannel::Email, ConsentState::Granted),
        (ContactChannel::Sms, ConsentState::Pending),
    ] {
        let change = ConsentChange {
            channel,
            state,
            at: Some(moment() - Duration::from_hours(24)),
            proof: Some("CONFIRMED_OPT_IN".to_owned()),
        };
        for _ in 0..2 {
            Shopify
                .change_consent(&bench.context, CUSTOMER, &change)
                .await
                .unwrap();
            let lead = found(&bench, CUSTOMER).await.lead;
            assert!(lead.consents.contains(&change), "{:?}", lead.consents);
        }
    }
    let change = ConsentChange {
        channel: ContactChannel::Email,
        state: ConsentState::Granted,
        at: None,
        proof: None,
    };
    // The ninth has no address.
    let error = Shopify
        .change_consent(&bench.context, "gid://shopify/Customer/7100000000009", &change)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Refused, Some("INCLUSION"))
    );
    let change = ConsentChange {
        channel: ContactChannel::Voice,
        ..change
    };
    let error = Shopify
        .change_consent(&bench.context, CUSTOMER, &change)
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::Unsupported);
}
