//! Every platform against its sandbox: each facet that it has keeps what the facet's documentation promises. A facet without
//! a case fails here. `CONFORMANCE_PLATFORM=twilio` in the environment holds only that one to them.

mod facets;
mod faults;
mod ground;
#[path = "../guide/guestbook/mod.rs"]
mod guestbook;
mod messages;
mod webhooks;

use leadline_integrations::facet::Facets;
use leadline_integrations::sandbox::Cases;
// The guide's example says `crate::`, as a platform within the crate does.
use leadline_integrations::*;

use self::ground::{Ground, grounds};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_facet_has_a_case_and_every_case_a_facet() {
    for ground in grounds().await {
        let Facets {
            lead_source,
            commerce,
            audience_sink,
            conversion_sink,
            messenger,
            text_generator,
            webhooks,
            ad_reporting,
            oauth,
        } = ground.integration.facets();
        let Cases {
            lead_source: lead_case,
            commerce: commerce_case,
            audience_sink: audience_case,
            conversion_sink: conversion_case,
            messenger: messenger_case,
            text_generator: text_case,
            webhooks: webhooks_case,
            ad_reporting: ad_case,
            oauth: oauth_case,
        } = ground.cases();
        let pairs = [
            ("LeadSource", lead_source.is_some(), lead_case.is_some()),
            ("Commerce", commerce.is_some(), commerce_case.is_some()),
            ("AudienceSink", audience_sink.is_some(), audience_case.is_some()),
            (
                "ConversionSink",
                conversion_sink.is_some(),
                conversion_case.is_some(),
            ),
            ("Messenger", messenger.is_some(), messenger_case.is_some()),
            ("TextGenerator", text_generator.is_some(), text_case.is_some()),
            ("Webhooks", webhooks.is_some(), webhooks_case.is_some()),
            ("AdReporting", ad_reporting.is_some(), ad_case.is_some()),
            ("OAuth", oauth.is_some(), oauth_case.is_some()),
        ];
        for (facet, has_facet, has_case) in pairs {
            assert_eq!(
                has_facet,
                has_case,
                "{}: facet {facet} and its case",
                ground.key()
            );
        }
        assert!(
            pairs.iter().any(|(_, has, _)| *has),
            "{} can do something",
            ground.key()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_says_what_there_is() {
    for ground in grounds().await {
        let manifest = ground.integration.manifest();
        let key = manifest.key;
        assert!(
            !key.is_empty() && key.chars().all(|ch| ch.is_ascii_lowercase() || ch == '_'),
            "`{key}` is lower case"
        );
        assert!(manifest.docs.starts_with("https://"), "{key}: its documentation");
        assert!(!manifest.summary.is_empty(), "{key}: what it brings");
        let setup = &ground.setup;
        assert_eq!(
            manifest.settings.check(&setup.settings),
            Ok(()),
            "{key}: settings of its sandbox"
        );
        assert_eq!(
            manifest.secrets.check(&setup.secrets),
            Ok(()),
            "{key}: secrets of its sandbox"
        );
        for (what, form) in [("settings", manifest.settings), ("secrets", manifest.secrets)] {
            let unknown = serde_json::json!({ "noSuchField": 1 });
            assert!(
                form.check(&unknown).is_err(),
                "{key}: an unknown field of {what} is told"
            );
            for (name, field) in form.schema()["properties"].as_object().into_iter().flatten() {
                assert!(
                    field["description"].as_str().is_some_and(|text| !text.is_empty()),
                    "{key}: {what}.{name} is described"
                );
                if what == "secrets" {
                    let text = field.to_string();
                    assert!(
                        text.contains("\"writeOnly\":true"),
                        "{key}: {name} is a secret, not {text}"
                    );
                }
            }
        }
        let fields = manifest.settings.fields();
        for name in manifest.addresses {
            assert!(
                fields.iter().any(|field| field == name),
                "{key}: the address `{name}` is a setting"
            );
        }
        for name in &fields {
            let leads_elsewhere =
                name.to_lowercase().ends_with("baseurl") || name == "host" || name == "port";
            assert!(
                !leads_elsewhere || manifest.addresses.contains(&name.as_str()),
                "{key}: the setting `{name}` decides where secrets are sent, and belongs to `addresses`"
            );
        }
        let mut theirs: Vec<_> = manifest.fields.iter().map(|field| field.theirs).collect();
        theirs.sort_unstable();
        let count = theirs.len();
        theirs.dedup();
        assert_eq!(theirs.len(), count, "{key}: each field of theirs once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_credentials_are_told_from_bad_ones() {
    for ground in grounds().await {
        let key = ground.key();
        let account = ground.integration.check(&ground.context()).await;
        let account = account.unwrap_or_else(|error| panic!("{key}: {error}"));
        assert!(
            !account.name.is_empty() || !account.id.is_empty(),
            "{key}: whose they are"
        );
        if let Some(scopes) = account.scopes {
            for scope in ground
                .integration
                .manifest()
                .scopes
                .iter()
                .filter(|scope| scope.required)
            {
                assert!(
                    scopes.iter().any(|granted| granted == scope.name
                        || scope
                            .name
                            .strip_prefix("read_")
                            .is_some_and(|what| *granted == format!("write_{what}"))),
                    "{key}: the sandbox grants {}",
                    scope.name
                );
            }
        }
        let Some(wrong) = ground.with_wrong_secrets() else {
            continue;
        };
        let error = ground
            .integration
            .check(&wrong)
            .await
            .expect_err("wrong credentials");
        assert_eq!(
            error.kind,
            leadline_integrations::Kind::Unauthorised,
            "{key}: {error}"
        );
    }
}

impl Ground {
    fn key(&self) -> &'static str {
        self.integration.manifest().key
    }
}
