//! What all facets promise when things go wrong.

use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use leadline_integrations::facet::{AdLevel, Facets, NewAudience};
use leadline_integrations::sandbox::Failure;
use leadline_integrations::{Context, Kind, Result, Retry};

use super::facets::{people, purchase, question};
use super::ground::{ANSWER, Ground, grounds};

type Answer<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;
type Probe = (&'static str, for<'a> fn(&'a Ground, &'a Context) -> Answer<'a>);

/// One call of each facet that asks the platform and may be repeated.
const PROBES: &[Probe] = &[
    ("check", |ground, context| {
        Box::pin(async move { ground.integration.check(context).await.map(drop) })
    }),
    ("LeadSource", |ground, context| {
        Box::pin(async move {
            match ground.integration.facets().lead_source {
                Some(facet) => first(facet.leads(context, None)).await,
                None => absent(),
            }
        })
    }),
    ("Commerce", |ground, context| {
        Box::pin(async move {
            match ground.integration.facets().commerce {
                Some(facet) => facet.shop(context).await.map(drop),
                None => absent(),
            }
        })
    }),
    ("AudienceSink", |ground, context| {
        Box::pin(async move {
            match ground.integration.facets().audience_sink {
                Some(facet) => {
                    let audience = NewAudience {
                        name: "Faults".into(),
                        description: String::new(),
                    };
                    let audience = facet.create(context, &audience).await?;
                    facet.add(context, &audience.id, &people(2)).await.map(drop)
                }
                None => absent(),
            }
        })
    }),
    ("ConversionSink", |ground, context| {
        Box::pin(async move {
            match ground.integration.facets().conversion_sink {
                Some(facet) => facet
                    .send(context, &[purchase(ground, "fault-1")])
                    .await
                    .map(drop),
                None => absent(),
            }
        })
    }),
    ("TextGenerator", |ground, context| {
        Box::pin(async move {
            match (
                ground.integration.facets().text_generator,
                ground.cases().text_generator,
            ) {
                (Some(facet), Some(case)) => {
                    let mut pieces = facet.generate(context, question(&case.model));
                    while let Some(piece) = pieces.next().await {
                        piece?;
                    }
                    Ok(())
                }
                _ => absent(),
            }
        })
    }),
    ("AdReporting", |ground, context| {
        Box::pin(async move {
            match (
                ground.integration.facets().ad_reporting,
                ground.cases().ad_reporting,
            ) {
                (Some(facet), Some(case)) => {
                    first(facet.results(context, case.range, AdLevel::Campaign, None)).await
                }
                _ => absent(),
            }
        })
    }),
];

/// What a probe says for a facet that is not there.
fn absent() -> Result<()> {
    Err(leadline_integrations::Error::new(Kind::Unsupported, "absent"))
}

async fn first<T>(mut pages: leadline_integrations::facet::Pages<'_, T>) -> Result<()> {
    pages.next().await.expect("at least one page").map(drop)
}

fn is_there(facets: &Facets<'_>, name: &str) -> bool {
    match name {
        "check" => true,
        "LeadSource" => facets.lead_source.is_some(),
        "Commerce" => facets.commerce.is_some(),
        "AudienceSink" => facets.audience_sink.is_some(),
        "ConversionSink" => facets.conversion_sink.is_some(),
        "TextGenerator" => facets.text_generator.is_some(),
        "AdReporting" => facets.ad_reporting.is_some(),
        _ => false,
    }
}

/// Lets all probes of a platform that speaks HTTP meet a failure.
async fn each(meet: impl AsyncFn(&Ground, &str, &dyn Fn() -> Context, Probe)) {
    for ground in &grounds().await {
        if ground.running.sandbox().protocol().is_some() {
            // Not HTTP: its own tests let it meet them.
            continue;
        }
        let facets = ground.integration.facets();
        for probe in PROBES.iter().filter(|(name, _)| is_there(&facets, name)) {
            ground.running.faults.clear();
            drop(ground.clock.waits());
            let what = format!("{}: {}", ground.integration.manifest().key, probe.0);
            meet(ground, &what, &|| ground.context(), *probe).await;
        }
        ground.running.faults.clear();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_credentials_are_unauthorised() {
    each(async |ground, what, context, (_, probe)| {
        ground.running.faults.next(Failure::Unauthorised, 100);
        let error = probe(ground, &context()).await.expect_err(what);
        assert!(
            matches!(error.kind, Kind::Unauthorised | Kind::Revoked),
            "{what}: {error}"
        );
        assert_eq!(error.retry, Retry::Never, "{what}: {error}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_throttled_request_waits_as_long_as_the_platform_says() {
    each(async |ground, what, context, (_, probe)| {
        ground.running.faults.next(Failure::Throttled { seconds: 7 }, 1);
        probe(ground, &context())
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let waited: Duration = ground.clock.waits().into_iter().sum();
        assert!(
            waited >= Duration::from_secs(7) && waited <= Duration::from_secs(70),
            "{what}: waited {waited:?}"
        );
        // Longer than anybody waits here: the time is in the error.
        ground
            .running
            .faults
            .next(Failure::Throttled { seconds: 900 }, 100);
        let error = probe(ground, &context()).await.expect_err(what);
        assert_eq!(error.kind, Kind::Throttled, "{what}: {error}");
        match error.retry {
            Retry::After(time) => assert!(time >= Duration::from_secs(600), "{what}: {time:?}"),
            other => panic!("{what}: {other:?}"),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_of_the_platform_is_waited_out_longer_each_time() {
    each(async |ground, what, context, (_, probe)| {
        ground.running.faults.next(Failure::ServerError, 2);
        probe(ground, &context())
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let waits = ground.clock.waits();
        assert!(waits.len() >= 2, "{what}: {waits:?}");
        ground.running.faults.next(Failure::ServerError, 100);
        let error = probe(ground, &context()).await.expect_err(what);
        assert_eq!(error.kind, Kind::Unavailable, "{what}: {error}");
        assert_eq!(error.retry, Retry::Exhausted, "{what}: {error}");
        let waits = ground.clock.waits();
        assert!(
            waits.len() >= 2 && waits.last() > waits.first(),
            "{what}: waits grow: {waits:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_within_a_success_is_a_failure() {
    each(async |ground, what, context, (_, probe)| {
        let request = leadline_integrations::sandbox::SandboxRequest {
            method: http::Method::POST,
            path: "/".into(),
            query: Vec::new(),
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::new(),
            base: ground.running.base.clone(),
            url: ground.running.base.clone(),
            at: leadline_integrations::Clock::now(&*ground.clock),
        };
        if ground
            .running
            .sandbox()
            .failure(Failure::BodyError, &request)
            .is_none()
        {
            return;
        }
        ground.running.faults.next(Failure::BodyError, 100);
        let outcome = probe(ground, &context()).await;
        assert!(outcome.is_err(), "{what}: {outcome:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_is_tried_again() {
    each(async |ground, what, context, (_, probe)| {
        ground.running.faults.next(Failure::Cut, 1);
        probe(ground, &context())
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        ground.running.faults.next(Failure::Cut, 100);
        let error = probe(ground, &context()).await.expect_err(what);
        assert!(
            matches!(error.kind, Kind::Cut | Kind::Unreachable),
            "{what}: {error}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_answer_is_not_waited_for_without_end() {
    each(async |ground, what, context, (_, probe)| {
        ground.running.faults.next(Failure::Slow(ANSWER * 2), 100);
        let begun = std::time::Instant::now();
        let error = probe(ground, &context()).await.expect_err(what);
        assert_eq!(error.kind, Kind::TimedOut, "{what}: {error}");
        assert!(begun.elapsed() < ANSWER * 20, "{what}: {:?}", begun.elapsed());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_cannot_be_read_is_told_as_such() {
    each(async |ground, what, context, (_, probe)| {
        ground.running.faults.next(Failure::Malformed, 100);
        let error = probe(ground, &context()).await.expect_err(what);
        assert!(
            matches!(error.kind, Kind::Malformed | Kind::Cut),
            "{what}: {error}"
        );
    })
    .await;
}

/// Nothing shows a secret: not the context, not an error, not the log of all that the platform is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_shown_nowhere() {
    let log = log::Kept::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _ = tracing::subscriber::set_global_default(subscriber);
    let shown = std::sync::Mutex::new(Vec::new());
    each(async |ground, what, context, (_, probe)| {
        for failure in [
            None,
            Some(Failure::Unauthorised),
            Some(Failure::ServerError),
            Some(Failure::Malformed),
        ] {
            ground.running.faults.clear();
            if let Some(failure) = failure {
                ground.running.faults.next(failure, 100);
            }
            let context = context();
            let outcome = probe(ground, &context).await;
            let mut shown = shown.lock().expect("no panic before");
            shown.push((
                what.to_owned(),
                ground.secrets(),
                format!("{context:?} {outcome:?}"),
            ));
            if let Err(error) = outcome {
                shown.push((what.to_owned(), ground.secrets(), error.to_string()));
            }
        }
    })
    .await;
    let shown = shown.into_inner().expect("no panic before");
    let logged = log.text();
    // Lines of our own crates; what a library logs at TRACE is off in every deployment.
    let own: String = logged
        .lines()
        .filter(|line| {
            line.contains("leadline") || line.contains("integrations") || line.contains("platform request")
        })
        .collect();
    assert!(own.contains("platform request"), "requests are logged");
    for (what, secrets, text) in &shown {
        for secret in secrets {
            assert!(!text.contains(secret.as_str()), "{what}: {text}");
            assert!(!own.contains(secret.as_str()), "{what}: in the log");
        }
    }
}

mod log {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    /// What was logged.
    #[derive(Clone, Default)]
    pub struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Kept {
        pub fn text(&self) -> String {
            String::from_utf8_lossy(&self.0.lock().expect("no panic before")).into_owned()
        }
    }

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic before").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Kept {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }
}
