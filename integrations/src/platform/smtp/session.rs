//! One connection to a mail server.

use std::error::Error as StdError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{io, iter};

use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Ehlo, Mail, Noop, Rcpt, Rset};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter, RcptParameter};
use lettre::transport::smtp::response::{Response, Severity};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::settings::Encryption;
use super::stream::Guarded;
use super::{Envelope, Server};
use crate::mail::{self, Stage};
use crate::{Context, Error, Kind, RecipientFault, Result};

/// A server looks into a mail before it answers: so many times as long as for another answer is waited for it (five minutes
/// by default, as RFC 5321 has it).
const FINAL_PATIENCE: u32 = 10;

/// A connection that is signed in.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    /// The largest mail that the server takes; `None` where it does not say.
    largest: Option<usize>,
    /// Whether it takes parameters about reports.
    reports: bool,
    sizes: bool,
    /// How many mails went over it.
    pub(super) sent: u32,
}

/// Why a mail did not go.
pub(super) enum Failed {
    /// Surely not taken.
    Not {
        error: Error,
        /// Whether the connection is good for another mail.
        usable: bool,
        /// Whether another connection may do: this one had ended before it was asked anything.
        stale: bool,
    },
    /// It may have been taken.
    Unknown(String),
}

impl Failed {
    fn broken(error: Error) -> Self {
        Self::Not {
            error,
            usable: false,
            stale: false,
        }
    }
}

/// What is trusted, and as whom the server must show itself.
pub(super) fn tls(server: &Server) -> Result<TlsParameters> {
    let bad = |error: SmtpError| Error::new(Kind::Settings, format!("the certificates: {error}"));
    let mut builder = TlsParameters::builder(server.settings.host.as_str().to_owned());
    if let Some(pem) = &server.settings.certificates {
        builder = builder.add_root_certificate(Certificate::from_pem(pem.0.as_bytes()).map_err(bad)?);
    }
    builder.build_rustls().map_err(bad)
}

impl Session {
    /// Connects and signs in.
    pub(super) async fn open(context: &Context, server: &Server, tls: Option<TlsParameters>) -> Result<Self> {
        let limit = context.http.policy().answer;
        let opened = timeout(limit, Self::opened(context, server, tls)).await;
        opened.unwrap_or_else(|_| {
            Err(Error::new(
                Kind::TimedOut,
                format!(
                    "{} did not let us in within {} s",
                    server.name(),
                    limit.as_secs_f64()
                ),
            ))
        })
    }

    async fn opened(context: &Context, server: &Server, tls: Option<TlsParameters>) -> Result<Self> {
        let settings = &server.settings;
        let hello = settings.hello();
        let addresses = context
            .http
            .addresses(settings.host.as_str(), settings.port())
            .await?;
        let greeting = |error| server.told(&error, Stage::Greeting, Kind::Unreachable);
        let mut connection = match (settings.encryption, tls) {
            (Encryption::Starttls, Some(tls)) => {
                let stream = TcpStream::connect(&addresses[..]).await.map_err(|error| {
                    Error::new(
                        Kind::Unreachable,
                        format!("{} cannot be reached: {error}", server.name()),
                    )
                })?;
                let stream = Box::new(Guarded::new(stream));
                let mut connection = AsyncSmtpConnection::connect_with_transport(stream, &hello)
                    .await
                    .map_err(greeting)?;
                connection.starttls(tls, &hello).await.map_err(greeting)?;
                connection
            }
            (_, tls) => AsyncSmtpConnection::connect_tokio1(&addresses[..], None, &hello, tls, None)
                .await
                .map_err(greeting)?,
        };
        if let Some(user) = &settings.user {
            let password = server
                .password
                .as_ref()
                .map(|password| password.expose().to_owned());
            let credentials = Credentials::new(user.clone(), password.unwrap_or_default());
            connection
                .auth(&[Mechanism::Plain, Mechanism::Login], &credentials)
                .await
                .map_err(|error| server.told(&error, Stage::SignIn, Kind::Unavailable))?;
        }
        // What it can do is asked again: some say more to those who have signed in.
        let told = connection
            .command(Ehlo::new(hello))
            .await
            .map_err(|error| server.told(&error, Stage::Greeting, Kind::Unavailable))?;
        let extensions: Vec<_> = told.message().map(str::to_ascii_uppercase).collect();
        let size = extensions
            .iter()
            .find(|line| *line == "SIZE" || line.starts_with("SIZE "));
        Ok(Self {
            connection,
            largest: size
                .and_then(|line| line.split(' ').nth(1)?.parse().ok())
                .filter(|size| *size > 0),
            sizes: size.is_some(),
            reports: extensions.iter().any(|line| line == "DSN"),
            sent: 0,
        })
    }

