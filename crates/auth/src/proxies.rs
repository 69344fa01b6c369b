//! Proxies whose word about the client's address counts.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use axum_users_core::SetupError;
use ipnet::IpNet;

pub(crate) const FORWARDED_FOR: &str = "x-forwarded-for";

/// The networks that trusted proxies are in.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Trusts an address, or a network in CIDR notation.
    pub(crate) fn add(&mut self, network: &str) -> Result<(), SetupError> {
        let parsed = network
            .parse()
            .or_else(|_| network.parse::<IpAddr>().map(IpNet::from))
            .map_err(|_| {
                SetupError::Invalid(format!(
                    "`{network}` is neither an address nor a network such as 10.0.0.0/8"
                ))
            })?;
        self.0.push(parsed);
        Ok(())
    }

    /// Whether there are any.
    pub(crate) fn any(&self) -> bool {
        !self.0.is_empty()
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client of a request that came from `peer`: each proxy adds whom it heard at the right end of the header, so that
    /// the list is walked from there as long as who speaks is trusted. What stands further left is only claimed.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
        for line in lines.into_iter().rev() {
            // Each part by itself: what a client claims at the left spoils nothing that a proxy has written.
            for heard in line.as_bytes().rsplit(|byte| *byte == b',') {
                let heard = std::str::from_utf8(heard).ok();
                let Some(heard) = heard.and_then(|heard| address(heard.trim())) else {
                    return client;
                };
                client = heard;
                if !self.trusts(client) {
                    return client;
                }
            }
        }
        client
    }
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare
        .parse()
        .or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn client(trusted: &[&str], peer: &str, lines: &[&'static str]) -> String {
        let mut proxies = TrustedProxies::default();
        for network in trusted {
            proxies.add(network).unwrap();
        }
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn what_a_client_claims_spoils_nothing_that_a_proxy_has_written() {
        let mut proxies = TrustedProxies::default();
        proxies.add("10.0.0.0/8").unwrap();
        let mut headers = HeaderMap::new();
        let line = HeaderValue::from_bytes(b"\xff, 203.0.113.9").unwrap();
        headers.append(FORWARDED_FOR, line);
        let client = proxies.client("10.0.0.1".parse().unwrap(), &headers);
        assert_eq!(client.to_string(), "203.0.113.9");
    }

    #[test]
    fn without_trusted_proxies_the_header_says_nothing() {
        assert_eq!(client(&[], "192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(
            client(&["10.0.0.0/8"], "192.0.2.1", &["203.0.113.9"]),
            "192.0.2.1"
        );
    }

    #[test]
    fn the_list_is_walked_from_the_right_as_far_as_it_is_trusted() {
        let trusted = &["10.0.0.0/8", "192.0.2.7"];
        assert_eq!(
            client(trusted, "10.1.1.1", &["1.1.1.1, 203.0.113.9, 192.0.2.7"]),
            "203.0.113.9"
        );
        assert_eq!(
            client(trusted, "10.1.1.1", &["1.1.1.1", "203.0.113.9, 10.2.2.2"]),
            "203.0.113.9"
        );
        assert_eq!(client(trusted, "10.1.1.1", &[]), "10.1.1.1");
    }

    #[test]
    fn what_is_no_address_ends_the_walk() {
        assert_eq!(
            client(&["10.0.0.0/8"], "10.1.1.1", &["203.0.113.9, unknown, 10.2.2.2"]),
            "10.2.2.2"
        );
    }

    #[test]
    fn ports_and_mapped_addresses_are_understood() {
        assert_eq!(
            client(&["10.0.0.0/8"], "::ffff:10.1.1.1", &["203.0.113.9:4711"]),
            "203.0.113.9"
        );
        assert_eq!(client(&["::1"], "::1", &["[2001:db8::1]:443"]), "2001:db8::1");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        assert!(TrustedProxies::default().add("proxy.internal").is_err());
    }
}
