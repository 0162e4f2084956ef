//! One connection to the sandbox: commands and replies.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};

use super::{HeldMail, LARGEST, PASSWORD, SmtpSandbox, USER};
use crate::sandbox::{Failure, Faults};

/// What a command line may have, its end included.
const LONGEST_COMMAND: usize = 512;
/// What a line of a mail may have, its end included.
const LONGEST_LINE: usize = 1_000;

const TOO_LONG: &str = "500 5.5.2 line too long";
const BAD_SEQUENCE: &str = "503 5.5.1 bad sequence of commands";
const SIGN_IN_FIRST: &str = "530 5.7.0 authentication required";
const BAD_CREDENTIALS: &str = "535 5.7.8 authentication credentials invalid";

/// What is known of a connection.
#[derive(Default)]
struct Talk {
    greeted: bool,
    signed_in: bool,
    from: Option<String>,
    parameters: String,
    to: Vec<String>,
}

impl Talk {
    fn reset(&mut self) {
        self.from = None;
        self.parameters.clear();
        self.to.clear();
    }

    fn has(&self, parameter: &str) -> bool {
        self.parameters
            .split(' ')
            .any(|given| given.eq_ignore_ascii_case(parameter))
    }
}

/// What an ordered failure leaves to be done.
enum Struck {
    /// What is usual.
    Nothing,
    /// This is answered instead.
    Reply(&'static str),
    /// This is answered instead, and the connection ended.
    Last(&'static str),
    /// What is usual, but the answer breaks off.
    Broken,
    /// The connection ends at once.
    Cut,
}

async fn strike(faults: &Faults, command: &str) -> Struck {
    match faults.take(command) {
        None | Some(Failure::BodyError) => Struck::Nothing,
        Some(Failure::Unauthorised) => Struck::Reply(BAD_CREDENTIALS),
        Some(Failure::Throttled { .. }) => Struck::Last("421 4.7.0 too much at once, closing the connection"),
        Some(Failure::ServerError) => Struck::Reply("451 4.3.0 local error in processing"),
        Some(Failure::Malformed) => Struck::Reply("what a fine day it is"),
        Some(Failure::Cut) => Struck::Cut,
        Some(Failure::CutWithin) => Struck::Broken,
        Some(Failure::Slow(time)) => {
            tokio::time::sleep(time).await;
            Struck::Nothing
        }
    }
}

impl SmtpSandbox {
    /// Speaks SMTP until the other side ends it.
    pub(super) async fn converse(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send,
        faults: &Faults,
    ) -> io::Result<()> {
        let (reading, mut writing) = tokio::io::split(stream);
        let mut reading = BufReader::new(Box::pin(reading));
        let mut talk = Talk::default();
        let mut reply = "220 sandbox.example ESMTP".to_owned();
        let mut command = "CONNECT".to_owned();
        let mut line = Vec::new();
        loop {
            match strike(faults, &command).await {
                Struck::Cut => return Ok(()),
                Struck::Broken => {
                    reply.truncate(reply.len() / 2);
                    return writing.write_all(reply.as_bytes()).await;
                }
                Struck::Last(text) => return writing.write_all(format!("{text}\r\n").as_bytes()).await,
                Struck::Reply(text) => {
                    // What it said before it failed does not count.
                    talk.undo(&command);
                    text.clone_into(&mut reply);
                }
                Struck::Nothing => {}
            }
            reply.push_str("\r\n");
            writing.write_all(reply.as_bytes()).await?;
            if command == "QUIT" {
                return Ok(());
            }
            if command == "DATA" && reply.starts_with("354") {
                let received = data(&mut reading).await?;
                match strike(faults, "DOT").await {
                    Struck::Cut => return Ok(()),
                    Struck::Broken => {
                        self.take_in(&mut talk, received);
                        return writing.write_all(b"250 2.0").await;
                    }
                    Struck::Last(text) => {
                        return writing.write_all(format!("{text}\r\n").as_bytes()).await;
                    }
                    Struck::Reply(text) => {
                        talk.reset();
                        text.clone_into(&mut reply);
                    }
                    Struck::Nothing => reply = self.take_in(&mut talk, received),
                }
                writing.write_all(format!("{reply}\r\n").as_bytes()).await?;
            }
            line.clear();
            if reading.read_until(b'\n', &mut line).await? == 0 {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            let (verb, argument) = text.split_once(' ').unwrap_or((&text, ""));
            command = verb.to_ascii_uppercase();
            reply = if line.len() > LONGEST_COMMAND && command != "AUTH" {
                TOO_LONG.to_owned()
            } else if command == "AUTH" && talk.greeted {
                let right = sign_in(argument, &mut reading, &mut writing).await?;
                talk.signed_in = right;
                let text = if right {
                    "235 2.7.0 welcome"
                } else {
                    BAD_CREDENTIALS
                };
                text.to_owned()
            } else {
                self.obey(&mut talk, &command, argument)
            };
        }
    }

    fn obey(&self, talk: &mut Talk, command: &str, argument: &str) -> String {
        let text = match command {
            "EHLO" if argument.is_empty() => "501 5.5.4 a name is needed",
            "EHLO" => {
                talk.greeted = true;
                talk.reset();
                return [
                    "250-sandbox.example",
                    "250-PIPELINING",
                    &format!("250-SIZE {LARGEST}"),
                    "250-8BITMIME",
                    "250-ENHANCEDSTATUSCODES",
                    "250-DSN",
                    "250-SMTPUTF8",
                    "250 AUTH PLAIN LOGIN",
                ]
                .join("\r\n");
            }
            "HELO" => {
                talk.greeted = true;
                "250 sandbox.example"
            }
            "NOOP" => "250 2.0.0 still here",
            "QUIT" => "221 2.0.0 good bye",
            "RSET" => {
                talk.reset();
                "250 2.0.0 forgotten"
            }
            "MAIL" | "RCPT" | "DATA" if !talk.greeted => BAD_SEQUENCE,
            "MAIL" | "RCPT" | "DATA" if !talk.signed_in => SIGN_IN_FIRST,
            "MAIL" if talk.from.is_some() => BAD_SEQUENCE,
            "MAIL" => return mail(talk, argument),
            "RCPT" if talk.from.is_none() => BAD_SEQUENCE,
            "RCPT" => return self.recipient(talk, argument),
            "DATA" if talk.to.is_empty() => "554 5.5.1 no valid recipients",
            "DATA" => "354 end with a dot on a line by itself",
            _ => "502 5.5.1 command not implemented",
        };
        text.to_owned()
    }

    fn recipient(&self, talk: &mut Talk, argument: &str) -> String {
        let Some((address, parameters)) = path(argument, "TO:") else {
            return "501 5.1.3 bad recipient address syntax".to_owned();
        };
        if !address.is_ascii() && !talk.has("SMTPUTF8") {
            return "553 5.6.7 non-ASCII address without SMTPUTF8".to_owned();
        }
        for parameter in parameters.split_whitespace() {
            let name = parameter
                .split('=')
                .next()
                .unwrap_or_default()
                .to_ascii_uppercase();
            if !matches!(name.as_str(), "NOTIFY" | "ORCPT") {
                return format!("555 5.5.4 unsupported parameter {name}");
            }
        }
        let local = address.split('@').next().unwrap_or_default().to_lowercase();
        let refusal = match local.as_str() {
            "unknown" => "550 5.1.1 user unknown",
            "moved" => "551 5.1.6 mailbox has moved",
            "disabled" => "550 5.2.1 mailbox disabled",
            "full" => "452 4.2.2 mailbox full",
            "policy" => "550 5.7.1 message refused by policy",
            "optout" => "550 5.7.1 recipient has unsubscribed",
            "busy" => "450 4.2.1 the mailbox receives too much",
            "greylist" if self.is_first(&address) => "450 4.7.1 greylisted, come again later",
            _ => {
                talk.to.push(address);
                return "250 2.1.5 recipient ok".to_owned();
            }
        };
        refusal.to_owned()
    }

    /// Looks at a mail and keeps it, if it is in order.
    fn take_in(&self, talk: &mut Talk, received: Vec<u8>) -> String {
        let to = std::mem::take(&mut talk.to);
        let parameters = std::mem::take(&mut talk.parameters);
        let from = talk.from.take().unwrap_or_default();
        if let Some(refusal) = fault_of(&received, &parameters, &to) {
            return refusal.to_owned();
        }
        let number = self.keep(HeldMail {
            from,
            parameters,
            to,
            data: Bytes::from(received),
            at: self.clock.now(),
        });
        format!("250 2.0.0 Ok: queued as S{number:06}")
    }
}

impl Talk {
    fn undo(&mut self, command: &str) {
        match command {
            "MAIL" => self.reset(),
            "RCPT" => drop(self.to.pop()),
            "AUTH" => self.signed_in = false,
            "EHLO" | "HELO" => self.greeted = false,
            _ => {}
        }
    }
}

/// The address and the parameters of `FROM:<…> …`.
fn path(argument: &str, prefix: &str) -> Option<(String, String)> {
    let found = argument.get(..prefix.len())?;
    if !found.eq_ignore_ascii_case(prefix) {
        return None;
    }
    let rest = argument[prefix.len()..].trim_start().strip_prefix('<')?;
    let (address, parameters) = rest.split_once('>')?;
    let is_address = address.is_empty()
        || address
            .rsplit_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
            && !address.contains([' ', '<']);
    is_address.then(|| (address.to_owned(), parameters.trim().to_owned()))
}

fn mail(talk: &mut Talk, argument: &str) -> String {
    let Some((address, parameters)) = path(argument, "FROM:") else {
        return "501 5.1.7 bad sender address syntax".to_owned();
    };
    for parameter in parameters.split_whitespace() {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name.to_ascii_uppercase().as_str() {
            "SIZE" if value.parse::<usize>().is_ok_and(|size| size > LARGEST) => {
                return "552 5.3.4 message too big".to_owned();
            }
            "SIZE" | "BODY" | "SMTPUTF8" | "RET" | "ENVID" => {}
            name => return format!("555 5.5.4 unsupported parameter {name}"),
        }
    }
    if address.ends_with("@not-ours.example") {
        return "553 5.1.8 this sender is not allowed".to_owned();
    }
    talk.from = Some(address);
    talk.parameters = parameters;
    "250 2.1.0 sender ok".to_owned()
}

/// Reads a mail to its end; the dots that were doubled are single again.
async fn data(reading: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut mail = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if reading.read_until(b'\n', &mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" {
            return Ok(mail);
        }
        // What is too large is read to its end, so that it can be refused.
        if mail.len() <= LARGEST {
            mail.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }
}

async fn sign_in(
    argument: &str,
    reading: &mut (impl AsyncBufRead + Unpin),
    writing: &mut (impl AsyncWrite + Unpin),
) -> io::Result<bool> {
    let (mechanism, initial) = argument.split_once(' ').unwrap_or((argument, ""));
    let mut given = (!initial.is_empty()).then(|| initial.to_owned());
    let mut ask = async |prompt: &str| -> io::Result<Vec<u8>> {
        let text = if let Some(given) = given.take() {
            given
        } else {
            writing.write_all(format!("334 {prompt}\r\n").as_bytes()).await?;
            let mut line = String::new();
            reading.read_line(&mut line).await?;
            line
        };
        Ok(STANDARD.decode(text.trim()).unwrap_or_default())
    };
    Ok(match mechanism.to_ascii_uppercase().as_str() {
        "PLAIN" => {
            let both = ask("").await?;
            let mut parts = both.split(|byte| *byte == 0).skip(1);
            parts.next() == Some(USER.as_bytes()) && parts.next() == Some(PASSWORD.as_bytes())
        }
        "LOGIN" => {
            let user = ask("VXNlcm5hbWU6").await?;
            let password = ask("UGFzc3dvcmQ6").await?;
            user == USER.as_bytes() && password == PASSWORD.as_bytes()
        }
        _ => false,
    })
}

/// What is wrong with a mail.
fn fault_of(mail: &[u8], parameters: &str, to: &[String]) -> Option<&'static str> {
    if mail.len() > LARGEST {
        return Some("552 5.3.4 message too big");
    }
    for line in mail.split_inclusive(|byte| *byte == b'\n') {
        if line.len() > LONGEST_LINE {
            return Some("554 5.6.0 a line is longer than 1000 octets");
        }
        let inner = line.strip_suffix(b"\r\n").unwrap_or(line);
        if inner.contains(&b'\r') || inner.contains(&b'\n') {
            return Some("554 5.6.0 a line ends without CR LF");
        }
    }
    if !mail.is_ascii() && !parameters.to_ascii_uppercase().contains("BODY=8BITMIME") {
        return Some("554 5.6.1 8-bit content without BODY=8BITMIME");
    }
    let text = String::from_utf8_lossy(mail);
    let head = text
        .split_once("\r\n\r\n")
        .map_or(&*text, |(head, _)| head)
        .to_lowercase();
    for name in ["from:", "date:", "message-id:"] {
        if head.split("\r\n").filter(|line| line.starts_with(name)).count() != 1 {
            return Some("554 5.6.0 From, Date and Message-ID are needed, once each");
        }
    }
    to.iter().find_map(|address| match address.split('@').next() {
        Some("spam") => Some("554 5.7.1 message looks like spam"),
        Some("content") => Some("554 5.6.0 message content refused"),
        Some("later") => Some("451 4.3.0 try again later"),
        _ => None,
    })
}