    /// Asks whether the server is still there.
    pub(super) async fn noop(&mut self, context: &Context, server: &Server) -> Result<()> {
        let limit = context.http.policy().answer;
        let asked = timeout(limit, self.connection.command(Noop)).await;
        let answered = asked.map_err(|_| server.silent(limit))?;
        answered.map_err(|error| server.told(&error, Stage::Greeting, Kind::Unavailable))?;
        Ok(())
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.connection.is_encrypted()
    }

    pub(super) const fn largest(&self) -> Option<usize> {
        self.largest
    }

    /// Says good-bye.
    pub(super) async fn quit(mut self) {
        let _ = timeout(Duration::from_secs(5), self.connection.quit()).await;
    }

    /// Hands a mail over; gives what the server said to it.
    pub(super) async fn send(
        &mut self,
        context: &Context,
        server: &Server,
        envelope: &Envelope,
        mime: &[u8],
    ) -> Result<String, Failed> {
        let limit = context.http.policy().answer;
        let mut plain = false;
        loop {
            match self.envelope(limit, server, envelope, mime, plain).await {
                // The server does not know what it said it knows.
                Err(Failed::Not {
                    error, usable: true, ..
                }) if !plain && error.code.as_deref().is_some_and(|code| code.starts_with("555")) => {
                    plain = true
                }
                other => {
                    other?;
                    break;
                }
            }
        }
        self.content(limit, server, mime).await
    }

    /// Sender, recipient, and that the mail may come.
    async fn envelope(
        &mut self,
        limit: Duration,
        server: &Server,
        envelope: &Envelope,
        mime: &[u8],
        plain: bool,
    ) -> Result<(), Failed> {
        if let Some(largest) = self.largest.filter(|largest| mime.len() > *largest) {
            return Err(Failed::Not {
                error: Error::refused(format!(
                    "the mail has {} bytes, and {} takes {largest}",
                    mime.len(),
                    server.name()
                )),
                usable: true,
                stale: false,
            });
        }
        let (sender, recipient) = self.parameters(server, envelope, mime, plain)?;
        let mail = Mail::new(Some(envelope.from.clone()), sender);
        let first = self.ask(limit, server, mail, Stage::Sender).await;
        first.map_err(|failed| match failed {
            // It was told before anything of this mail was said.
            Failed::Not { error, usable, .. } => Failed::Not {
                stale: !usable || error.kind == Kind::Throttled,
                error,
                usable,
            },
            unknown @ Failed::Unknown(_) => unknown,
        })?;
        self.ask(
            limit,
            server,
            Rcpt::new(envelope.to.clone(), recipient),
            Stage::Recipient,
        )
        .await?;
        let answer = self.ask(limit, server, Data, Stage::Content).await?;
        if !answer.has_code(354) {
            return Err(Failed::broken(Error::malformed(format!(
                "{} answered {} to DATA",
                server.name(),
                answer.code()
            ))));
        }
        Ok(())
    }

