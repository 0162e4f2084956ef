use chrono::Duration;
use serde_json::json;

use super::super::sandbox::MARKETING_BOX;
use super::{Ground, read, set};
use crate::Kind;
use crate::facet::{ConsentState, ContactChannel, Cursor, LeadRecord, LeadSource as _, Page};
use crate::sandbox::Failure;

fn ids(pages: &[Page<LeadRecord>]) -> Vec<String> {
    pages
        .iter()
        .flat_map(|page| &page.items)
        .map(|lead| lead.id.clone())
        .collect()
}

#[tokio::test]
async fn all_leads_oldest_first_and_on_from_every_cursor() {
    let ground = Ground::new().await;
    let pages = read(ground.meta.leads(&ground.context, None)).await.unwrap();
    let all = ids(&pages);
    assert_eq!((pages.len(), all.len(), pages[0].total), (3, 260, Some(260)));
    let moments: Vec<_> = pages
        .iter()
        .flat_map(|page| &page.items)
        .map(|lead| lead.created_at)
        .collect();
    assert!(moments.is_sorted() && moments[0].is_some());
    let mut passed = 0;
    for page in &pages {
        passed += page.items.len();
        let rest = read(ground.meta.leads(&ground.context, Some(page.cursor.clone())))
            .await
            .unwrap();
        assert_eq!(ids(&rest), all[passed..]);
    }
}

#[tokio::test]
async fn the_last_cursor_gives_what_is_new() {
    let ground = Ground::new().await;
    let pages = read(ground.meta.leads(&ground.context, None)).await.unwrap();
    let last = pages.last().expect("pages").cursor.clone();
    ground.clock.advance(std::time::Duration::from_mins(1));
    ground.running.happen("lead").await;
    ground.running.happen("test_lead").await;
    let new = read(ground.meta.leads(&ground.context, Some(last.clone())))
        .await
        .unwrap();
    let again = read(ground.meta.leads(&ground.context, Some(last)))
        .await
        .unwrap();
    assert_eq!(ids(&new).len(), 2);
    assert_eq!(ids(&new), ids(&again));
    assert_eq!(
        new[0].items.iter().map(|lead| lead.test).collect::<Vec<_>>(),
        [false, true]
    );
    let nothing = read(ground.meta.leads(&ground.context, Some(new[0].cursor.clone())))
        .await
        .unwrap();
    assert_eq!((nothing.len(), nothing[0].items.len()), (1, 0));
    assert_eq!(nothing[0].cursor, new[0].cursor);
    let fault = read(ground.meta.leads(&ground.context, Some(Cursor("?".to_owned()))))
        .await
        .unwrap_err();
    assert_eq!(fault.kind, Kind::Refused);
}

#[tokio::test]
async fn forms_of_all_pages() {
    let ground = Ground::new().await;
    let forms = ground.meta.forms(&ground.context).await.unwrap();
    assert_eq!(forms.len(), 30);
    assert_eq!(forms.iter().filter(|form| form.active).count(), 24);
    assert_eq!(forms[0].parent.as_deref(), Some("Café Ada"));
    assert_eq!(forms[0].fields[0], ("email".to_owned(), "Email".to_owned()));
}

