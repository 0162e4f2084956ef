//! Hands mails over to the mail server.

use std::time::Duration;

use async_trait::async_trait;
use lettre::message::header::ContentType;
use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::{AsyncTransport as _, Message, Tokio1Executor};
use tokio::sync::OnceCell;

use super::{Mail, service, store};
use crate::app::App;
use crate::error::Error;
use crate::jobs::Chore;

/// How often the outbox is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Mails of one look.
const BATCH: u64 = 50;
/// How long one mail may take; nobody else takes it meanwhile.
const CLAIM_SECONDS: i64 = 120;
/// How long a step of it may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long all steps may take together: less than the mail is ours.
const WHOLE: Duration = Duration::from_secs(90);
/// Seconds until the next attempt, by the number of those before; then it is given up, after about a day.
const WAITS: [i64; 8] = [10, 60, 300, 1_800, 7_200, 14_400, 28_800, 28_800];

/// Sends what is in the outbox.
#[derive(Default)]
pub struct MailSender {
    transport: OnceCell<Option<AsyncSmtpTransport<Tokio1Executor>>>,
}

impl MailSender {
    async fn transport(&self, app: &App) -> Result<Option<&AsyncSmtpTransport<Tokio1Executor>>, Error> {
        let made = self.transport.get_or_try_init(async || {
            let Some(url) = &app.access().smtp_url else {
                return Ok(None);
            };
            let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose())
                // The error may repeat the address.
                .map_err(|_| {
                    Error::internal(anyhow::anyhow!("`smtp_url` is not an address of a mail server"))
                })?;
            Ok::<_, Error>(Some(builder.timeout(Some(TIMEOUT)).build()))
        });
        Ok(made.await?.as_ref())
    }
}

/// Whether another attempt may help: not when the server refused the mail for good. That it does not know us (530 to 538) is
/// for the operator to mend meanwhile.
fn may_help(error: &lettre::transport::smtp::Error) -> bool {
    let is_of_sign_in = error
        .status()
        .is_some_and(|code| (530..=538).contains(&u16::from(code)));
    !error.is_permanent() || is_of_sign_in
}

fn message(app: &App, mail: &Mail, body: String) -> Result<Message, String> {
    let from = app
        .access()
        .mail_from
        .parse()
        .map_err(|error| format!("the sender: {error}"))?;
    let to = mail
        .recipient
        .parse()
        .map_err(|error| format!("the recipient: {error}"))?;
    Message::builder()
        .from(from)
        .to(to)
        .subject(mail.subject.clone())
        // By our own id: who gets it twice can tell.
        .message_id(Some(format!("<{}@leadline>", mail.id)))
        .header(ContentType::TEXT_PLAIN)
        .body(body)
        .map_err(|error| error.to_string())
}

/// Hands one mail over; else why not, and whether another attempt may help.
async fn send(
    app: &App,
    transport: &AsyncSmtpTransport<Tokio1Executor>,
    mail: &Mail,
) -> Result<(), (String, bool)> {
    // A key that is not there may come back with its file.
    let body = service::read_body(app, mail)
        .await
        .map_err(|error| (format!("its text cannot be read: {error:?}"), true))?;
    let message = message(app, mail, body).map_err(|why| (why, false))?;
    match tokio::time::timeout(WHOLE, transport.send(message)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err((error.to_string(), may_help(&error))),
        Err(_) => Err((
            format!("the mail server took longer than {} s", WHOLE.as_secs()),
            true,
        )),
    }
}

#[async_trait]
impl Chore for MailSender {
    fn name(&self) -> &'static str {
        "mail"
    }

    fn every(&self) -> Duration {
        LOOK
    }

    async fn run(&self, app: &App) -> Result<(), Error> {
        let Some(transport) = self.transport(app).await? else {
            return Ok(());
        };
        for mail in store::due(app.db().read(), app.clock().now(), BATCH).await? {
            let now = app.clock().now();
            let tx = app.db().begin().await?;
            if !store::claim(&tx, &mail, now.plus_seconds(CLAIM_SECONDS)).await? {
                continue;
            }
            tx.commit().await?;
            let outcome = send(app, transport, &mail).await;
            let now = app.clock().now();
            let tx = app.db().begin().await?;
            match outcome {
                Ok(()) => store::sent(&tx, &mail, now).await?,
                Err((why, may_help)) => {
                    let tried = usize::try_from(mail.attempts).unwrap_or(usize::MAX);
                    let wait = WAITS.get(tried).filter(|_| may_help);
                    let next = wait.map(|seconds| now.plus_seconds(*seconds));
                    tracing::warn!(mail = %mail.id, error = why, again = next.is_some(), "a mail could not be sent");
                    store::failed(&tx, &mail, &why, next).await?;
                }
            }
            tx.commit().await?;
        }
        Ok(())
    }
}
