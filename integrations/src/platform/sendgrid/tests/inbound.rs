//! Mails that come in.

use super::*;
use crate::facet::InboundMessage;

fn received(events: &[WebhookEvent]) -> &InboundMessage {
    match events {
        [WebhookEvent::Received(message)] => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn answers_are_read_from_a_form_and_from_a_whole_mail() {
    let ground = ground().await;
    ground.sandbox.point_webhooks(&hook());
    ground.send(&letter("m-1", "lea@example.com")).await.unwrap();
    for (what, id, text) in [
        ("reply", "reply-1@mail.example.com", "Ja, schöne Grüße."),
        (
            "reply in another charset",
            "reply-2@mail.example.com",
            "Ja, schöne Grüße.",
        ),
        ("raw reply", "reply-3@mail.example.com", "Yes, gerne. Grüße"),
    ] {
        let events = ground.told(what);
        let message = received(&events);
        assert_eq!((message.id.as_str(), message.text.trim()), (id, text), "{what}");
        assert_eq!(message.answers, ["m-1@mail.example.org"]);
        assert_eq!(
            (message.from.as_str(), message.to.as_str()),
            ("lea@example.com", "answers@in.example.org")
        );
        assert_eq!(message.from_name.as_deref(), Some("Lea Lead"));
        assert_eq!(message.at, DateTime::from_timestamp(1_700_000_000, 0));
    }
    assert_eq!(
        received(&ground.told("raw reply")).subject.as_deref(),
        Some("Grüße")
    );
    let automatic = ground.told("automatic reply");
    assert!(
        matches!(&automatic[..], [WebhookEvent::Ignored { reason }] if reason.contains("auto-replied")),
        "{automatic:?}"
    );
    let bounce = ground.one("bounce report");
    assert_eq!(bounce.message.as_deref(), Some("m-1"));
    assert_eq!(bounce.platform_message.as_deref(), Some("m-1@mail.example.org"));
}

#[tokio::test]
async fn a_form_without_a_header_is_read_all_the_same() {
    let ground = ground().await;
    let form = |fields: &[(&str, &str)]| {
        let mut body = String::new();
        for (name, value) in fields {
            body += &format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        }
        body += "--b--\r\n";
        Inbound {
            method: http::Method::POST,
            url: hook(),
            headers: HeaderMap::from_iter([(
                http::header::CONTENT_TYPE,
                HeaderValue::from_static("multipart/form-data; boundary=b"),
            )]),
            body: body.into(),
            received_at: DateTime::UNIX_EPOCH,
        }
    };
    let fields = [
        ("from", "Lea <lea@example.com>"),
        ("to", "us@in.example.org"),
        ("text", "Stop"),
    ];
    let events = SendGrid.parse(&ground.context, &form(&fields)).unwrap();
    let message = received(&events);
    assert_eq!(message.from, "lea@example.com");
    assert!(message.id.starts_with("sha256:"));
    assert_eq!(message.keyword, Some(crate::facet::Keyword::Stop));
    assert_eq!(
        received(&SendGrid.parse(&ground.context, &form(&fields)).unwrap()).id,
        message.id
    );

    let html = [
        ("headers", "From: lea@example.com\r\nMessage-ID: <a@example.com>"),
        ("html", "<p>Hello</p>"),
    ];
    let events = SendGrid.parse(&ground.context, &form(&html)).unwrap();
    assert_eq!(received(&events).text.trim(), "Hello");
    assert_eq!(received(&events).id, "a@example.com");

    for broken in [form(&[("text", "x")]), form(&[("email", "")])] {
        let error = SendGrid.parse(&ground.context, &broken).unwrap_err();
        assert_eq!(error.kind, Kind::Malformed);
    }
    let mut cut = form(&fields);
    cut.body = cut.body.slice(..cut.body.len() - 20);
    assert_eq!(
        SendGrid.parse(&ground.context, &cut).unwrap_err().kind,
        Kind::Malformed
    );
}
