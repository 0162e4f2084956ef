use super::{Ground, set};
use crate::Kind;
use crate::facet::{AudienceReceipt, AudienceSink as _, AudienceStatus, Lookalike, NewAudience, Person};
use crate::sandbox::Failure;

fn named(name: &str) -> NewAudience {
    NewAudience {
        name: name.to_owned(),
        description: "from here".to_owned(),
    }
}

fn people(count: usize) -> Vec<Person> {
    (0..count)
        .map(|number| Person {
            external_id: format!("person-{number}"),
            email: Some(format!("lead{number}@example.com")),
            first_name: Some("Ada".to_owned()),
            ..Person::default()
        })
        .collect()
}

#[tokio::test]
async fn one_of_the_same_name_is_found() {
    let ground = Ground::new().await;
    let before = ground.holds("audiences");
    let first = ground
        .meta
        .create(&ground.context, &named("Buyers"))
        .await
        .unwrap();
    let second = ground
        .meta
        .create(&ground.context, &named("Buyers"))
        .await
        .unwrap();
    assert_eq!((first.name.as_str(), &first), ("Buyers", &second));
    assert_eq!(ground.holds("audiences"), before + 1);
    let old = ground
        .meta
        .create(&ground.context, &named("Newsletter 1990"))
        .await
        .unwrap();
    assert_eq!(
        (old.id.as_str(), ground.holds("audiences")),
        ("23851234567890001", before + 1),
        "on the second page"
    );
}

#[tokio::test]
async fn an_answer_that_is_lost_makes_no_second_audience() {
    let ground = Ground::new().await;
    let before = ground.holds("audiences");
    // The first two requests look for it, page by page; the third makes it.
    let running = &ground.running;
    running
        .faults
        .on("/customaudiences", Failure::Slow(std::time::Duration::ZERO), 2);
    running.faults.on("/customaudiences", Failure::CutWithin, 1);
    let made = ground
        .meta
        .create(&ground.context, &named("Buyers"))
        .await
        .unwrap();
    assert_eq!(ground.holds("audiences"), before + 1);
    let again = ground
        .meta
        .create(&ground.context, &named("Buyers"))
        .await
        .unwrap();
    assert_eq!((again, ground.holds("audiences")), (made, before + 1));
}

#[tokio::test]
async fn members_count_once_and_go_again() {
    let ground = Ground::new().await;
    let audience = ground
        .meta
        .create(&ground.context, &named("Buyers"))
        .await
        .unwrap()
        .id;
    let mut all = people(10_500);
    all.push(Person {
        external_id: "nobody".to_owned(),
        phone: Some("+0000".to_owned()),
        ..Person::default()
    });
    for _ in 0..2 {
        let receipt = ground.meta.add(&ground.context, &audience, &all).await.unwrap();
        let expected = AudienceReceipt {
            received: 10_500,
            invalid: 0,
            unmatchable: 1,
        };
        assert_eq!(receipt, expected);
    }
    assert_eq!(ground.holds("audience_members"), 10_500);
    let uploads: Vec<_> = ground
        .running
        .requests()
        .into_iter()
        .filter(|one| one.path.ends_with("/users"))
        .collect();
    let sessions: Vec<_> = uploads.iter().map(|one| one.json()["session"].clone()).collect();
    let seen: Vec<_> = sessions
        .iter()
        .map(|one| (one["batch_seq"].as_u64(), one["last_batch_flag"] == true))
        .collect();
    let once = [(Some(1), false), (Some(2), true)];
    assert_eq!(seen, [once, once].concat());
    assert_eq!(sessions[0]["session_id"], sessions[1]["session_id"]);
    assert!(
        !String::from_utf8_lossy(&uploads[0].body).contains("example.com"),
        "all is hashed"
    );
    for _ in 0..2 {
        let receipt = ground
            .meta
            .remove(&ground.context, &audience, &people(10))
            .await
            .unwrap();
        assert_eq!(receipt.received, 10);
        assert_eq!(ground.holds("audience_members"), 10_490);
    }
    let size = ground.meta.size(&ground.context, &audience).await.unwrap();
    assert_eq!(
        (size.status, size.at_least, size.at_most),
        (AudienceStatus::Ready, Some(5_200), Some(5_800))
    );
    assert_eq!(
        ground.meta.add(&ground.context, &audience, &[]).await.unwrap(),
        AudienceReceipt::default()
    );
}

#[tokio::test]
async fn those_who_are_alike() {
    let ground = Ground::new().await;
    let origin = ground
        .meta
        .create(&ground.context, &named("Buyers"))
        .await
        .unwrap()
        .id;
    ground
        .meta
        .add(&ground.context, &origin, &people(200))
        .await
        .unwrap();
    let like = |ratio| Lookalike {
        name: "Like buyers".to_owned(),
        country: "de".to_owned(),
        ratio,
    };
    let made = ground
        .meta
        .lookalike(&ground.context, &origin, &like(0.07))
        .await
        .unwrap();
    let again = ground
        .meta
        .lookalike(&ground.context, &origin, &like(0.07))
        .await
        .unwrap();
    assert_eq!(made, again);
    assert_ne!(made.id, origin);
    for ratio in [0.0, 0.005, 0.21, f64::NAN] {
        let error = ground
            .meta
            .lookalike(&ground.context, &origin, &like(ratio))
            .await
            .unwrap_err();
        assert_eq!(error.kind, Kind::Refused, "{ratio}");
    }
    let other = Lookalike {
        name: "x".to_owned(),
        ..like(0.01)
    };
    let error = ground.meta.lookalike(&ground.context, "4711", &other);
    assert_eq!(error.await.unwrap_err().kind, Kind::NotFound);
}

#[tokio::test]
async fn what_the_platform_has_stopped_or_does_not_have() {
    let ground = Ground::new().await;
    let id = ground
        .meta
        .create(&ground.context, &named("New diagnosis"))
        .await
        .unwrap()
        .id;
    let size = ground.meta.size(&ground.context, &id).await.unwrap();
    assert_eq!(size.status, AudienceStatus::Blocked);
    assert!(size.detail.expect("words").contains("Flagged"));
    let error = ground
        .meta
        .add(&ground.context, &id, &people(1))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Refused, Some("100/1713230"))
    );
    for _ in 0..2 {
        ground.meta.delete(&ground.context, &id).await.unwrap();
    }
    ground.meta.delete(&ground.context, "act_17/../me").await.unwrap();
    for id in [id.as_str(), "me"] {
        assert_eq!(
            ground.meta.size(&ground.context, id).await.unwrap_err().kind,
            Kind::NotFound
        );
        assert_eq!(
            ground
                .meta
                .add(&ground.context, id, &people(1))
                .await
                .unwrap_err()
                .kind,
            Kind::NotFound
        );
    }
}

#[tokio::test]
async fn an_account_is_needed_and_a_version_that_lives() {
    let ground = Ground::with(|setup| {
        setup
            .settings
            .as_object_mut()
            .expect("an object")
            .remove("adAccountId");
    })
    .await;
    let error = ground
        .meta
        .create(&ground.context, &named("Buyers"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::Settings);
    assert!(error.message.contains("adAccountId"), "{error}");
    let ground = Ground::with(|setup| set(&mut setup.settings, "apiVersion", "v24.0")).await;
    let error = ground
        .meta
        .create(&ground.context, &named("Buyers"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Settings, Some("2635"))
    );
}
