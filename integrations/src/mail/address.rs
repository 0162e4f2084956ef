//! Addresses.

use lettre::Address;
use lettre::message::Mailbox;
use url::Host;

/// Reads an address with or without a name: `sam@example.org`, `Sam <sam@example.org>`, `"Lee, Sam" <sam@example.org>`. Its
/// domain becomes ASCII, as mail servers know it.
///
/// # Errors
/// Why it is none.
pub fn mailbox(text: &str) -> Result<Mailbox, String> {
    if text.chars().any(char::is_control) {
        return Err("it has a line break or another control character".to_owned());
    }
    let text = text.trim();
    let (name, address) = match text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((name, address)) => (unquoted(name.trim()), address.trim()),
        None => (String::new(), text),
    };
    let name = squeezed(&name);
    let (local, domain) = address
        .rsplit_once('@')
        .ok_or_else(|| "an address is like `name@example.org`".to_owned())?;
    let domain = match Host::parse(domain) {
        Ok(Host::Domain(ascii)) => ascii,
        _ if domain.starts_with('[') => domain.to_owned(),
        _ => return Err("what stands behind the @ is not a domain".to_owned()),
    };
    let address = Address::new(local, &domain).map_err(|error| error.to_string().to_lowercase())?;
    Ok(Mailbox::new((!name.is_empty()).then_some(name), address))
}

/// A text with one space where there are more: between encoded words they are lost, and a line of them alone would look like
/// the end of the header.
pub(super) fn squeezed(text: &str) -> String {
    let words = text.split([' ', '\t']).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

fn unquoted(name: &str) -> String {
    let Some(inner) = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) else {
        return name.to_owned();
    };
    let mut plain = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_names() {
        let cases = [
            ("sam@example.org", None, "sam@example.org"),
            (" Sam <sam@example.org> ", Some("Sam"), "sam@example.org"),
            (
                "\"Lee,  \\\"S\\\" \" <s@example.org>",
                Some("Lee, \"S\""),
                "s@example.org",
            ),
            ("Lee, Sam <s@example.org>", Some("Lee, Sam"), "s@example.org"),
            (
                "Jürgen <juergen@bücher.example>",
                Some("Jürgen"),
                "juergen@xn--bcher-kva.example",
            ),
            ("jürgen@Example.ORG", None, "jürgen@example.org"),
            ("<a+b@example.org>", None, "a+b@example.org"),
        ];
        for (text, name, address) in cases {
            let read = mailbox(text).unwrap();
            assert_eq!(
                (read.name.as_deref(), read.email.to_string()),
                (name, address.to_owned())
            );
        }
    }

    #[test]
    fn what_is_no_address_is_told() {
        for text in [
            "",
            "sam",
            "@example.org",
            "sam@",
            "sam@exa mple.org",
            "a b@example.org",
            "sam@example.org\r\nBcc: x@example.org",
            "Sam\nX: y <sam@example.org>",
            "sam@example.org>, <x@example.org",
            "a@example.org, b@example.org",
        ] {
            assert!(mailbox(text).is_err(), "{text}");
        }
    }
}
