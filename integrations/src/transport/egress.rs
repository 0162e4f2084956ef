//! Where requests may go. An owner of a connection can name addresses; the machine's own network is not theirs to ask.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::{Error, Kind, Result};

/// Where requests may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Egress {
    /// To public addresses alone.
    Public,
    /// Also to private ones and the machine itself: sandboxes, relays and models of one's own.
    Anywhere,
}

impl Egress {
    /// Whether an address may be connected to.
    #[must_use]
    pub fn allows(self, address: IpAddr) -> bool {
        self == Self::Anywhere || is_public(address)
    }

    /// Whether a host may be connected to.
    ///
    /// # Errors
    /// [`Kind::Settings`] when it may not, [`Kind::Unreachable`] when it has no address.
    pub async fn check(self, host: &str, port: u16) -> Result<()> {
        self.addresses(host, port).await.map(drop)
    }

    /// The addresses of a host, all of which may be connected to; never none.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub async fn addresses(self, host: &str, port: u16) -> Result<Vec<SocketAddr>> {
        let found: Vec<_> = tokio::net::lookup_host((host, port))
            .await
            .map_err(|error| Error::new(Kind::Unreachable, format!("`{host}` has no address: {error}")))?
            .collect();
        if found.is_empty() {
            return Err(Error::new(Kind::Unreachable, format!("`{host}` has no address")));
        }
        if found.iter().any(|address| !self.allows(address.ip())) {
            return Err(private(host));
        }
        Ok(found)
    }
}

pub(super) fn private(host: &str) -> Error {
    Error::new(
        Kind::Settings,
        format!(
            "`{host}` is an address of a private network, which the settings of this server do not allow \
             (platforms_private_networks)"
        ),
    )
}

/// Whether an address is of the public internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || v4.is_documentation()
                || a == 0
                || a >= 240
                // Carriers' own (RFC 6598), benchmarks (RFC 2544), protocol assignments (RFC 6890).
                || (a == 100 && (64..128).contains(&b))
                || (a == 198 && (18..20).contains(&b))
                || v4.octets()[..3] == [192, 0, 0])
        }
        IpAddr::V6(v6) => match carried(v6) {
            Some(v4) => is_public(v4),
            // Global unicast is 2000::/3; of it, documentation is not for use.
            None => v6.segments()[0] & 0xe000 == 0x2000 && v6.segments()[..2] != [0x2001, 0xdb8],
        },
    }
}

/// The IPv4 address that an IPv6 address leads to: mapped, NAT64, 6to4.
fn carried(v6: Ipv6Addr) -> Option<IpAddr> {
    let octets = v6.octets();
    let at = |start: usize| {
        let bytes: [u8; 4] = octets[start..start + 4].try_into().expect("four bytes");
        Some(IpAddr::from(bytes))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => at(12),
        [0x2002, ..] => at(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_network_is_not_public_in_any_spelling() {
        let private = [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
        ];
        for text in private {
            let address: IpAddr = text.parse().unwrap();
            assert!(!Egress::Public.allows(address), "{text}");
            assert!(Egress::Anywhere.allows(address), "{text}");
        }
        for text in ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"] {
            assert!(Egress::Public.allows(text.parse().unwrap()), "{text}");
        }
    }
}
