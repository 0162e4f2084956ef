//! `leadline token`: makes, lists and revokes API tokens.

use clap::Subcommand;
use entity::Timestamp;
use entity::api_token;
use entity::id::TokenId;

use super::failure::Failure;
use super::output::{moment, print, table};
use super::runtime::with_app;
use crate::config::Settings;
use crate::identity::{Caller, Rows, create_filtered_token, list_tokens, revoke_token};
use crate::leads::visible::row_filter;

/// Make, list and revoke API tokens
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token and print it, alone on standard output; it is never shown again
    Create {
        /// What it is for, to tell it from others
        #[arg(long)]
        name: String,
        /// What it may do: `admin`, or an area such as `leads:read`, `leads:write`
        #[arg(long, required = true, num_args = 1.., value_name = "SCOPE")]
        scope: Vec<String>,
        /// Which leads it shows, with all that hangs on them: a lead filter as in GraphQL, such as
        /// '{"source":{"eq":"partner-x"}}'; all of them when left out
        #[arg(long, value_name = "JSON")]
        rows: Option<String>,
        /// How long it lasts: a number and one of s, m, h, d, w, such as 30d; for ever when left out
        #[arg(long, value_name = "DURATION", value_parser = seconds)]
        expires_in: Option<i64>,
    },
    /// List all tokens without their secrets, newest first
    List,
    /// Revoke a token at once: requests are refused and its sockets closed
    Revoke {
        /// Its id, `token_…`, as `leadline token list` shows it
        id: String,
    },
}

pub(super) fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    with_app(settings, async |app| {
        let operator = Caller::operator();
        let now = app.clock().now();
        match arguments.action {
            Action::Create {
                name,
                scope,
                rows,
                expires_in,
            } => {
                let rows = match rows {
                    Some(json) => Rows::Where(row_filter(app, &json).await?),
                    None => Rows::All,
                };
                let expires_at = expires_in.map(|seconds| now.plus_seconds(seconds));
                let created = create_filtered_token(app, &operator, &name, &scope, rows, expires_at).await?;
                let token = &created.token;
                let until =
                    expires_at.map_or_else(|| "for ever".to_owned(), |at| format!("until {}", moment(at)));
                eprintln!(
                    "token `{}` ({}), scopes: {}; valid {until}. It is shown only now.",
                    token.name, token.id, token.scopes
                );
                print(&format!("{}\n", created.secret))
            }
            Action::List => print(&listed(&list_tokens(app, &operator).await?, now)),
            Action::Revoke { id } => {
                let id = TokenId::parse(&id).map_err(|error| {
                    Failure::usage(error.to_string()).with_hint("`leadline token list` shows the ids")
                })?;
                let token = revoke_token(app, &operator, id).await?;
                print(&format!("revoked token `{}` ({id})\n", token.name))
            }
        }
    })
}

/// Reads `30d` as seconds.
fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || "a duration is a number and one of s, m, h, d, w, such as 30d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(wrong()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    match i64::from(number) * factor {
        1..=3_155_760_000 => Ok(i64::from(number) * factor),
        _ => Err("a duration is between 1s and 100 years".to_owned()),
    }
}

fn listed(tokens: &[api_token::Model], now: Timestamp) -> String {
    if tokens.is_empty() {
        return "there are no tokens; make one by `leadline token create`\n".to_owned();
    }
    let state = |token: &api_token::Model| match (token.revoked_at, token.expires_at) {
        (Some(at), _) => format!("revoked {}", moment(at)),
        (None, Some(at)) if at <= now => format!("expired {}", moment(at)),
        (None, Some(at)) => format!("valid until {}", moment(at)),
        (None, None) => "valid".to_owned(),
    };
    let rows: Vec<[String; 7]> = tokens
        .iter()
        .map(|token| {
            [
                token.id.to_string(),
                token.name.clone(),
                format!("{}…", token.hint),
                state(token),
                token.last_used_at.map_or_else(|| "never".to_owned(), moment),
                token.scopes.clone(),
                token.row_filter.clone().unwrap_or_else(|| "all".to_owned()),
            ]
        })
        .collect();
    table(
        ["ID", "NAME", "TOKEN", "STATE", "LAST USED", "SCOPES", "ROWS"],
        &rows,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(seconds("30d"), Ok(2_592_000));
        assert_eq!(seconds("1s"), Ok(1));
        assert_eq!(seconds("2w"), Ok(1_209_600));
        for wrong in ["", "30", "d", "1y", "-1d", "0h", "4294967295w", "3é"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
