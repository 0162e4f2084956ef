//! What messengers promise: a message goes out once, and where that is not known it is said.

use leadline_integrations::facet::{Channel, Receipt};
use leadline_integrations::sandbox::Failure;

use super::ground::{ANSWER, grounds};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_out_once() {
    for ground in &grounds().await {
        let (Some(messenger), Some(case)) = (ground.integration.facets().messenger, ground.cases().messenger)
        else {
            continue;
        };
        let key = ground.integration.manifest().key;
        let context = ground.context();
        for channel in messenger.channels() {
            assert!(
                case.messages
                    .iter()
                    .any(|message| message.content.channel() == *channel),
                "{key}: a message by {channel:?}"
            );
            assert!(messenger.limits(*channel).length > 0, "{key}");
        }
        for message in &case.messages {
            let before = ground.holds()[case.held];
            let receipt = messenger.send(&context, message).await;
            let receipt = receipt.unwrap_or_else(|error| panic!("{key}: {error}"));
            assert!(matches!(receipt, Receipt::Taken { .. }), "{key}: {receipt:?}");
            assert_eq!(ground.holds()[case.held], before + 1, "{key}: {message:?}");
        }
        for (message, kind) in &case.refused {
            let before = ground.holds()[case.held];
            let error = messenger.send(&context, message).await.expect_err("refused");
            assert_eq!(error.kind, *kind, "{key}: {error}");
            assert_eq!(ground.holds()[case.held], before, "{key}: nothing went out");
        }
    }
}

/// Where the connection breaks, no answer comes in time or it cannot be read, it is not known whether the message went out; and
/// nothing is sent a second time without a word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_known_is_said() {
    for ground in &grounds().await {
        let (Some(messenger), Some(case)) = (ground.integration.facets().messenger, ground.cases().messenger)
        else {
            continue;
        };
        let key = ground.integration.manifest().key;
        // Mail servers may take their time over a message.
        for failure in [Failure::Slow(ANSWER * 12), Failure::Malformed, Failure::Cut] {
            let message = &case.messages[0];
            let before = ground.holds()[case.held];
            // For mail servers it is the answer to the whole message that counts.
            let at = if ground.running.sandbox().protocol().is_some() {
                "DOT"
            } else {
                ""
            };
            ground.running.faults.on(at, failure, 1);
            let receipt = messenger.send(&ground.context(), message).await;
            assert!(
                matches!(receipt, Ok(Receipt::Unknown { .. })),
                "{key}: after {failure:?} it is {receipt:?}"
            );
            let sent = ground.holds()[case.held] - before;
            assert!(sent <= 1, "{key}: after {failure:?} {sent} went out");
            ground.running.faults.clear();
            // Whether it went out is asked of the platform, where it can tell.
            let since = chrono::DateTime::from_timestamp(1_795_000_000, 0).expect("a moment");
            messenger
                .reconcile(&ground.context(), message, since)
                .await
                .unwrap_or_else(|error| panic!("{key}: {error}"));
        }
        assert!(!messenger.channels().contains(&Channel::Email) || !case.messages.is_empty());
    }
}