#[tokio::test]
async fn one_lead_with_the_token_of_its_page() {
    let ground = Ground::new().await;
    // Number 6 is of form 6, which has boxes, on the first page; number 8 is on the last.
    let id = |number: u64| (1_234_567_890_100_000 + number * 7).to_string();
    let lead = ground
        .meta
        .lead(&ground.context, &id(6))
        .await
        .unwrap()
        .expect("a lead");
    assert_eq!(lead.id, id(6));
    assert_eq!(lead.fields["email"], "lead6@example.com", "trimmed");
    assert_eq!(lead.fields["disclaimer_optional_1"], true);
    assert_eq!(lead.fields["disclaimer_optional_2"], true);
    assert_eq!(
        lead.trail.form.as_ref().map(|(_, name)| name.as_str()),
        Some("Form 7")
    );
    assert_eq!(
        lead.trail.campaign.as_ref().map(|(_, name)| name.as_str()),
        Some("Autumn campaign 6")
    );
    let [consent] = &lead.consents[..] else {
        panic!("{:?}", lead.consents);
    };
    assert_eq!(
        (consent.channel, consent.state),
        (ContactChannel::Email, ConsentState::Granted)
    );
    assert_eq!(consent.proof.as_deref(), Some(MARKETING_BOX));
    let elsewhere = ground
        .meta
        .lead(&ground.context, &id(8))
        .await
        .unwrap()
        .expect("a lead");
    assert_eq!(elsewhere.trail.medium.as_deref(), Some("fb"));
    let organic = ground
        .meta
        .lead(&ground.context, &id(5))
        .await
        .unwrap()
        .expect("a lead");
    assert_eq!((organic.trail.organic, &organic.trail.ad), (Some(true), &None));
    assert_eq!(ground.meta.lead(&ground.context, "99").await.unwrap(), None);
    assert_eq!(ground.meta.lead(&ground.context, "../me").await.unwrap(), None);
    assert_eq!(
        ground.asked("/me/accounts"),
        2,
        "two parts of the pages, asked for once"
    );
}

#[tokio::test]
async fn one_lead_is_as_it_is_among_all() {
    let ground = Ground::new().await;
    let pages = read(ground.meta.leads(&ground.context, None)).await.unwrap();
    for number in [0, 3, 77] {
        let among = &pages[0].items[number];
        let alone = ground.meta.lead(&ground.context, &among.id).await.unwrap();
        assert_eq!(alone.as_ref(), Some(among));
    }
}

#[tokio::test]
async fn pages_can_be_chosen() {
    let ground = Ground::with(|setup| set(&mut setup.settings, "pageIds", json!(["561823650667842"]))).await;
    let forms = ground.meta.forms(&ground.context).await.unwrap();
    assert_eq!(forms.len(), 10);
    let ground = Ground::with(|setup| set(&mut setup.settings, "pageIds", json!(["4711"]))).await;
    let error = ground.meta.forms(&ground.context).await.unwrap_err();
    assert_eq!(error.kind, Kind::Settings);
    assert!(
        error.message.contains("4711") && error.message.contains("Café Ada"),
        "{error}"
    );
}

#[tokio::test]
async fn tokens_of_pages_are_asked_for_anew_after_a_while() {
    let ground = Ground::new().await;
    ground.meta.forms(&ground.context).await.unwrap();
    ground.meta.forms(&ground.context).await.unwrap();
    assert_eq!(ground.asked("/me/accounts"), 2);
    ground.clock.advance(Duration::minutes(11).to_std().unwrap());
    ground.meta.forms(&ground.context).await.unwrap();
    assert_eq!(ground.asked("/me/accounts"), 4);
}

#[tokio::test]
async fn a_token_of_a_page_that_is_refused_is_asked_for_anew() {
    let ground = Ground::new().await;
    ground.meta.forms(&ground.context).await.unwrap();
    ground.clock.advance(Duration::minutes(5).to_std().unwrap());
    ground
        .running
        .faults
        .on("1234567890100000", Failure::Unauthorised, 1);
    let lead = ground
        .meta
        .lead(&ground.context, "1234567890100000")
        .await
        .unwrap();
    assert_eq!(lead.map(|lead| lead.id).as_deref(), Some("1234567890100000"));
    assert_eq!(ground.asked("/me/accounts"), 4);
}

#[tokio::test]
async fn every_token_goes_with_its_own_proof() {
    let ground = Ground::new().await;
    ground.meta.forms(&ground.context).await.unwrap();
    let proofs: std::collections::BTreeSet<_> = ground
        .running
        .requests()
        .iter()
        .map(|request| request.param("appsecret_proof").expect("a proof").to_owned())
        .collect();
    assert_eq!(proofs.len(), 4, "of the owner and of three pages");
    for request in ground.running.requests() {
        assert_eq!(request.param("access_token"), None, "tokens are in the header");
    }
    let ground = Ground::with(|setup| set(&mut setup.secrets, "appSecret", "of-another-app")).await;
    let error = ground.meta.forms(&ground.context).await.unwrap_err();
    assert_eq!(error.kind, Kind::Settings);
    assert!(error.message.contains("appsecret_proof"), "{error}");
}
