//! Identities as they are given.

use entity::IdentityKind;

use super::Identity;
use crate::leads::contact::{normalise_email, normalise_phone};

impl Identity {
    /// An identity as it is given, brought into the form in which identities are compared. What cannot be (a malformed
    /// address, say) stays as it is: no lead is known by it.
    #[must_use]
    pub fn given(kind: IdentityKind, namespace: &str, value: &str) -> Self {
        let value = value.trim();
        let (namespace, normal) = match kind {
            IdentityKind::Email => (String::new(), normalise_email(value).ok()),
            IdentityKind::Phone => (String::new(), normalise_phone(value, None).ok()),
            IdentityKind::External => (namespace.trim().to_lowercase(), None),
        };
        Self {
            kind,
            namespace,
            value: normal.unwrap_or_else(|| value.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_compared_in_one_form() {
        let email = Identity::given(IdentityKind::Email, "x", " Ada@Example.COM ");
        assert_eq!(email.to_string(), "e-mail `ada@example.com`");
        let phone = Identity::given(IdentityKind::Phone, "", "+49 (1511) 234-5678");
        assert_eq!(phone.to_string(), "phone number `+4915112345678`");
        let outside = Identity::given(IdentityKind::External, "CRM", " A-1");
        assert_eq!(outside.to_string(), "external id `crm`/`A-1`");
    }
}
