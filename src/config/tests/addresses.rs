//! Names and addresses that two sections claim.

use super::{SMALLEST, faults, parse};

#[test]
fn a_name_or_an_address_taken_twice_names_the_first() {
    let second = SMALLEST.split_once("\n[[proxy]]").unwrap().1;
    let text = format!("{SMALLEST}[[proxy]]{}", second.replace("127.0.0.1:8080", "[::]:8080"));
    assert_eq!(
        faults(&text),
        [
            "9:8: proxy.kitchen.name: \"kitchen\" is the name of another proxy already, in line 4",
            "11:10: proxy.kitchen.listen: [::]:8080 is taken by proxy.kitchen, which listens on 127.0.0.1:8080 in line 6",
        ]
    );
    let text = format!(
        "{SMALLEST}[[proxy]]{}",
        second.replace("\"127.0.0.1:8080\"", "9180").replace("kitchen", "b")
    );
    assert_eq!(
        faults(&text),
        [
            "11:10: proxy.b.listen: 127.0.0.1:9180 is taken by the admin listener, which listens on 127.0.0.1:9180 by default"
        ]
    );
}

#[test]
fn port_zero_is_never_taken() {
    let second = SMALLEST.split_once("\n[[proxy]]").unwrap().1.replace("kitchen", "b");
    let text = format!("{SMALLEST}[[proxy]]{second}").replace("127.0.0.1:8080", "127.0.0.1:0");
    assert_eq!(parse(&text).unwrap().proxies.len(), 2);
}

#[test]
fn upstream_that_is_a_listener_of_the_same_configuration_is_refused() {
    let upstream = |listen: &str, upstream: &str| {
        let text = SMALLEST.replace("127.0.0.1:8080", listen);
        text.replace("http://127.0.0.1:3000", upstream)
    };
    let told = |url: &str, owner: &str, address: &str| {
        vec![format!("7:12: proxy.kitchen.upstream: {url} is {owner} itself, which listens on {address}")]
    };
    for (listen, url) in [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("127.0.0.1:8080", "http://localhost:8080"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("[::]:8080", "http://127.0.0.1:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("0.0.0.0:443", "https://localhost:443"),
    ] {
        assert_eq!(faults(&upstream(listen, url)), told(url, "proxy.kitchen", listen));
    }
    let admin = "http://127.0.0.1:9180";
    assert_eq!(
        faults(&upstream("127.0.0.1:8080", admin)),
        told(admin, "the admin listener", "127.0.0.1:9180")
    );
    for (listen, url) in [
        ("127.0.0.1:8080", "http://127.0.0.1:8081"),
        ("127.0.0.1:8080", "http://127.0.0.2:8080"),
        ("127.0.0.1:8080", "http://kitchen:8080"),
        ("0.0.0.0:8080", "http://192.0.2.1:8080"),
        ("0.0.0.0:8080", "http://[::1]:8080"),
        ("127.0.0.1:0", "http://127.0.0.1:80"),
    ] {
        assert!(parse(&upstream(listen, url)).is_ok(), "{listen} {url}");
    }
}

#[test]
fn only_an_outbound_proxy_may_lead_to_an_inbound_one_of_the_same_configuration() {
    let chain = |first: &str, second: &str| {
        format!(
            "[keys]\nfile = \"keys.toml\"\n[[proxy]]\nname = \"a\"\nmode = \"{first}\"\nlisten = 8081\nupstream = \
             \"http://127.0.0.1:8080\"\n[[proxy]]\nname = \"b\"\nmode = \"{second}\"\nlisten = 8080\nupstream = \
             \"http://127.0.0.1:3000\"\n"
        )
    };
    assert_eq!(parse(&chain("outbound", "inbound")).unwrap().proxies.len(), 2);
    let fault =
        "7:12: proxy.a.upstream: http://127.0.0.1:8080 is proxy.b itself, which listens on 127.0.0.1:8080";
    for (first, second) in [("inbound", "inbound"), ("inbound", "outbound"), ("outbound", "outbound")] {
        assert_eq!(faults(&chain(first, second)), [fault], "{first} to {second}");
    }
    let itself = chain("outbound", "inbound")
        .replace("listen = 8081", "listen = 9181")
        .replace("8080\"\n[[", "9181\"\n[[");
    let fault =
        "7:12: proxy.a.upstream: http://127.0.0.1:9181 is proxy.a itself, which listens on 127.0.0.1:9181";
    assert_eq!(faults(&itself), [fault]);
}