    fn parameters(
        &self,
        server: &Server,
        envelope: &Envelope,
        mime: &[u8],
        plain: bool,
    ) -> Result<(Vec<MailParameter>, Vec<RcptParameter>), Failed> {
        let info = self.connection.server_info();
        let mut sender = Vec::new();
        let mut recipient = Vec::new();
        if !mime.is_ascii() || !envelope.is_ascii() {
            // Only an address makes a mail so.
            if !info.supports_feature(Extension::SmtpUtfEight) {
                return Err(Failed::Not {
                    error: Error::new(
                        Kind::Recipient(RecipientFault::NoRoute),
                        format!(
                            "{} takes no addresses with other letters than ASCII",
                            server.name()
                        ),
                    ),
                    usable: true,
                    stale: false,
                });
            }
            sender.push(MailParameter::SmtpUtfEight);
            sender.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        if plain {
            return Ok((sender, recipient));
        }
        if self.sizes {
            sender.push(MailParameter::Size(mime.len()));
        }
        if self.reports {
            let other = |keyword: &str, value: &str| MailParameter::Other {
                keyword: keyword.to_owned(),
                value: Some(value.to_owned()),
            };
            sender.push(other("RET", "HDRS"));
            sender.push(other("ENVID", &envelope.id));
            recipient.push(RcptParameter::Other {
                keyword: "NOTIFY".to_owned(),
                value: Some("FAILURE,DELAY".to_owned()),
            });
        }
        Ok((sender, recipient))
    }

    /// A command before the mail itself: whatever goes wrong, nothing was taken.
    async fn ask(
        &mut self,
        limit: Duration,
        server: &Server,
        command: impl std::fmt::Display,
        stage: Stage,
    ) -> Result<Response, Failed> {
        let Ok(asked) = timeout(limit, self.connection.command(command)).await else {
            return Err(Failed::broken(server.silent(limit)));
        };
        let error = match asked {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let code = error.status().map(u16::from);
        let error = server.told(&error, stage, Kind::Cut);
        // 421 says that the server hangs up.
        let usable = code.is_some_and(|code| code != 421)
            && matches!(timeout(limit, self.connection.command(Rset)).await, Ok(Ok(_)));
        Err(Failed::Not {
            error,
            usable,
            stale: false,
        })
    }

    /// The mail itself. Before its last line is written nothing can be taken; after that only a reply tells.
    async fn content(&mut self, limit: Duration, server: &Server, mime: &[u8]) -> Result<String, Failed> {
        let is_written = AtomicBool::new(false);
        // The end of the pieces is asked for when the last of them is written, and before the final dot.
        let mut pieces = mime.chunks(64 << 10);
        let pieces = iter::from_fn(|| {
            let next = pieces.next();
            is_written.store(next.is_none(), Ordering::Relaxed);
            next
        });
        let limit = limit * FINAL_PATIENCE;
        let sent = timeout(limit, self.connection.message_iter(pieces)).await;
        let is_written = is_written.load(Ordering::Relaxed);
        let Ok(answered) = sent else {
            let error = server.silent(limit);
            return Err(if is_written {
                Failed::Unknown(error.message)
            } else {
                Failed::broken(error)
            });
        };
        let error = match answered {
            Ok(answer) if answer.code().severity == Severity::PositiveCompletion => {
                self.sent += 1;
                return Ok(answer.message().collect::<Vec<_>>().join(" "));
            }
            Ok(answer) => {
                let text = format!("{} answered {} to the mail", server.name(), answer.code());
                return Err(Failed::Unknown(text));
            }
            Err(error) => error,
        };
        let code = error.status().map(u16::from);
        let told = server.told(&error, Stage::Content, Kind::Cut);
        match code {
            Some(code) => Err(Failed::Not {
                error: told,
                usable: code != 421,
                stale: false,
            }),
            None if is_written => Err(Failed::Unknown(told.message)),
            None => Err(Failed::broken(told)),
        }
    }
}

impl Server {
    fn silent(&self, limit: Duration) -> Error {
        Error::new(
            Kind::TimedOut,
            format!("no answer from {} within {} s", self.name(), limit.as_secs_f64()),
        )
    }

    /// What went wrong; `broken` where the connection broke.
    fn told(&self, error: &SmtpError, stage: Stage, broken: Kind) -> Error {
        let name = self.name();
        if let Some(code) = error.status() {
            let text = error.source().map(ToString::to_string).unwrap_or_default();
            let enhanced = mail::enhanced(&text);
            let verdict = mail::verdict(Some(u16::from(code)), enhanced, stage, &text);
            let code = match text.split_whitespace().next().filter(|_| enhanced.is_some()) {
                Some(word) => format!("{code} {word}"),
                None => code.to_string(),
            };
            let text = if text.is_empty() {
                "nothing else".to_owned()
            } else {
                text
            };
            return Error::new(verdict.kind, format!("{name} said: {text}"))
                .retry(verdict.retry)
                .code(code);
        }
        let text = error.to_string();
        if error.is_client() || error.is_tls() {
            return Error::new(Kind::Settings, format!("{name}: {text}"));
        }
        if let Some(certificate) = certificate_fault(error) {
            return Error::new(
                Kind::Settings,
                format!("the certificate of {name} is not accepted: {certificate}"),
            );
        }
        let is_of_tls = causes(error).iter().any(|cause| cause.is::<rustls::Error>());
        let is_unreadable = if error.is_response() {
            // That is what an end within an answer is called.
            !text.ends_with("incomplete response")
        } else {
            !is_of_tls && io_kind(error) == Some(io::ErrorKind::InvalidData)
        };
        if is_unreadable {
            return Error::malformed(format!("what {name} answered is not SMTP"));
        }
        Error::new(broken, format!("the connection to {name} broke: {text}"))
    }
}

fn causes(error: &SmtpError) -> Vec<&(dyn StdError + 'static)> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause);
        // What is wrapped into an error of input or output is not its source.
        next = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    causes
}

fn io_kind(error: &SmtpError) -> Option<io::ErrorKind> {
    let causes = causes(error);
    causes
        .iter()
        .find_map(|cause| cause.downcast_ref::<io::Error>())
        .map(io::Error::kind)
}

fn certificate_fault(error: &SmtpError) -> Option<String> {
    causes(error)
        .iter()
        .find_map(|cause| match cause.downcast_ref::<rustls::Error>()? {
            fault @ rustls::Error::InvalidCertificate(_) => Some(fault.to_string()),
            _ => None,
        })
}
