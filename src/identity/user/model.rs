//! What a user's fields may be.

use email_address::{EmailAddress, Options};
use url::Url;

/// An e-mail address as it is kept.
pub type Email = String;

/// What users say of themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What they are called; may be empty.
    pub name: String,
    /// The address of their picture.
    pub avatar_url: Option<String>,
    /// Their time zone (IANA name).
    pub time_zone: String,
    /// Their language (BCP 47).
    pub language: String,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            name: String::new(),
            avatar_url: None,
            time_zone: "UTC".to_owned(),
            language: "en".to_owned(),
        }
    }
}

/// The address in the form in which it is kept and compared.
///
/// # Errors
/// What is wrong.
pub fn checked_email(text: &str) -> Result<Email, String> {
    let text = text.trim();
    if text.len() > 254
        || EmailAddress::parse_with_options(text, Options::default().without_display_text()).is_err()
    {
        let shown: String = text.chars().take(60).collect();
        return Err(format!("`{shown}` is not an e-mail address"));
    }
    Ok(text.to_lowercase())
}

/// A profile as it is kept, or for each wrong field its name and what is wrong.
///
/// # Errors
/// The fields that do not fit.
pub fn checked_profile(profile: Profile) -> Result<Profile, Vec<(&'static str, String)>> {
    let Profile {
        name,
        avatar_url,
        time_zone,
        language,
    } = profile;
    let mut wrong = Vec::new();
    let name = name.trim().to_owned();
    if name.chars().count() > 100 || name.chars().any(char::is_control) {
        wrong.push(("name", "a name has up to 100 characters, in one line".to_owned()));
    }
    let avatar_url = avatar_url
        .map(|url| url.trim().to_owned())
        .filter(|url| !url.is_empty());
    if let Some(url) = &avatar_url {
        let fits = Url::parse(url).is_ok_and(|url| url.scheme() == "https" && url.has_host());
        if !fits || url.len() > 1_000 {
            wrong.push((
                "avatarUrl",
                "the picture's address begins with https:// and has up to 1,000 characters".to_owned(),
            ));
        }
    }
    if time_zone.parse::<chrono_tz::Tz>().is_err() {
        wrong.push((
            "timeZone",
            format!("unknown time zone `{time_zone}`; e.g. Europe/Berlin or America/Sao_Paulo"),
        ));
    }
    if !is_language(&language) {
        wrong.push((
            "language",
            format!("`{language}` is not a language tag; e.g. en, de or pt-BR"),
        ));
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(Profile {
        name,
        avatar_url,
        time_zone,
        language,
    })
}

/// The shape of BCP 47: a language of two or three letters, then parts of up to eight letters and digits.
fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let first = parts.next().unwrap_or_default();
    tag.len() <= 35
        && (2..=3).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_kept_in_lower_case() {
        assert_eq!(
            checked_email(" Ada@Example.COM "),
            Ok("ada@example.com".to_owned())
        );
        for wrong in ["", "ada", "ada@", "@example.com", "a b@example.com"] {
            assert!(checked_email(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_wrong_field_of_a_profile_is_named() {
        let wrong = checked_profile(Profile {
            name: "x".repeat(101),
            avatar_url: Some("javascript:alert(1)".to_owned()),
            time_zone: "Mars".to_owned(),
            language: "english please".to_owned(),
        });
        let fields: Vec<_> = wrong
            .expect_err("all wrong")
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        assert_eq!(fields, ["name", "avatarUrl", "timeZone", "language"]);
        let fine = Profile {
            name: " Ada ".to_owned(),
            avatar_url: Some(String::new()),
            time_zone: "Europe/London".to_owned(),
            language: "en-GB".to_owned(),
        };
        let kept = checked_profile(fine).expect("fits");
        assert_eq!((kept.name.as_str(), kept.avatar_url), ("Ada", None));
    }
}
