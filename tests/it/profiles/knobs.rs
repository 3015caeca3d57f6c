//! Every knob of a profile against a vendor in Python: requests opened and sealed, replies sealed and opened.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::layouts::{HEADERS, LAYOUTS, Layout, Message, STATIC_12, STATIC_16, Vendor};
use crate::support::{Origin, Received, Reply, Sidecar, SidecarBuilder, TestKey, reply_of};

/// All profiles in one proxy, a route each.
fn sidecar(builder: SidecarBuilder, origin: &Origin) -> Sidecar {
    let (profiles, routes): (Vec<_>, Vec<_>) = LAYOUTS.iter().map(Layout::tables).unzip();
    let mut builder = builder.keys(&[&TestKey::new("AES-192-GCM")]).upstream(origin.address());
    for algorithm in ["AES-256-GCM", "AES-256-CFB", "AES-128-CFB8", "AES-256-CTR"] {
        let set = algorithm.to_ascii_lowercase();
        builder = builder
            .tables(&format!("[keyset.{set}]\nfile = \"{set}.toml\""))
            .file(&format!("{set}.toml"), TestKey::new(algorithm).entry());
    }
    builder
        .proxy(&routes.concat())
        .tables(&profiles.concat())
        .file("iv16", STATIC_16)
        .file("iv12", STATIC_12)
        .start()
}

fn plain_request(layout: &Layout) -> Message {
    let mut headers = vec![("content-type".to_owned(), layout.plain.content_type.to_owned())];
    headers.extend(HEADERS.map(|(name, value)| (name.to_owned(), value.to_owned())));
    Message {
        method: "POST".to_owned(),
        target: format!("/{}/a%20b?q=soup%20%26&z=%7E", layout.name),
        headers,
        body: layout.plain.body.as_bytes().to_vec(),
        iv: None,
    }
}

/// Where the route leads it: what is authenticated with a message is the target between the two ends.
fn rewritten(layout: &Layout, target: &str) -> String {
    target.replacen(layout.name, &format!("{}/v2", layout.name), 1)
}

fn raw(message: &Message) -> Vec<u8> {
    let mut raw = format!("{} {} HTTP/1.1\r\nhost: kitchen.test\r\n", message.method, message.target);
    for (name, value) in &message.headers {
        raw += &format!("{name}: {value}\r\n");
    }
    raw += &format!("content-length: {}\r\n\r\n", message.body.len());
    [raw.as_bytes(), &message.body].concat()
}

fn reply_message(reply: &Reply) -> Message {
    Message {
        method: String::new(),
        target: "/".to_owned(),
        headers: reply.headers.clone(),
        body: reply.body.clone(),
        iv: None,
    }
}

/// Answers with what it got, and what headers say of that.
fn echo_of(content_type: &str, extra: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut headers = format!("content-type: {content_type}\r\n");
    extra.iter().for_each(|(name, value)| headers += &format!("{name}: {value}\r\n"));
    reply_of("200 OK", &headers, body)
}

fn application() -> Origin {
    Origin::answering(|received, stream| {
        let extra = HEADERS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        stream.write_all(&echo_of(received.header("content-type").unwrap(), &extra, &received.body))
    })
}

#[test]
fn message_of_every_layout_opens_and_its_reply_is_what_the_vendor_opens() {
    let Some(vendor) = Vendor::start() else { return };
    let application = application();
    let sidecar = sidecar(Sidecar::inbound(), &application);
    let mut connection = sidecar.connect();
    for layout in LAYOUTS {
        let (name, plain) = (layout.name, plain_request(layout));
        let sealed = vendor.seal(layout, &layout.settings(), &plain, None);
        let reply = connection.exchange(&raw(&sealed));
        assert_eq!(reply.status, 200, "{name}: {} {}", String::from_utf8_lossy(&reply.body), sidecar.log());
        let received = application.received().pop().unwrap();
        assert_eq!(received.target(), rewritten(layout, &plain.target), "{name}");
        assert_eq!(String::from_utf8_lossy(&received.body), layout.plain.body, "{name}");
        assert_eq!(received.header("content-type"), Some(layout.plain.content_type), "{name}");
        for carrier in layout.carriers() {
            assert_eq!(received.header(&carrier), None, "{name}: the application sees {carrier}");
        }
        for (header, value) in HEADERS {
            assert_eq!(received.header_all(header), [value], "{name}");
        }
        if !layout.seals_replies() {
            assert_eq!(reply.text(), layout.plain.body, "{name}");
            continue;
        }
        assert!(!String::from_utf8_lossy(&reply.body).contains("soup"), "{name}: the reply is in clear");
        let opened = vendor.open(layout, &reply_message(&reply), Some(&sealed));
        let opened = opened.unwrap_or_else(|why| panic!("{name}: the reply does not open: {why}: {reply:?}"));
        assert_eq!(String::from_utf8_lossy(&opened.body), layout.plain.body, "{name}");
        assert_eq!(opened.header("x-guest"), Some("Frida"), "{name}");
    }
    assert_eq!(application.count(), LAYOUTS.len());
}

