//! The platforms of a process.

use std::collections::BTreeMap;

use crate::Integration;

/// The platforms that a process offers, by key: all, minus what its settings switch off.
pub struct Registry(BTreeMap<&'static str, Box<dyn Integration>>);

impl Registry {
    /// Takes the platforms of a list but for those whose keys are switched off.
    ///
    /// # Errors
    /// The first key that is switched off and is not in the list: it is misspelt.
    ///
    /// # Panics
    /// When two platforms have the same key: a fault of the list.
    pub fn new(list: Vec<Box<dyn Integration>>, off: &[String]) -> Result<Self, UnknownKey> {
        let mut found = BTreeMap::new();
        for integration in list {
            let key = integration.manifest().key;
            assert!(
                found.insert(key, integration).is_none(),
                "two platforms are called `{key}`"
            );
        }
        for key in off {
            if found.remove(key.as_str()).is_none() {
                let known = found.keys().copied().collect::<Vec<_>>().join(", ");
                return Err(UnknownKey {
                    key: key.clone(),
                    known,
                });
            }
        }
        Ok(Self(found))
    }

    /// The platform of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&dyn Integration> {
        self.0.get(key).map(AsRef::as_ref)
    }

    /// All of them, by key.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Integration> {
        self.0.values().map(AsRef::as_ref)
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A platform was switched off that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown platform `{key}`; one of {known}")]
pub struct UnknownKey {
    /// What was asked for.
    pub key: String,
    /// What there is.
    pub known: String,
}
