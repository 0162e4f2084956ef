//! What each facet promises when all goes well: pages end and resume, a repeat changes nothing.

use futures_util::StreamExt as _;
use leadline_integrations::facet::{
    AdConsent, AdLevel, ConsentRecord, ConsentState, ContactChannel, ConversionEvent, ConversionName,
    ConversionOutcome, Cursor, Finish, Lookalike, Money, NewAudience, Origin, Page, Pages, Person, Role,
    TextMessage, TextPiece, TextRequest, Visitor,
};
use leadline_integrations::{Clock as _, Kind};

use super::ground::{Ground, grounds};

/// Reads to the end.
async fn read<T>(mut pages: Pages<'_, T>, what: &str) -> Vec<Page<T>> {
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        found.push(page.unwrap_or_else(|error| panic!("{what}: {error}")));
        assert!(found.len() < 10_000, "{what}: the pages end");
    }
    assert!(!found.is_empty(), "{what}: at least one page");
    found
}

/// A listing ends, has what the sandbox holds, goes on behind each of its pages, and tells only what is new behind the last.
macro_rules! listing {
    ($ground:expr, $what:expr, $expected:expr, $id:expr, |$context:ident, $since:ident| $pages:expr) => {{
        let ground: &Ground = $ground;
        let what = format!("{}: {}", ground.integration.manifest().key, $what);
        let context = ground.context();
        let all = {
            let ($context, $since) = (&context, None::<Cursor>);
            read($pages, &what).await
        };
        let id = $id;
        let ids: Vec<String> = all.iter().flat_map(|page| &page.items).map(id).collect();
        let mut distinct = ids.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), ids.len(), "{what}: nothing comes twice");
        assert_eq!(ids.len(), $expected, "{what}: all of them");
        // From the middle on.
        for (place, page) in all.iter().enumerate().take(3) {
            let rest = {
                let ($context, $since) = (&context, Some(page.cursor.clone()));
                read($pages, &what).await
            };
            let rest: Vec<String> = rest.iter().flat_map(|page| &page.items).map(id).collect();
            let before: usize = all[..=place].iter().map(|page| page.items.len()).sum();
            for wanted in &ids[before..] {
                assert!(
                    rest.contains(wanted),
                    "{what}: behind page {place} comes `{wanted}`"
                );
            }
        }
        let last = all.last().expect("at least one page").cursor.clone();
        let again = {
            let ($context, $since) = (&context, Some(last.clone()));
            read($pages, &what).await
        };
        // What overlaps may come again; it is the same.
        for id in again.iter().flat_map(|page| &page.items).map(id) {
            assert!(ids.contains(&id), "{what}: behind the last page is nothing new");
        }
        (ids, last)
    }};
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leads_are_read_and_read_on() {
    for ground in &grounds().await {
        let (Some(source), Some(case)) = (
            ground.integration.facets().lead_source,
            ground.cases().lead_source,
        ) else {
            continue;
        };
        let key = ground.integration.manifest().key;
        let (ids, last) = listing!(
            ground,
            "leads",
            case.leads,
            |lead: &leadline_integrations::facet::LeadRecord| lead.id.clone(),
            |context, since| source.leads(context, since)
        );
        let context = ground.context();
        let pages = read(source.leads(&context, None), key).await;
        assert!(
            pages.len() > 1,
            "{key}: the sandbox holds more than one page of leads"
        );
        let lead = source.lead(&context, &case.lead).await.expect("it is there");
        assert_eq!(
            lead.map(|lead| lead.id),
            Some(case.lead.clone()),
            "{key}: by its id"
        );
        let missing = source.lead(&context, "999999999999999").await;
        assert!(
            matches!(&missing, Ok(None)),
            "{key}: one that is not there is none, not {missing:?}"
        );
        let forms = source.forms(&context).await.expect("forms");
        assert!(forms.iter().any(|form| form.active), "{key}: a form");
        ground.clock.advance(std::time::Duration::from_secs(60));
        ground.running.happen(case.another).await;
        let more = read(source.leads(&context, Some(last)), key).await;
        let new: Vec<_> = more
            .iter()
            .flat_map(|page| &page.items)
            .filter(|lead| !ids.contains(&lead.id))
            .collect();
        assert_eq!(new.len(), 1, "{key}: one more");
        assert!(!new[0].fields.is_empty(), "{key}: with its fields");
        let mapped = ground.integration.manifest().fields;
        assert!(
            mapped
                .iter()
                .any(|field| new[0].fields.contains_key(field.theirs)),
            "{key}: the defaults of the mapping know its fields: {:?}",
            new[0].fields.keys().collect::<Vec<_>>()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shops_are_read_and_read_on() {
    for ground in &grounds().await {
        let (Some(shop), Some(case)) = (ground.integration.facets().commerce, ground.cases().commerce) else {
            continue;
        };
        let key = ground.integration.manifest().key;
        let (customers, last_customer) = listing!(
            ground,
            "customers",
            case.customers,
            |customer: &leadline_integrations::facet::Customer| customer.lead.id.clone(),
            |context, since| shop.customers(context, since)
        );
        let (orders, last_order) = listing!(
            ground,
            "orders",
            case.orders,
            |order: &leadline_integrations::facet::Order| order.id.clone(),
            |context, since| shop.orders(context, since)
        );
        listing!(
            ground,
            "products",
            case.products,
            |product: &leadline_integrations::facet::Product| product.id.clone(),
            |context, since| shop.products(context, since)
        );
        listing!(
            ground,
            "abandoned checkouts",
            case.abandoned_checkouts,
            |checkout: &leadline_integrations::facet::AbandonedCheckout| checkout.id.clone(),
            |context, since| shop.abandoned_checkouts(context, since)
        );
        let context = ground.context();
        let told = shop.shop(&context).await.expect("the shop");
        assert!(
            !told.name.is_empty() && told.currency.len() == 3,
            "{key}: {told:?}"
        );
        let counts = shop.counts(&context).await.expect("its figures");
        assert_eq!(
            counts.customers,
            Some(case.customers as u64),
            "{key}: customers counted"
        );
        assert_eq!(counts.orders, Some(case.orders as u64), "{key}: orders counted");
        let order = shop.order(&context, &orders[0]).await.expect("it is there");
        assert_eq!(
            order.map(|order| order.id),
            Some(orders[0].clone()),
            "{key}: an order by its id"
        );
        ground.clock.advance(std::time::Duration::from_secs(600));
        ground.running.happen(case.another_customer).await;
        ground.running.happen(case.another_order).await;
        let more = read(shop.customers(&context, Some(last_customer)), key).await;
        let new = more.iter().flat_map(|page| &page.items);
        let new: Vec<_> = new
            .filter(|customer| !customers.contains(&customer.lead.id))
            .collect();
        assert_eq!(new.len(), 1, "{key}: one more customer");
        let more = read(shop.orders(&context, Some(last_order)), key).await;
        let new = more.iter().flat_map(|page| &page.items);
        let new = new.filter(|order| !orders.contains(&order.id)).count();
        assert_eq!(new, 1, "{key}: one more order");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_to_a_shop_twice_is_there_once() {
    for ground in &grounds().await {
        let (Some(shop), Some(case)) = (ground.integration.facets().commerce, ground.cases().commerce) else {
            continue;
        };
        let key = ground.integration.manifest().key;
        let context = ground.context();
        let find = async || {
            let pages = read(shop.customers(&context, None), key).await;
            let mut all = pages.into_iter().flat_map(|page| page.items);
            all.find(|customer| customer.lead.id == case.customer)
                .expect("the customer of the case")
        };
        let before = find().await;
        for _ in 0..2 {
            let add = ["conformance".to_owned()];
            shop.change_tags(&context, &case.customer, &add, &[])
                .await
                .expect("tags on");
            shop.add_note(&context, &case.customer, "a line of the conformance suite")
                .await
                .expect("a note");
            ground.clock.advance(std::time::Duration::from_secs(1));
        }
        let after = find().await;
        let tags = after.lead.tags.unwrap_or_default();
        assert_eq!(
            tags.iter().filter(|tag| *tag == "conformance").count(),
            1,
            "{key}: {tags:?}"
        );
        for tag in before.lead.tags.unwrap_or_default() {
            assert!(tags.contains(&tag), "{key}: `{tag}` stays");
        }
        let note = after.note.unwrap_or_default();
        assert_eq!(
            note.matches("a line of the conformance suite").count(),
            1,
            "{key}: {note}"
        );
        assert!(
            note.contains(&before.note.unwrap_or_default()),
            "{key}: the note before stays"
        );
        let gone = ["conformance".to_owned()];
        shop.change_tags(&context, &case.customer, &[], &gone)
            .await
            .expect("tags off");
        let tags = find().await.lead.tags.unwrap_or_default();
        assert!(!tags.contains(&"conformance".to_owned()), "{key}: {tags:?}");
        let consent = ConsentRecord {
            channel: ContactChannel::Email,
            state: ConsentState::Denied,
            at: Some(ground.clock.now()),
            proof: None,
        };
        shop.change_consent(&context, &case.customer, &consent)
            .await
            .expect("consent");
        let consents = find().await.lead.consents;
        let email = consents
            .iter()
            .find(|consent| consent.channel == ContactChannel::Email);
        assert_eq!(
            email.map(|consent| consent.state),
            Some(ConsentState::Denied),
            "{key}"
        );
    }
}

/// People as a deployment hands them on.
pub fn people(count: usize) -> Vec<Person> {
    (0..count)
        .map(|n| Person {
            external_id: format!("lead-{n}"),
            email: Some(format!("Person.{n}@Example.com ")),
            phone: Some(format!("+1555010{n:04}")),
            first_name: Some("Ada".into()),
            last_name: Some(format!("Lovelace {n}")),
            country: Some("US".into()),
            postal_code: Some("94107-1234".into()),
            ..Person::default()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audience_holds_each_person_once() {
    for ground in &grounds().await {
        let (Some(sink), Some(case)) = (
            ground.integration.facets().audience_sink,
            ground.cases().audience_sink,
        ) else {
            continue;
        };
        let key = ground.integration.manifest().key;
        let context = ground.context();
        let wanted = NewAudience {
            name: "Conformance".into(),
            description: "people of the suite".into(),
        };
        let audience = sink.create(&context, &wanted).await.expect("an audience");
        let again = sink.create(&context, &wanted).await.expect("the same one");
        assert_eq!(audience, again, "{key}: made once");
        let before = ground.holds()[case.members];
        let people = people(120);
        let receipt = sink.add(&context, &audience.id, &people).await.expect("added");
        assert_eq!(
            (receipt.received, receipt.invalid),
            (120, 0),
            "{key}: {receipt:?}"
        );
        let once = ground.holds()[case.members];
        assert_eq!(once - before, 120, "{key}");
        sink.add(&context, &audience.id, &people)
            .await
            .expect("added again");
        assert_eq!(ground.holds()[case.members], once, "{key}: twice is once");
        let nobody = vec![Person {
            external_id: "nobody".into(),
            ..Person::default()
        }];
        let receipt = sink
            .add(&context, &audience.id, &nobody)
            .await
            .expect("nobody to match by");
        assert_eq!(receipt.unmatchable, 1, "{key}: {receipt:?}");
        sink.remove(&context, &audience.id, &people[..20])
            .await
            .expect("removed");
        assert_eq!(ground.holds()[case.members], once - 20, "{key}");
        sink.size(&context, &audience.id).await.expect("its size");
        let like = Lookalike {
            name: "Conformance, alike".into(),
            country: "DE".into(),
            ratio: 0.01,
        };
        let alike = sink
            .lookalike(&context, &audience.id, &like)
            .await
            .expect("alike");
        let again = sink
            .lookalike(&context, &audience.id, &like)
            .await
            .expect("the same");
        assert_eq!(alike, again, "{key}: made once");
        sink.delete(&context, &audience.id).await.expect("deleted");
        sink.delete(&context, &audience.id).await.expect("gone already");
    }
}

/// A purchase on a web site.
pub fn purchase(ground: &Ground, id: &str) -> ConversionEvent {
    ConversionEvent {
        id: id.into(),
        name: ConversionName::Purchase,
        at: ground.clock.now() - chrono::Duration::minutes(5),
        origin: Origin::Website,
        person: people(1).remove(0),
        visitor: Visitor {
            ip: Some("203.0.113.7".into()),
            user_agent: Some("Mozilla/5.0".into()),
            url: Some("https://shop.example.com/thanks".into()),
            ..Visitor::default()
        },
        value: Some(Money {
            amount: "120.50".parse().expect("a number"),
            currency: "EUR".into(),
        }),
        order: Some("1001".into()),
        lines: Vec::new(),
        consent: AdConsent::Granted,
        platform_lead: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversion_counts_once_and_only_with_consent() {
    for ground in &grounds().await {
        let (Some(sink), Some(case)) = (
            ground.integration.facets().conversion_sink,
            ground.cases().conversion_sink,
        ) else {
            continue;
        };
        let key = ground.integration.manifest().key;
        let context = ground.context();
        let before = ground.holds()[case.events];
        let good = purchase(ground, "order-1");
        let mut denied = purchase(ground, "order-2");
        denied.consent = AdConsent::Denied;
        let mut unknown = purchase(ground, "order-3");
        unknown.consent = AdConsent::Unknown;
        let mut old = purchase(ground, "order-4");
        old.at = ground.clock.now() - sink.oldest() - chrono::Duration::days(1);
        let events = [good.clone(), denied, unknown, old, purchase(ground, "order-5")];
        let outcomes = sink.send(&context, &events).await.expect("sent");
        use ConversionOutcome::{Accepted, Refused, Withheld};
        assert!(
            matches!(
                &outcomes[..],
                [Accepted, Withheld, Withheld, Refused(_), Accepted]
            ),
            "{key}: {outcomes:?}"
        );
        assert_eq!(ground.holds()[case.events] - before, 2, "{key}");
        sink.send(&context, &[good]).await.expect("sent again");
        assert_eq!(ground.holds()[case.events] - before, 2, "{key}: counted once");
    }
}

/// A question to a model.
pub fn question(model: &str) -> TextRequest {
    TextRequest {
        model: model.to_owned(),
        system: Some("You write outreach.".into()),
        messages: vec![TextMessage {
            role: Role::User,
            text: "Two lines for Ana Müller, who runs a bakery in São Paulo.".into(),
        }],
        max_tokens: 400,
        temperature: Some(0.7),
        json_schema: None,
        user: Some("tenant-42".into()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_comes_piece_by_piece_and_says_what_it_took() {
    for ground in &grounds().await {
        let (Some(generator), Some(case)) = (
            ground.integration.facets().text_generator,
            ground.cases().text_generator,
        ) else {
            continue;
        };
        let key = ground.integration.manifest().key;
        let context = ground.context();
        let models = generator.models(&context).await.expect("models");
        assert!(
            models.iter().any(|model| model.id == case.model),
            "{key}: {models:?}"
        );
        let mut pieces = generator.generate(&context, question(&case.model));
        let (mut text, mut count, mut end) = (String::new(), 0, None);
        while let Some(piece) = pieces.next().await {
            match piece.unwrap_or_else(|error| panic!("{key}: {error}")) {
                TextPiece::Text(more) => {
                    assert!(end.is_none(), "{key}: no text behind the end");
                    count += 1;
                    text.push_str(&more);
                }
                TextPiece::End { finish, usage, .. } => end = Some((finish, usage)),
            }
        }
        let (finish, usage) = end.expect("an end");
        assert_eq!(finish, Finish::Complete, "{key}");
        assert!(count > 1 && !text.trim().is_empty(), "{key}: in pieces");
        assert!(!text.contains('\u{fffd}'), "{key}: letters are whole: {text}");
        assert!(usage.input > 0 && usage.output > 0, "{key}: {usage:?}");
        assert_eq!(usage.cost.is_some(), case.cost, "{key}: {usage:?}");
        let mut cut = question(&case.model);
        cut.max_tokens = 16;
        cut.messages[0].text = "A long letter of many words, please. ".repeat(20);
        let pieces: Vec<_> = generator.generate(&context, cut).collect().await;
        let last = pieces.last().expect("an end").as_ref().expect("no failure");
        assert!(
            matches!(last, TextPiece::End { .. }),
            "{key}: a stream that did not fail ends with an end"
        );
        let unknown: Vec<_> = generator
            .generate(&context, question("no/such-model"))
            .collect()
            .await;
        let error = unknown
            .into_iter()
            .next()
            .expect("an answer")
            .expect_err("no such model");
        assert!(
            matches!(error.kind, Kind::NotFound | Kind::Refused),
            "{key}: an unknown model is {error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_of_advertisements_are_read_and_read_on() {
    for ground in &grounds().await {
        let (Some(reporting), Some(case)) = (
            ground.integration.facets().ad_reporting,
            ground.cases().ad_reporting,
        ) else {
            continue;
        };
        let (ids, _) = listing!(
            ground,
            "results",
            case.results,
            |result: &leadline_integrations::facet::AdResult| format!("{} {}", result.day, result.id),
            |context, since| reporting.results(context, case.range, AdLevel::Campaign, since)
        );
        assert!(ids.len() > 1);
        let context = ground.context();
        let key = ground.integration.manifest().key;
        let pages = read(
            reporting.results(&context, case.range, AdLevel::Campaign, None),
            key,
        )
        .await;
        assert!(
            pages.len() > 1,
            "{key}: the sandbox holds more than one page of results"
        );
        for result in pages.iter().flat_map(|page| &page.items) {
            assert!(
                result.day >= case.range.from && result.day <= case.range.to,
                "{key}: {result:?}"
            );
            assert_eq!(result.spend.currency.len(), 3, "{key}: {result:?}");
        }
    }
}
