//! Scopes: `<area>:read`, `<area>:write` (which includes reading) and `admin`.

use std::fmt;
use std::str::FromStr;

use entity::Area;

/// One permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everything, tokens and settings among it.
    Admin,
    /// To read an area.
    Read(Area),
    /// To read and change an area.
    Write(Area),
}

/// A text that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope `{given}`; one of {}", valid())]
pub struct ScopeError {
    given: String,
}

fn valid() -> String {
    let areas = Area::ALL.iter().map(|area| area.as_str().to_lowercase());
    let pairs = areas.flat_map(|area| [format!("{area}:read"), format!("{area}:write")]);
    pairs.chain(["admin".to_owned()]).collect::<Vec<_>>().join(", ")
}

impl FromStr for Scope {
    type Err = ScopeError;
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let unknown = || ScopeError {
            given: text.chars().take(48).collect(),
        };
        if text == "admin" {
            return Ok(Self::Admin);
        }
        let (area, right) = text.split_once(':').ok_or_else(unknown)?;
        let area = area.parse::<Area>().map_err(|_| unknown())?;
        match right {
            "read" => Ok(Self::Read(area)),
            "write" => Ok(Self::Write(area)),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admin => f.write_str("admin"),
            Self::Read(area) => write!(f, "{}:read", area.as_str().to_lowercase()),
            Self::Write(area) => write!(f, "{}:write", area.as_str().to_lowercase()),
        }
    }
}

/// A set of scopes, as bits: cheap to compare, to hash and to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Scopes {
    admin: bool,
    read: u32,
    write: u32,
}

impl Scopes {
    /// Everything.
    #[must_use]
    pub const fn admin() -> Self {
        Self {
            admin: true,
            read: 0,
            write: 0,
        }
    }

    /// Whether it allows what a scope allows.
    #[must_use]
    pub const fn allows(self, scope: Scope) -> bool {
        self.admin
            || match scope {
                Scope::Admin => false,
                Scope::Read(area) => (self.read | self.write) & (1 << area.index()) != 0,
                Scope::Write(area) => self.write & (1 << area.index()) != 0,
            }
    }

    /// Whether it allows all that another set allows.
    #[must_use]
    pub const fn includes(self, other: Self) -> bool {
        self.admin
            || (!other.admin && other.write & !self.write == 0 && other.read & !(self.read | self.write) == 0)
    }

    /// What both allow.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        match (self.admin, other.admin) {
            (true, _) => other,
            (_, true) => self,
            (false, false) => {
                let write = self.write & other.write;
                let read = (self.read | self.write) & (other.read | other.write);
                Self {
                    admin: false,
                    read: read & !write,
                    write,
                }
            }
        }
    }

    /// The names of its scopes, without those that others include.
    #[must_use]
    pub fn names(self) -> Vec<String> {
        let mut names = Vec::new();
        if self.admin {
            names.push(Scope::Admin.to_string());
        }
        for area in Area::ALL {
            if self.write & (1 << area.index()) != 0 {
                names.push(Scope::Write(*area).to_string());
            } else if self.read & (1 << area.index()) != 0 {
                names.push(Scope::Read(*area).to_string());
            }
        }
        names
    }

    /// Reads scopes separated by spaces or commas.
    ///
    /// # Errors
    /// The first unknown scope, with the valid ones.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        text.split([' ', ','])
            .filter(|part| !part.is_empty())
            .map(str::parse)
            .collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut set = Self::default();
        for scope in scopes {
            match scope {
                Scope::Admin => set.admin = true,
                Scope::Read(area) => set.read |= 1 << area.index(),
                Scope::Write(area) => set.write |= 1 << area.index(),
            }
        }
        set
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names();
        f.write_str(&if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(" ")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_includes_read_and_admin_everything() {
        let scopes = Scopes::parse("leads:write scoring:read").expect("valid");
        assert!(scopes.allows(Scope::Read(Area::Leads)));
        assert!(scopes.allows(Scope::Read(Area::Scoring)));
        assert!(!scopes.allows(Scope::Write(Area::Scoring)));
        assert!(!scopes.allows(Scope::Admin));
        assert!(Scopes::admin().allows(Scope::Write(Area::Jobs)));
        assert_eq!(scopes.to_string(), "leads:write scoring:read");
        assert_eq!(Scopes::parse(&scopes.to_string()), Ok(scopes));
    }

    #[test]
    fn sets_are_compared_by_what_they_allow() {
        let of = |text| Scopes::parse(text).expect("valid");
        assert!(Scopes::admin().includes(of("leads:write")));
        assert!(!of("leads:write").includes(Scopes::admin()));
        assert!(of("leads:write").includes(of("leads:read")));
        assert!(!of("leads:read").includes(of("leads:write")));
        assert!(!of("leads:write").includes(of("jobs:read")));
        assert!(of("leads:read").includes(Scopes::default()));
        assert_eq!(
            of("leads:write jobs:read").intersection(of("leads:read jobs:write")),
            of("leads:read jobs:read")
        );
        assert_eq!(Scopes::admin().intersection(of("jobs:write")), of("jobs:write"));
        assert_eq!(
            of("leads:write").intersection(of("jobs:write")),
            Scopes::default()
        );
    }

    #[test]
    fn an_unknown_scope_lists_the_valid_ones() {
        let error = Scopes::parse("leads:delete")
            .expect_err("no such scope")
            .to_string();
        assert!(
            error.starts_with("unknown scope `leads:delete`; one of leads:read, leads:write"),
            "{error}"
        );
    }
}
