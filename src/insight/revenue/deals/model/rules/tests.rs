//! The rules by themselves.

use super::*;

const NOW: Timestamp = Timestamp(1_772_366_400_000_000);

fn stages() -> Vec<DealStage> {
    let stage = |n: i64, archived: bool| DealStage {
        id: DealStageId::at(Timestamp(n * 1_000_000)),
        name: format!("stage {n}"),
        position: i32::try_from(n).unwrap(),
        probability: 100,
        archived_at: archived.then_some(NOW),
    };
    vec![stage(1, true), stage(2, false), stage(3, false)]
}

fn deal() -> Deal {
    Deal {
        id: entity::id::DealId::at(NOW),
        lead_id: LeadId::at(NOW),
        name: "Bicycles".to_owned(),
        folded_name: "bicycles".to_owned(),
        stage_id: stages()[1].id,
        value_minor: Some(10_000),
        currency: Some("EUR".to_owned()),
        reporting_minor: None,
        reporting_currency: None,
        state: DealState::Open,
        reason: None,
        expected_close: None,
        owner: None,
        opened_at: NOW.plus_days(-10),
        closed_at: None,
        wins: 0,
        conversion_id: None,
        version: 1,
        created_by: "operator".to_owned(),
        created_at: NOW.plus_days(-10),
        updated_at: NOW.plus_days(-10),
    }
}

fn codes<T: std::fmt::Debug>(result: Result<T, Problems>) -> Vec<(String, DealProblem)> {
    let problems = result.expect_err("refused");
    problems
        .into_iter()
        .map(|one| (one.field.join("."), one.code))
        .collect()
}

#[test]
fn texts_are_trimmed_and_bounded() {
    assert_eq!(name("name", "  Two  bikes "), Ok("Two  bikes".to_owned()));
    assert_eq!(folded(" Two  BIKES Ü "), "two bikes ü");
    for (text, code) in [
        (" ".to_owned(), DealProblem::Missing),
        ("x".repeat(201), DealProblem::TooLong),
        ("a\nb".to_owned(), DealProblem::Malformed),
    ] {
        assert_eq!(name("name", &text).expect_err("refused").code, code, "{text}");
    }
    assert_eq!(reason(Some(" ")), Ok(None));
    assert_eq!(reason(Some(" a\nb ")), Ok(Some("a\nb".to_owned())));
    assert_eq!(
        reason(Some("a\0b")).expect_err("refused").code,
        DealProblem::Malformed
    );
    assert_eq!(
        reason(Some(&"x".repeat(1_001))).expect_err("refused").code,
        DealProblem::TooLong
    );
}

#[test]
fn a_value_has_a_currency_and_is_not_negative() {
    assert_eq!(value(Some(5), Some("eur")), Ok(Some((5, "EUR".to_owned()))));
    assert_eq!(value(None, None), Ok(None));
    for (minor, currency, code) in [
        (Some(5), None, DealProblem::Missing),
        (None, Some("EUR"), DealProblem::Missing),
        (Some(5), Some("XXL"), DealProblem::Malformed),
        (Some(-1), Some("EUR"), DealProblem::OutOfRange),
        (Some(MOST_VALUE + 1), Some("EUR"), DealProblem::OutOfRange),
    ] {
        assert_eq!(
            value(minor, currency).expect_err("refused").code,
            code,
            "{minor:?} {currency:?}"
        );
    }
}

#[test]
fn a_deal_is_closed_neither_before_it_was_opened_nor_in_the_future() {
    let opened = NOW.plus_days(-10);
    assert!(expected_close(Some(opened.day()), opened, NOW).is_ok());
    assert!(expected_close(Some(Day(opened.day().0 - 2)), opened, NOW).is_err());
    assert!(expected_close(Some(Day(NOW.day().0 + 4_000)), opened, NOW).is_err());
    assert!(opened_at(Some(NOW.plus_seconds(1)), NOW).is_err());
    assert_eq!(opened_at(None, NOW), Ok(NOW));
    for at in [NOW.plus_seconds(1), NOW.plus_days(-11)] {
        let refused = codes(close(&mut deal(), true, None, Some(at), NOW));
        assert_eq!(refused, [("closedAt".to_owned(), DealProblem::OutOfRange)]);
    }
}

