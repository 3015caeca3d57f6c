//! Callbacks whose values are sealed, both directions, with PHP's openssl_encrypt as the other side.

use super::{Callback, FORM, IV, Php, content_type, request};
use crate::support::{Origin, Received, Sidecar};

/// Lines of a profile that takes what these callbacks bear, wherever it stands.
const LISTED: &str = r#"danger_static_iv = true
include = ["query:phone", "query:note", "form:phone", "form:note", "json:/phone", "json:/items/*/n"]
optional = ["query:*", "form:*", "json:/**"]
literal = ["/items/*/n"]"#;

/// A phone number whose ciphertext has a `+` in it, and a note that needs escapes.
const NOTE: &str = "a&b=c %7e+ü\u{1F35C}\r\n#";

/// One process with an inbound and an outbound proxy, and a route of both for each algorithm.
fn sidecar(application: &Origin, customer: &Origin) -> Sidecar {
    let mut text = "workers = 1\n[admin]\nlisten = \"127.0.0.1:0\"\n".to_owned();
    let mut routes = String::new();
    for callback in Callback::all() {
        let name = callback.name();
        text += &callback.tables(LISTED);
        routes += &format!(
            "[[proxy.route]]\nname = \"{name}\"\npath = \"/{name}\"\nprofile = \"{name}\"\nkeys = \"{name}\"\n"
        );
    }
    for (mode, origin) in [("inbound", application), ("outbound", customer)] {
        text += &format!(
            "[[proxy]]\nname = \"{mode}\"\nmode = \"{mode}\"\nlisten = \"127.0.0.1:0\"\nupstream = \"http://{}\"\n{routes}",
            origin.address()
        );
    }
    let builder = Sidecar::inbound().configured(&text).file("iv", IV);
    let with_keys = |builder: crate::support::SidecarBuilder, callback: &Callback| {
        builder.file(&format!("{}.toml", callback.name()), callback.entry())
    };
    Callback::all().iter().fold(builder, with_keys).start()
}

