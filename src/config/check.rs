//! Checks of single values: each failure says what is wrong and how to mend it.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use phonenumber::country;
use tracing_subscriber::EnvFilter;
use url::Url;

use entity::Safelist;

use super::LogFormat;
use super::secret::{SecretUrl, is_postgres};

/// Why a value does not fit, and what would.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) what: String,
    pub(super) hint: String,
}

pub(super) fn problem(what: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem {
        what: what.into(),
        hint: hint.into(),
    }
}

pub(super) type Checked<T> = Result<T, Problem>;

pub(super) fn present(text: &str) -> Checked<String> {
    if text.trim().is_empty() {
        Err(problem("it is empty", "give it a value or leave it out"))
    } else {
        Ok(text.to_owned())
    }
}

pub(super) fn boolean(text: &str) -> Checked<bool> {
    match text.trim() {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(problem(
            format!("`{other}` is neither true nor false"),
            "write `true` or `false`",
        )),
    }
}

pub(super) fn number(text: &str, range: RangeInclusive<u64>) -> Checked<u64> {
    let (low, high) = (range.start(), range.end());
    let hint = format!("write a whole number from {low} to {high}");
    match text.trim().parse::<u64>() {
        Ok(value) if range.contains(&value) => Ok(value),
        Ok(value) => Err(problem(format!("{value} is out of range"), hint)),
        Err(_) => Err(problem(format!("`{text}` is not a whole number"), hint)),
    }
}

/// A number of bytes, with `KiB`, `MiB` or `GiB` or nothing behind it.
pub(super) fn bytes(text: &str) -> Checked<u64> {
    let trimmed = text.trim();
    let (digits, factor) = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)]
        .into_iter()
        .find_map(|(unit, factor)| Some((trimmed.strip_suffix(unit)?.trim_end(), factor)))
        .unwrap_or((trimmed, 1_u64));
    digits
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(factor))
        .filter(|count| (1..=1 << 40).contains(count))
        .ok_or_else(|| {
            problem(
                format!("`{text}` is not a size from 1 byte to 1024 GiB"),
                "write bytes, such as 536870912, or a number with KiB, MiB or GiB, such as 512MiB",
            )
        })
}

/// The size of a request, which is held in memory.
pub(super) fn request_bytes(text: &str) -> Checked<usize> {
    let most = 64 << 20;
    match usize::try_from(bytes(text)?) {
        Ok(size) if size <= most => Ok(size),
        _ => Err(problem(
            format!("`{text}` is more than 64 MiB, and requests are held in memory"),
            "write a size up to 64MiB; files belong to /uploads",
        )),
    }
}

pub(super) fn address(text: &str) -> Checked<SocketAddr> {
    text.trim().parse().map_err(|_| {
        problem(
            format!("`{text}` is not an IP address with a port"),
            "write ADDRESS:PORT, such as 127.0.0.1:8080, or 0.0.0.0:8080 for all interfaces",
        )
    })
}

pub(super) fn database_url(text: &str) -> Checked<SecretUrl> {
    let url = SecretUrl::new(text.trim());
    let scheme = url.scheme();
    if is_postgres(&scheme) {
        return postgres_url(url);
    }
    if scheme != "sqlite" {
        let what = if scheme.is_empty() || !text.contains("://") {
            "this is not a database address".to_owned()
        } else {
            format!("a database of the kind `{scheme}` is not supported")
        };
        return Err(problem(
            what,
            "write `sqlite:FILE` or `postgres://USER:PASSWORD@HOST/NAME`",
        ));
    }
    let file = text.trim()["sqlite:".len()..]
        .split('?')
        .next()
        .unwrap_or_default()
        .trim_start_matches("//");
    if file.is_empty() || file.contains(":memory:") {
        return Err(problem(
            "the SQLite address names no file",
            "write `sqlite:FILE`; an in-memory database would lose everything at exit",
        ));
    }
    Ok(url)
}