#[test]
fn message_with_a_tag_of_another_length_a_changed_byte_or_another_context_is_refused() {
    let Some(vendor) = Vendor::start() else { return };
    let application = application();
    let sidecar = sidecar(Sidecar::inbound(), &application);
    let mut connection = sidecar.connect();
    let authenticated =
        LAYOUTS.iter().filter(|layout| layout.algorithm.ends_with("GCM") && layout.name != "no-tag");
    let mut refused = 0;
    for layout in authenticated {
        let (settings, plain) = (layout.settings(), plain_request(layout));
        let mut other_tag = settings.clone();
        let length = settings["tag_length"].as_i64().unwrap();
        other_tag["tag_length"] = json!(if length == 12 { 13 } else { length - 1 });
        let mut others = vec![vendor.seal(layout, &other_tag, &plain, None)];
        let mut changed = plain.clone();
        if settings["aad"] != json!("none") {
            changed.target = changed.target.replace("z=", "y=");
            changed.headers[1].1 = "8".to_owned();
            let mut other_aad = settings.clone();
            if settings["aad"].as_str().unwrap().starts_with("literal:") {
                other_aad["aad"] = json!("literal:kitchen 8");
            }
            let mut moved = vendor.seal(layout, &other_aad, &changed, None);
            moved.target = moved.target.replace("y=", "z=");
            moved
                .headers
                .iter_mut()
                .filter(|(name, _)| name == "x-table")
                .for_each(|(_, value)| *value = "7".to_owned());
            if settings["aad"] == json!("member:/ad") {
                let text = String::from_utf8(moved.body).unwrap();
                moved.body = text.replace("order 7", "order 8").into_bytes();
            }
            others.push(moved);
        }
        for other in others {
            let reply = connection.exchange(&raw(&other));
            assert_eq!(
                (reply.status, reply.text()),
                (400, "{\"errorCode\":2,\"message\":\"Unable to decrypt payload\"}"),
                "{}: {other:?}",
                layout.name
            );
            refused += 1;
        }
    }
    assert!(refused > LAYOUTS.len(), "{refused}");
    assert_eq!(application.count(), 0);
}

#[test]
fn request_is_sealed_as_every_layout_says_and_the_vendors_reply_opens() {
    let Some(vendor) = Vendor::start() else { return };
    let vendor = Arc::new(vendor);
    let opened: Arc<Mutex<Vec<Message>>> = Arc::default();
    let (far, seen) = (Arc::clone(&vendor), Arc::clone(&opened));
    let customer = Origin::answering(move |received: &Received, stream| {
        let layout =
            LAYOUTS.iter().find(|layout| received.target().split('/').nth(1) == Some(layout.name)).unwrap();
        let request = Message {
            method: received.method().to_owned(),
            target: received.target().to_owned(),
            headers: received.headers.clone(),
            body: received.body.clone(),
            iv: None,
        };
        let plain = match far.open(layout, &request, None) {
            Ok(plain) => plain,
            Err(why) => return stream.write_all(&reply_of("599 Unopened", "", why.as_bytes())),
        };
        let request = Message { iv: plain.iv.clone(), ..request };
        let headers = plain_request(layout).headers;
        let echo = Message {
            method: String::new(),
            target: "/".to_owned(),
            headers,
            body: plain.body.clone(),
            iv: None,
        };
        seen.lock().unwrap().push(plain);
        let reply = if layout.seals_replies() {
            far.seal(layout, &layout.settings(), &echo, Some(&request))
        } else {
            echo
        };
        let mut headers = String::new();
        reply.headers.iter().for_each(|(name, value)| headers += &format!("{name}: {value}\r\n"));
        stream.write_all(&reply_of("200 OK", &headers, &reply.body))
    });
    let sidecar = sidecar(Sidecar::outbound(), &customer);
    let mut connection = sidecar.connect();
    for layout in LAYOUTS {
        let (name, plain) = (layout.name, plain_request(layout));
        let reply = connection.exchange(&raw(&plain));
        assert_eq!(
            (reply.status, reply.text()),
            (200, layout.plain.body),
            "{name}: {:?}",
            customer.received().pop()
        );
        for carrier in layout.carriers() {
            assert_eq!(reply.header(&carrier), None, "{name}: the application sees {carrier}");
        }
        assert_eq!(reply.header("x-guest"), Some("Frida"), "{name}");
        let received = customer.received().pop().unwrap();
        assert!(!String::from_utf8_lossy(&received.body).contains("soup"), "{name}: it went in clear");
        let opened = opened.lock().unwrap().pop().unwrap();
        assert_eq!((opened.target, opened.body), (rewritten(layout, &plain.target), plain.body), "{name}");
    }
}

/// A knob that no layout turns is not tried.
#[test]
fn every_knob_is_turned_by_some_layout() {
    for (knob, _) in alewife::profile::Draft::default().settings() {
        let turns =
            |layout: &&Layout| layout.lines.lines().any(|line| line.starts_with(&format!("{knob} = ")));
        assert!(LAYOUTS.iter().any(|layout| turns(&layout)), "{knob}");
    }
    let all = LAYOUTS.iter().map(Layout::settings).collect::<Vec<_>>();
    let values = |knob: &str| -> std::collections::BTreeSet<String> {
        all.iter()
            .map(|settings| {
                settings[knob].to_string().trim_matches('"').split(':').next().unwrap().to_owned()
            })
            .collect()
    };
    let set = |names: &[&str]| {
        names.iter().map(|name| (*name).to_owned()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(values("iv"), set(&["header", "query", "member", "field", "prefix", "static"]));
    assert_eq!(values("iv_length"), set(&["any", "12", "16"]));
    assert_eq!(values("tag"), set(&["appended", "before", "header", "query", "member", "field", "none"]));
    assert_eq!(values("tag_length"), set(&["12", "13", "14", "15", "16"]));
    assert_eq!(values("fingerprint"), set(&["header", "query", "member", "field", "key", "sealing-key"]));
    assert_eq!(values("aad"), set(&["none", "literal", "header", "member", "context"]));
    assert_eq!(values("scope"), set(&["body", "member", "field", "values"]));
    assert_eq!(values("becomes"), set(&["body", "text", "json"]));
    for knob in ["iv_encoding", "encoding"] {
        assert_eq!(values(knob), set(&["raw", "base64", "base64url", "hex"]), "{knob}");
    }
}