/// A number whose value under this callback profile has a `+` and a `/` in it.
fn phone(php: &Php, callback: &Callback) -> (String, String) {
    // Long enough that what follows the first block differs altogether.
    let numbers = (1_u64..).map(|number| format!("+49 30 {}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let mut sealed = numbers.map(|number| (php.seal(callback, &number), number));
    let (sealed, number) = sealed.find(|(sealed, _)| sealed.contains('+') && sealed.contains('/')).unwrap();
    (number, sealed)
}

/// As the application is to have it in a query or a form.
const ESCAPED_NOTE: &str = "a%26b%3Dc%20%257e%2B%C3%BC%F0%9F%8D%9C%0D%0A%23";

fn escaped(number: &str) -> String {
    number.replace('+', "%2B").replace(' ', "%20")
}

fn assert_received(received: &Received, line: &str, body: &str, why: &str) {
    assert_eq!(received.request_line, format!("{line} HTTP/1.1"), "{why}");
    assert_eq!(String::from_utf8_lossy(&received.body), body, "{why}");
    let length = if body.is_empty() { None } else { Some(body.len().to_string()) };
    assert_eq!(received.header("content-length"), length.as_deref(), "{why}");
}

#[test]
fn callback_that_php_sealed_reaches_the_application_in_clear_and_otherwise_byte_for_byte() {
    let Some(php) = Php::start() else { return };
    let (application, customer) =
        (Origin::fixed(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"), Origin::echo());
    let sidecar = sidecar(&application, &customer);
    let mut connection = crate::support::Connection::to(sidecar.address_of("inbound"));
    let mut count = 0;
    for callback in Callback::all() {
        let name = callback.name();
        let (number, sealed) = phone(&php, &callback);
        let note = php.seal_escaped(&callback, NOTE);
        let mut check = |request: Vec<u8>, line: String, body: &str, why: &str| {
            let reply = connection.exchange(&request);
            assert_eq!((reply.status, reply.text()), (200, "ok"), "{name} {why}");
            count += 1;
            assert_eq!(application.count(), count);
            assert_received(application.received().last().unwrap(), &line, body, why);
        };
        let opened = escaped(&number);
        // A `+` that nobody escaped, one that somebody did, and a space that a library made of it.
        for plus in ["+", "%2B", "%2b", "%20"] {
            let sealed = sealed.replace('+', plus).replace('/', "%2F").replace('=', "%3d");
            for method in ["GET", "DELETE"] {
                let query = |phone: &str, note: &str| {
                    format!(
                        "/{name}/in?Z=%7e+1&phone={phone}&&phone={phone}&PHONE=+&note={note}&empty=&flag&%zz"
                    )
                };
                let line = format!("{method} {}", query(&opened, ESCAPED_NOTE));
                check(request(method, &query(&sealed, &note), "x-other: a  b\r\n", ""), line, "", plus);
            }
            for method in ["POST", "PUT", "DELETE"] {
                let form = |phone: &str, note: &str| {
                    format!("b=%zz&phone={phone}&a+b=1&note={note}&phone={phone}&=&c")
                };
                let headers = content_type("Application/X-WWW-Form-urlencoded; charset=utf-8");
                let sent = request(method, &format!("/{name}/in?x=%41"), &headers, &form(&sealed, &note));
                check(sent, format!("{method} /{name}/in?x=%41"), &form(&opened, ESCAPED_NOTE), plus);
            }
        }
        let [seven, truth, null] = ["7.50", "true", "null"].map(|text| php.seal(&callback, text));
        for (method, slash) in [("POST", "/"), ("PUT", "\\/"), ("DELETE", "\\u002f")] {
            let document = |phone: &str, [one, two, three]: [&str; 3]| {
                format!(
                    "{{ \"z\":1.0e1,\t\"phone\" : \"{phone}\",\n\"items\":[{{\"n\":{one}}},{{\"n\" : {two},\"m\":\"\\u00e9\"}},\
                     {{\"n\":{three}}}], \"z\":[] }}\n"
                )
            };
            let [one, two, three] =
                [&seven, &truth, &null].map(|text| format!("\"{}\"", text.replace('/', slash)));
            let sent = document(&sealed.replace('/', slash), [&one, &two, &three]);
            let sent =
                request(method, &format!("/{name}"), &content_type("application/vnd.hooks+json"), &sent);
            let body = document(&number, ["7.50", "true", "null"]);
            check(sent, format!("{method} /{name}"), &body, slash);
        }
    }
    let log = sidecar.log();
    for callback in Callback::all() {
        assert!(!log.contains(&callback.key) && !log.contains(IV) && !log.contains("+49"), "{log}");
    }
}

#[test]
fn callback_that_an_application_triggers_is_sealed_value_by_value_for_php() {
    let Some(php) = Php::start() else { return };
    let (application, customer) =
        (Origin::echo(), Origin::fixed(b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\nok"));
    let sidecar = sidecar(&application, &customer);
    let mut connection = crate::support::Connection::to(sidecar.address_of("outbound"));
    let note_as_typed = "a%26b%3dc+%257e%2b%c3%bc\u{1F35C}%0D%0A%23";
    for callback in Callback::all() {
        let name = callback.name();
        // What PHP opens of each value that is listed; everything else as it stands.
        let opened = |pairs: &str| -> Vec<String> {
            let pairs = pairs.split('&').map(|pair| match pair.split_once('=') {
                Some((name @ ("phone" | "note"), value)) => {
                    format!("{name}={}", php.open_escaped(&callback, value).expect("PHP opens it"))
                }
                _ => pair.to_owned(),
            });
            pairs.collect()
        };
        let plain = |pairs: &str| -> Vec<String> {
            pairs
                .replace("PHONE-VALUE", "+49 30 1")
                .replace("NOTE-VALUE", NOTE)
                .split('|')
                .map(str::to_owned)
                .collect()
        };
        let written = "Z=%7e+1|phone=PHONE-VALUE||note=NOTE-VALUE|phone=PHONE-VALUE|flag|empty=";
        let typed = written.replace("PHONE-VALUE", "%2B49+30%201").replace('|', "&");
        let form = typed.replace("NOTE-VALUE", note_as_typed);
        let query = typed.replace("NOTE-VALUE", &note_as_typed.replace('\u{1F35C}', "%F0%9F%8D%9C"));
        for method in ["GET", "DELETE"] {
            let reply = connection.exchange(&request(method, &format!("/{name}?{query}"), "", ""));
            assert_eq!((reply.status, reply.text()), (202, "ok"), "{name}");
            let received = customer.received().pop().unwrap();
            let (path, sealed) = received.target().split_once('?').unwrap();
            assert_eq!((path, opened(sealed)), (format!("/{name}").as_str(), plain(written)));
            assert!(!sealed.contains('+') || sealed.matches('+').count() == 1, "only that of Z: {sealed}");
        }
        for method in ["POST", "PUT", "DELETE"] {
            let reply =
                connection.exchange(&request(method, &format!("/{name}"), &content_type(FORM), &form));
            assert_eq!(reply.status, 202);
            let received = customer.received().pop().unwrap();
            assert_eq!(opened(std::str::from_utf8(&received.body).unwrap()), plain(written));

            let document = r#"{ "z":1.0,"phone":"+49\u002030 1", "items":[ {"n":7.50},{"n":true} ] }"#;
            let sent = request(method, &format!("/{name}"), &content_type("application/json"), document);
            assert_eq!(connection.exchange(&sent).status, 202);
            let received = customer.received().pop().unwrap();
            let body = String::from_utf8(received.body).unwrap();
            let values: serde_json::Value = serde_json::from_str(&body).unwrap();
            let value = |pointer: &str| values.pointer(pointer).unwrap().as_str().unwrap().to_owned();
            let sealed = [value("/phone"), value("/items/0/n"), value("/items/1/n")];
            let expected = ["+49 30 1", "7.50", "true"].map(|text| Some(text.to_owned()));
            assert_eq!(sealed.clone().map(|sealed| php.open(&callback, &sealed)), expected);
            let around =
                sealed.iter().fold(body, |body, sealed| body.replacen(&format!("\"{sealed}\""), "_", 1));
            assert_eq!(around, r#"{ "z":1.0,"phone":_, "items":[ {"n":_},{"n":_} ] }"#);
        }
    }
    assert_eq!(application.count(), 0);
}

#[test]
fn header_that_php_sealed_is_opened_and_one_that_is_not_listed_stays() {
    let Some(php) = Php::start() else { return };
    let callback = Callback::of("AES-256-GCM");
    let application = Origin::echo();
    let lines = format!("profile = \"{0}\"\nkeys = \"{0}\"", callback.name());
    let sidecar = Sidecar::inbound()
        .keys(&[&crate::support::TestKey::new("AES-128-CTR")])
        .upstream(application.address())
        .proxy(&lines)
        .tables(&callback.tables("include = [\"header:x-caller\"]"))
        .file("iv", IV)
        .file("aes-256-gcm.toml", callback.entry())
        .start();
    let [one, two] = ["J\u{fc}rgen", "tab\tinside"].map(|text| php.seal(&callback, text));
    let headers =
        format!("x-caller: {one}\r\nx-callee: plain\r\nX-Caller: {two}\r\ncontent-type: text/xml\r\n");
    let reply = sidecar.connect().exchange(&request("POST", "/x?a=1", &headers, "<a/>"));
    assert_eq!((reply.status, reply.text()), (200, "<a/>"));
    let received = application.only();
    assert_eq!(received.header_all("x-caller"), ["J\u{c3}\u{bc}rgen", "tab\tinside"]);
    assert_eq!(received.header("x-callee"), Some("plain"));
}
