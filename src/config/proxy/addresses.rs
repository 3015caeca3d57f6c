//! What the proxies of one file are together: names and addresses that are taken once, and no request that comes back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Entry, Listener, WrittenUpstream};
use crate::config::values::ModeName;
use crate::document::{Document, Refusal};
use crate::net::{ListenAddress, UpstreamAddress};
use crate::proxy::Upstream;

/// Notes every claim that another one contradicts; `admin` are those that have theirs first, and their names.
pub(super) fn check(document: &mut Document<'_>, entries: &[Entry], admin: &[(Listener, &str)]) {
    check_names(document, entries);
    check_listeners(document, entries, admin);
    check_upstreams(document, entries, admin);
}

fn check_names(document: &mut Document<'_>, entries: &[Entry]) {
    for (index, entry) in entries.iter().enumerate() {
        let Some(name) = &entry.name else { continue };
        let Some(earlier) = entries[..index].iter().find(|earlier| earlier.name.as_ref() == Some(name))
        else {
            continue;
        };
        let line = earlier.name_at.map_or(0, |at| document.place(at).line);
        let problem = format!("{name:?} is the name of another proxy already, in line {line}");
        let refusal = Refusal::new(problem, "give each proxy a name of its own");
        document.refuse(&entry.heading, "name", entry.name_at, refusal);
    }
}

fn check_listeners(document: &mut Document<'_>, entries: &[Entry], admin: &[(Listener, &str)]) {
    let mut taken: Vec<(Listener, String)> =
        admin.iter().map(|(listener, name)| (listener.clone(), (*name).to_owned())).collect();
    for entry in entries {
        let Some(address) = entry.listen.clone() else { continue };
        let line = entry.listen_at.map(|at| document.place(at).line);
        if let Some((other, owner)) = taken.iter().find(|(other, _)| collide(&other.address, &address)) {
            let place = other.line.map_or_else(|| "by default".to_owned(), |line| format!("in line {line}"));
            let problem =
                format!("{address} is taken by {owner}, which listens on {} {place}", other.address);
            let refusal = Refusal::new(problem, "give each listener an address of its own");
            document.refuse(&entry.heading, "listen", entry.listen_at, refusal);
        }
        taken.push((Listener { address, line }, entry.heading.key_path("")));
    }
}

/// Requests that go to a listener of this process come back to it, or to the admin listener. Only from an outbound
/// proxy to an inbound one they go on, sealed and opened again.
fn check_upstreams(document: &mut Document<'_>, entries: &[Entry], admin: &[(Listener, &str)]) {
    let proxies = entries.iter().filter_map(|entry| {
        let (address, owner) = (entry.listen.clone()?, entry.heading.key_path(""));
        Some(Owned { address, mode: entry.mode, speaks_tls: entry.speaks_tls, owner })
    });
    let admin = admin.iter().map(|(listener, name)| Owned {
        address: listener.address.clone(),
        mode: None,
        speaks_tls: false,
        owner: (*name).to_owned(),
    });
    let listeners: Vec<Owned> = admin.chain(proxies).collect();
    for entry in entries {
        for written in &entry.upstreams {
            check_upstream(document, entry.mode, written, &listeners);
        }
    }
}

/// A listener of this process.
struct Owned {
    address: ListenAddress,
    /// If it is a proxy's.
    mode: Option<ModeName>,
    speaks_tls: bool,
    /// Whose it is.
    owner: String,
}

fn check_upstream(
    document: &mut Document<'_>,
    from: Option<ModeName>,
    (heading, at, upstream): &WrittenUpstream,
    listeners: &[Owned],
) {
    let Some(found) = listeners.iter().find(|listener| leads_to(upstream, &listener.address)) else { return };
    let Owned { address, owner, .. } = found;
    // One file may have both ends of a bridge.
    let is_bridge = (from, found.mode) == (Some(ModeName::Outbound), Some(ModeName::Inbound));
    let refusal = match (is_bridge, found.speaks_tls, upstream.tls.is_some()) {
        (true, true, true) | (true, false, false) => return,
        (true, true, false) => {
            let remedy = "write https:// and the name of its certificate, and its issuer as ca_file";
            Refusal::new(format!("{upstream} is {owner}, which speaks TLS"), remedy)
        }
        (true, false, true) => {
            let remedy = format!("write http://, or a section [{owner}.tls]");
            Refusal::new(format!("{upstream} is {owner}, which does not speak TLS"), remedy)
        }
        (false, ..) => {
            let remedy = match from {
                Some(ModeName::Outbound) => "write the address of the peer that opens",
                Some(ModeName::Inbound) | None => "write the address of the application",
            };
            Refusal::new(format!("{upstream} is {owner} itself, which listens on {address}"), remedy)
        }
    };
    document.refuse(heading, "upstream", *at, refusal);
}

/// Whether requests to `upstream` arrive at a listener of this machine. Other names than localhost are not looked up.
fn leads_to(upstream: &Upstream, listener: &ListenAddress) -> bool {
    let (host, port, listener) = match (&upstream.address, listener) {
        (UpstreamAddress::Inet { host, port }, ListenAddress::Inet(listener)) => (host, *port, listener),
        (UpstreamAddress::Unix(path), ListenAddress::Unix(listener)) => return path == listener,
        (UpstreamAddress::Inet { .. } | UpstreamAddress::Unix(_), _) => return false,
    };
    let reaches = |ip: IpAddr| {
        let wide = listener.ip();
        ip == wide || ip.is_loopback() && wide.is_unspecified() && (wide.is_ipv6() || ip.is_ipv4())
    };
    let addresses: Vec<IpAddr> = if host.eq_ignore_ascii_case("localhost") {
        vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
    } else {
        host.parse().into_iter().collect()
    };
    listener.port() != 0 && listener.port() == port && addresses.into_iter().any(reaches)
}

/// Whether two listeners can't stand at these addresses at once. Port 0 is a different one each time.
pub(in crate::config) fn collide(left: &ListenAddress, right: &ListenAddress) -> bool {
    let (ListenAddress::Inet(left), ListenAddress::Inet(right)) = (left, right) else { return left == right };
    // The wildcard of IPv6 takes IPv4 as well.
    let covers = |wide: IpAddr, narrow: IpAddr| wide.is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4());
    let (left_ip, right_ip) = (left.ip(), right.ip());
    left.port() != 0
        && left.port() == right.port()
        && (left_ip == right_ip || covers(left_ip, right_ip) || covers(right_ip, left_ip))
}
