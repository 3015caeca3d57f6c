//! Who asks from this machine, and means it.

use std::net::IpAddr;

use http::Request;
use http::header::{HOST, ORIGIN};
use http::uri::Authority;

/// Why a page that is for this machine alone is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotLocal {
    /// A page may have sent it, on whatever site.
    #[error("nothing is done for browsers; send it without origin and sec-fetch-site, as curl does")]
    Browser,
    /// A name that somebody made point here: a browser on this machine may be asking for a page of theirs.
    #[error("this page answers to the names localhost, 127.0.0.1 and [::1] only")]
    Host,
    /// It came over a network.
    #[error("this page answers on loopback only")]
    Peer,
}

/// Whether a request came over loopback and was meant for it.
pub(super) fn check<B>(request: &Request<B>, peer: IpAddr) -> Result<(), NotLocal> {
    if !peer.to_canonical().is_loopback() {
        return Err(NotLocal::Peer);
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(NotLocal::Host) };
    let host = Authority::try_from(host.as_bytes()).map_err(|_| NotLocal::Host)?;
    // The target may name one as well.
    let all_local = [Some(&host), request.uri().authority()].into_iter().flatten().all(is_local);
    if all_local { Ok(()) } else { Err(NotLocal::Host) }
}

/// Whether no browser sent it: browsers say where a page comes from with everything that is not merely looked at.
pub(super) fn check_no_browser<B>(request: &Request<B>) -> Result<(), NotLocal> {
    let is_browser = [ORIGIN.as_str(), "sec-fetch-site", "sec-fetch-mode"];
    let is_browser = is_browser.iter().any(|name| request.headers().contains_key(*name));
    if is_browser { Err(NotLocal::Browser) } else { Ok(()) }
}

fn is_local(authority: &Authority) -> bool {
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    let is_address = bare.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback());
    !authority.as_str().contains('@') && (is_address || host.eq_ignore_ascii_case("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: [u8; 4] = [127, 0, 0, 1];

    fn asked(target: &str, hosts: &[&str], peer: impl Into<IpAddr>) -> Result<(), NotLocal> {
        let mut request = Request::get(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        check(&request.body(()).unwrap(), peer.into())
    }

    #[test]
    fn names_and_addresses_of_this_machine_are_local() {
        for host in ["localhost", "LocalHost:9180", "127.0.0.1:9180", "127.1.2.3", "[::1]:9180", "[::1]"] {
            assert_eq!(asked("/status", &[host], HERE), Ok(()), "{host}");
        }
        assert_eq!(asked("/status", &["localhost"], [0, 0, 0, 0, 0, 0, 0, 1]), Ok(()));
        assert_eq!(asked("/status", &["localhost"], "::ffff:127.0.0.1".parse::<IpAddr>().unwrap()), Ok(()));
        assert_eq!(asked("http://127.0.0.1:9180/status", &["127.0.0.1:9180"], HERE), Ok(()));
    }

    #[test]
    fn names_that_anybody_may_point_here_are_not() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost@evil.example",
            "evil.example@localhost",
            "10.0.0.1",
            "[::2]",
            "0.0.0.0",
            "2130706433",
            "",
            "local host",
        ] {
            assert_eq!(asked("/status", &[host], HERE), Err(NotLocal::Host), "{host}");
        }
        assert_eq!(asked("/status", &[], HERE), Err(NotLocal::Host));
        assert_eq!(asked("/status", &["localhost", "localhost"], HERE), Err(NotLocal::Host));
        assert_eq!(asked("http://evil.example/status", &["localhost"], HERE), Err(NotLocal::Host));
    }

    #[test]
    fn browsers_are_known_by_what_they_say_of_the_page() {
        for (name, value) in
            [("origin", "http://localhost:9180"), ("origin", "null"), ("sec-fetch-site", "none")]
        {
            let request = Request::post("/reload").header(name, value).body(()).unwrap();
            assert_eq!(check_no_browser(&request), Err(NotLocal::Browser), "{name}");
        }
        assert_eq!(check_no_browser(&Request::post("/reload").body(()).unwrap()), Ok(()));
    }

    #[test]
    fn whoever_comes_over_a_network_is_not() {
        for peer in ["10.0.0.7", "192.168.1.1", "fe80::1", "::ffff:10.0.0.7"] {
            let peer: IpAddr = peer.parse().unwrap();
            assert_eq!(asked("/status", &["localhost"], peer), Err(NotLocal::Peer), "{peer}");
        }
    }
}
