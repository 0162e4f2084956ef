//! The device that a call comes from.

/// The device in words, such as `Firefox on Linux`, as far as the user agent tells.
#[must_use]
pub fn device(user_agent: &str) -> String {
    const UNKNOWN: &str = "UNKNOWN";
    // What it says of programs; their own name says more.
    const LIBRARY: &str = "HTTP Library";
    let parsed = woothee::parser::Parser::new()
        .parse(user_agent)
        .filter(|found| found.name != LIBRARY);
    match parsed {
        Some(found) if found.name != UNKNOWN && found.os != UNKNOWN => {
            format!("{} on {}", found.name, found.os)
        }
        Some(found) if found.name != UNKNOWN => found.name.to_owned(),
        // Programs name themselves first: `curl/8.5.0`.
        _ => match user_agent.split(['/', ' ']).next() {
            None | Some("") => "unknown".to_owned(),
            Some(name) => name.chars().take(40).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        assert_eq!(device(firefox), "Firefox on Linux");
        assert_eq!(device("curl/8.5.0"), "curl");
        assert_eq!(device(""), "unknown");
    }
}