#[test]
fn it_goes_from_stage_to_stage_while_it_is_open() {
    let stages = stages();
    let mut one = Deal {
        stage_id: stages[1].id,
        ..deal()
    };
    let moved = |deal: &mut Deal, to: usize| go_to(deal, &stages, stages[to].id, NOW);
    assert_eq!(codes(moved(&mut one, 0))[0].1, DealProblem::StageArchived);
    assert_eq!(codes(moved(&mut one, 1))[0].1, DealProblem::AlreadyInStage);
    let step = moved(&mut one, 2).expect("it goes");
    assert_eq!((step.change, one.stage_id), (DealChange::Moved, stages[2].id));
    let nowhere = DealStageId::at(Timestamp(1));
    assert_eq!(
        codes(go_to(&mut one, &stages, nowhere, NOW))[0].1,
        DealProblem::StageNotFound
    );
    close(&mut one, true, None, None, NOW).expect("it is won");
    assert_eq!(
        codes(moved(&mut one, 1)),
        [("id".to_owned(), DealProblem::Closed)]
    );
    assert_eq!(stage(&stages, None), Ok(stages[1].id), "the first in use");
}

#[test]
fn it_is_won_lost_and_opened_again() {
    let mut one = deal();
    assert_eq!(codes(open_again(&mut one, NOW))[0].1, DealProblem::AlreadyOpen);
    assert_eq!(
        codes(close(&mut one, false, Some(" "), None, NOW))[0].1,
        DealProblem::Missing
    );
    let at = NOW.plus_days(-1);
    let step = close(&mut one, true, Some("price"), Some(at), NOW).expect("it is won");
    assert_eq!(
        (step.change, step.at, step.reason.as_deref()),
        (DealChange::Won, at, Some("price"))
    );
    assert_eq!((one.state, one.closed_at), (DealState::Won, Some(at)));
    assert_eq!(
        codes(close(&mut one, true, None, None, NOW))[0].1,
        DealProblem::AlreadyWon
    );
    close(&mut one, false, Some("paid nothing"), None, NOW).expect("it is lost after all");
    assert_eq!(
        codes(close(&mut one, false, Some("x"), None, NOW))[0].1,
        DealProblem::AlreadyLost
    );
    let step = open_again(&mut one, NOW).expect("it is open");
    assert_eq!(
        (step.change, one.state, one.closed_at, one.reason),
        (DealChange::Reopened, DealState::Open, None, None)
    );
}

#[test]
fn a_closed_deal_keeps_what_it_is_worth() {
    let mut one = deal();
    assert_eq!(change(&mut one, DealPatch::default(), NOW), Ok(None));
    let worth = |minor| DealPatch {
        value: Some(Some((minor, "eur".to_owned()))),
        ..DealPatch::default()
    };
    assert_eq!(
        change(&mut one, worth(10_000), NOW),
        Ok(None),
        "the same is no change"
    );
    assert!(
        change(&mut one, worth(20_000), NOW)
            .expect("it changes")
            .is_some()
    );
    close(&mut one, true, None, None, NOW).expect("it is won");
    assert_eq!(
        codes(change(&mut one, worth(5), NOW)),
        [("value".to_owned(), DealProblem::Closed)]
    );
    let mut one = Deal {
        value_minor: Some(20_000),
        ..one
    };
    let patch = DealPatch {
        name: Some("Tandems".to_owned()),
        owner: Some(Some("Sam@Example.org".to_owned())),
        ..worth(20_000)
    };
    assert!(change(&mut one, patch, NOW).expect("it changes").is_some());
    assert_eq!(
        (&one.name[..], &one.folded_name[..], one.owner.as_deref()),
        ("Tandems", "tandems", Some("sam@example.org"))
    );
    let patch = DealPatch {
        name: Some(String::new()),
        owner: Some(Some("nobody".to_owned())),
        expected_close: Some(Some(Day(1))),
        ..DealPatch::default()
    };
    let fields: Vec<_> = codes(change(&mut one, patch, NOW))
        .into_iter()
        .map(|(field, _)| field)
        .collect();
    assert_eq!(fields, ["name", "expectedClose", "ownerEmail"]);
}