/// An address of a PostgreSQL server.
pub(super) fn replica_url(text: &str) -> Checked<SecretUrl> {
    let url = SecretUrl::new(text.trim());
    if is_postgres(&url.scheme()) {
        return postgres_url(url);
    }
    Err(problem(
        "a replica must be PostgreSQL",
        "write `postgres://USER:PASSWORD@HOST/NAME`, or leave it out",
    ))
}

fn postgres_url(url: SecretUrl) -> Checked<SecretUrl> {
    match Url::parse(url.expose()) {
        Ok(_) => Ok(url),
        Err(error) => Err(problem(
            format!("the PostgreSQL address cannot be read: {error}"),
            "write `postgres://USER:PASSWORD@HOST:PORT/NAME`; in the password, write / as %2F, @ as %40, # as %23",
        )),
    }
}

/// An absolute address of one of the given schemes, with a host.
pub(super) fn url_of(text: &str, schemes: &[&str]) -> Checked<Url> {
    let choices = schemes
        .iter()
        .map(|scheme| format!("`{scheme}://HOST`"))
        .collect::<Vec<_>>()
        .join(" or ");
    // The text may hold a password: it is not repeated.
    match Url::parse(text.trim()) {
        Ok(url) if !schemes.contains(&url.scheme()) => Err(problem(
            format!("the scheme `{}` does not fit here", url.scheme()),
            format!("write {choices}"),
        )),
        Ok(url) if url.host_str().is_none_or(str::is_empty) => {
            Err(problem("the address names no host", format!("write {choices}")))
        }
        Ok(url) => Ok(url),
        Err(error) => Err(problem(
            format!("this is not an address: {error}"),
            format!("write {choices}"),
        )),
    }
}

pub(super) fn secret_url(text: &str, schemes: &[&str]) -> Checked<SecretUrl> {
    url_of(text, schemes)?;
    Ok(SecretUrl::new(text.trim()))
}

/// The address others reach the server under, without a slash at the end.
pub(super) fn public_url(text: &str) -> Checked<String> {
    let url = url_of(text, &["http", "https"])?;
    if url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return Err(problem(
            "only scheme, host, port and path belong here",
            "leave out user, password, `?` and `#`, such as https://leads.example.com",
        ));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

pub(super) fn log_filter(text: &str) -> Checked<String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| {
        problem(
            format!("`{text}` is not a log filter: {error}"),
            "write a level (error, warn, info, debug, trace, off), also by module as `info,leadline=debug`",
        )
    })
}

pub(super) fn log_format(text: &str) -> Checked<LogFormat> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        other => Err(problem(
            format!("unknown format `{other}`"),
            "write `text` or `json`",
        )),
    }
}

pub(super) fn safelist(text: &str) -> Checked<Safelist> {
    match text {
        "off" => Ok(Safelist::Off),
        "log" => Ok(Safelist::Log),
        "enforce" => Ok(Safelist::Enforce),
        other => Err(problem(
            format!("`{other}` is no way to treat documents"),
            "write `off`, `log` or `enforce`",
        )),
    }
}

pub(super) fn region(text: &str) -> Checked<country::Id> {
    country::Id::from_str(&text.trim().to_ascii_uppercase()).map_err(|_| {
        problem(
            format!("`{text}` is not a country with phone numbers"),
            "write the two letters of ISO 3166-1, such as DE, BR or US",
        )
    })
}

/// Origins, comma-separated: scheme, host and port, or `*`.
/// Words between commas.
pub(super) fn words(text: &str) -> Checked<Vec<String>> {
    Ok(text
        .split(',')
        .map(|word| word.trim().to_owned())
        .filter(|word| !word.is_empty())
        .collect())
}

pub(super) fn origins(text: &str) -> Checked<Vec<String>> {
    text.split(',')
        .map(str::trim)
        .filter(|origin| !origin.is_empty())
        .map(origin)
        .collect()
}

fn origin(text: &str) -> Checked<String> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    let url = url_of(text, &["http", "https"])?;
    let origin = url.origin().ascii_serialization();
    if url.as_str().trim_end_matches('/') == origin {
        return Ok(origin);
    }
    Err(problem(
        format!("`{origin}` with something behind or before it is not an origin"),
        format!("write scheme, host and port only: {origin}"),
    ))
}
