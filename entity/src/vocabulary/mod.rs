//! The closed lists of words: one list for the database (text), JSON and GraphQL (SCREAMING_CASE).

macro_rules! vocabulary {
    ($($(#[$doc:meta])* $name:ident ($what:literal) { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            sea_orm::EnumIter, sea_orm::DeriveActiveEnum, async_graphql::Enum,
            serde::Serialize, serde::Deserialize,
        )]
        #[sea_orm(rs_type = "String", db_type = "Text")]
        pub enum $name {
            $($(#[$vdoc])* #[sea_orm(string_value = $text)] #[serde(rename = $text)] #[graphql(name = $text)] $variant,)*
        }

        impl $name {
            /// All words, in their order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word as it is stored and shown.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// Its place in [`Self::ALL`].
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownWord;
            /// Reads the word in any case, with spaces or hyphens for underscores.
            fn from_str(text: &str) -> Result<Self, $crate::UnknownWord> {
                let same = |word: &str| {
                    let text = text.trim().as_bytes();
                    text.len() == word.len()
                        && text.iter().zip(word.bytes()).all(|(a, b)| {
                            let a = if matches!(a, b' ' | b'-') { b'_' } else { a.to_ascii_uppercase() };
                            a == b
                        })
                };
                match () {
                    $(() if same($text) => Ok(Self::$variant),)*
                    () => Err($crate::UnknownWord {
                        what: $what,
                        given: text.chars().take(48).collect(),
                        valid: &[$($text),*],
                    }),
                }
            }
        }
    )*};
}

/// A word that is not in its list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{given}`; one of {}", valid.join(", "))]
pub struct UnknownWord {
    /// Which list.
    pub what: &'static str,
    /// What was given, shortened.
    pub given: String,
    /// The list.
    pub valid: &'static [&'static str],
}

// After the macro, which they use.
mod events;
mod identity;
mod insight;
mod leads;
mod outreach;
mod platforms;

pub use events::*;
pub use identity::*;
pub use insight::*;
pub use leads::*;
pub use outreach::*;
pub use platforms::*;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_any_case_and_an_unknown_one_lists_the_valid_ones() {
        assert_eq!("in person".parse(), Ok(Channel::InPerson));
        assert_eq!("email-opened".parse(), Ok(EngagementType::EmailOpened));
        let error = "fax".parse::<Device>().expect_err("no such device").to_string();
        assert_eq!(
            error,
            "unknown device `fax`; one of DESKTOP, MOBILE, TABLET, OTHER"
        );
        assert_eq!(EngagementType::ALL.len(), 27);
        for stage in Stage::ALL {
            assert_eq!(Stage::ALL[stage.index()], *stage);
        }
    }
}
