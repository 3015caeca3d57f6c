//! What is masked by name, wherever it stands.

use http::Response;
use proptest::prelude::*;

use super::*;
use crate::capture::{Body, Message};

const HIDDEN: &str = "hunter2";

fn mask() -> Mask {
    DEFAULT_NAMES.into_iter().chain(["table"]).try_fold(Mask::none(), Mask::and).unwrap()
}

fn wish() -> Wish {
    Wish { mask: mask(), can_act: false, ..Wish::default() }
}

/// Keeps an exchange that is plain on both sides, as one that a route lets pass.
fn keep(site: &Site, target: &str, headers: &[(&str, &str)], body: &[u8]) -> u64 {
    let mut request = Request::post(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(()).unwrap();
    let (head, ()) = request.clone().into_parts();
    let tap = begin(&site.capture, &head, "masked");
    tap.piece(Half::Request, Side::Client, body);
    tap.request_head(Side::Upstream, &request);
    tap.piece(Half::Request, Side::Upstream, body);
    let reply = Response::builder().status(200).header("set-cookie", HIDDEN).body(()).unwrap();
    tap.reply_head(Side::Upstream, &reply);
    tap.reply_head(Side::Client, &reply);
    site.capture.list().0.last().unwrap().id
}

async fn everything(site: &Site, id: u64) -> String {
    let mut all = String::new();
    for path in [
        "api/exchanges".to_owned(),
        format!("api/exchanges/{id}"),
        format!("api/exchanges/{id}/copy?as=curl"),
    ] {
        let (_, text) = site.ask("GET", &path, "").await;
        all += &text;
        // Bodies are base64.
        for piece in text.split('"').filter(|piece| piece.len() % 4 == 0) {
            if let Some(decoded) = encoding::base64_decode(piece.as_bytes()) {
                all += &String::from_utf8_lossy(&decoded);
            }
        }
    }
    all
}

#[tokio::test]
async fn values_of_masked_names_are_nowhere_and_all_others_are_there() {
    let site = Site::start(wish()).await;
    let json = "application/json";
    let form = "application/x-www-form-urlencoded";
    for (target, headers, body) in [
        ("/a?PassWord=hunter2&dish=soup", vec![], String::new()),
        ("/a?card%5Bnumber%5D=hunter2&dish=soup", vec![], String::new()),
        ("/a?pass%77ord=hunter2&dish=soup", vec![], String::new()),
        ("/a?pass%wword=hunter2&dish=soup", vec![], String::new()),
        ("/a?dish=soup", vec![("authorization", "Bearer hunter2"), ("x-api-key", "hunter2")], String::new()),
        ("/a?dish=soup", vec![("referer", "https://kitchen.test/?token=hunter2")], String::new()),
        ("/a", vec![("content-type", json)], r#"{"dish":"soup","pass\u0077ord":"hunter2"}"#.to_owned()),
        (
            "/a",
            vec![("content-type", json)],
            r#"{"dish":"soup","secrets":{"a":["hunter2"],"b":[]}}"#.to_owned(),
        ),
        (
            "/a",
            vec![("content-type", "application/vnd.x+json; charset=utf-8")],
            r#"[{"card":{"number":"hunter2"}},"soup"]"#.to_owned(),
        ),
        ("/a", vec![], r#"{"table":"hunter2","dish":"soup"}"#.to_owned()),
        ("/a", vec![("content-type", json)], r#"{"user.pin":"hunter2","dish":"soup"}"#.to_owned()),
        ("/a", vec![("content-type", json)], r#"{"card":[{"number":"hunter2"}],"dish":"soup"}"#.to_owned()),
        ("/a", vec![("content-type", form)], r#"{"pin":"hunter2","dish":"soup"}"#.to_owned()),
        ("/a", vec![("content-type", form)], "dish=soup&card[0][number]=hunter2".to_owned()),
        ("/a", vec![("content-type", form)], "dish=soup&a=1;password=x;hunter2".to_owned()),
        ("/a;jsessionid=hunter2?dish=soup", vec![], String::new()),
        ("/a?dish=soup;password=hunter2", vec![], String::new()),
        ("/a?dish=soup?password=hunter2", vec![], String::new()),
        ("/a?dish=soup", vec![("location", "https://x/cb#access_token=hunter2")], String::new()),
        (
            "/a?dish=soup",
            vec![("link", "<http://a/?x=1>; rel=a, <http://b/?password=hunter2>; rel=b")],
            String::new(),
        ),
        ("/a?dish=soup", vec![("referer", "https://u:hunter2@kitchen.test/")], String::new()),
        ("/a", vec![("content-type", form)], "dish=soup&client.secret=hunter2&x".to_owned()),
    ] {
        let id = keep(&site, target, &headers, body.as_bytes());
        let shown = everything(&site, id).await;
        assert!(!shown.contains(HIDDEN), "{target} {headers:?} {body}: {shown}");
        assert!(shown.contains("soup") && shown.contains("[masked]"), "{target} {headers:?} {body}: {shown}");
    }
}

#[tokio::test]
async fn what_cannot_be_looked_through_is_not_shown() {
    let site = Site::start(wish()).await;
    let json = "application/json";
    for (headers, body, why) in [
        (vec![("content-type", json)], "{\"password\":\"hunter2\"", "no JSON"),
        (vec![("content-type", "text/plain")], "password is hunter2", "of this kind"),
        (vec![("content-type", json), ("content-encoding", "gzip")], "{\"a\":\"hunter2\"}", "compressed"),
        (vec![("content-type", "application/x-www-form-urlencoded")], "é=hunter2", "no form"),
        (
            vec![("content-type", "application/x-www-form-urlencoded")],
            "<a><password>hunter2</password></a>",
            "no form",
        ),
        (vec![("content-type", "application/x-www-form-urlencoded")], "{\"password\":\"hunter2=", "no form"),
        (
            vec![("content-type", "application/x-www-form-urlencoded"), ("content-type", json)],
            "a=1;password=hunter2",
            "of this kind",
        ),
        (vec![], "password=hunter2", "of this kind"),
    ] {
        let id = keep(&site, "/a", &headers, body.as_bytes());
        let shown = everything(&site, id).await;
        assert!(!shown.contains(HIDDEN) && shown.contains(why), "{headers:?} {body}: {shown}");
        let (_, told) = site.json("GET", &format!("api/exchanges/{id}"), "").await;
        let body_told = &told["request"]["plain"]["body"];
        assert_eq!((&body_told["length"], &body_told["kept"]), (&body.len().into(), &0.into()));
    }
    // What was cut is no JSON any more, whatever it says of itself.
    let limits = CaptureLimits { body: 24, ..CaptureLimits::default() };
    let site = Site::start(Wish { limits, ..wish() }).await;
    let id = keep(&site, "/a", &[("content-type", json)], br#"{"password":"hunter2","dish":"soup"}"#);
    let shown = everything(&site, id).await;
    assert!(!shown.contains("hunter") && shown.contains("not kept whole"), "{shown}");
}

#[tokio::test]
async fn sealed_bytes_are_shown_beside_a_plain_body_that_is_masked() {
    let mask = mask().and("dish").unwrap();
    let site = Site::start(Wish { mask, ..wish() }).await;
    let id = site.keep_order("masked");
    let (_, told) = site.json("GET", &format!("api/exchanges/{id}"), "").await;
    let body = |side: &str| {
        let base64 = told["request"][side]["body"]["base64"].as_str().unwrap();
        encoding::base64_decode(base64.as_bytes()).unwrap()
    };
    assert_eq!(body("sealed").len(), ORDER.len() + 16);
    assert_eq!(String::from_utf8(body("plain")).unwrap(), ORDER.replace("soup; it's hot", "[masked]"));
    assert!(told["target"].as_str().unwrap().ends_with("?table=[masked]"), "{told}");
}

#[tokio::test]
async fn bytes_that_nothing_proves_to_be_sealed_are_not_shown() {
    // Refused before anything was handed on; without a tag; answered with another's words in the place of the peer's.
    let plain_latin = b"{\"password\":\"hunter2\",\"n\":\"\xfc\"}";
    let site = Site::start(wish()).await;
    let key = Arc::clone(site.keys.snapshot().keys().next().unwrap());
    let request = Request::post("/a").body(()).unwrap();
    let (head, ()) = request.clone().into_parts();
    let names = Names { iv: StreamProfile::ale().iv, fingerprint: StreamProfile::ale().fingerprint };
    let refused = begin(&site.capture, &head, "refused");
    refused.names(|| Some(names.clone()));
    refused.keyed(&key);
    refused.piece(Half::Request, Side::Client, plain_latin);
    refused.ended(|summary, _| summary.done = true);
    let replaced = begin(&site.capture, &head, "replaced");
    replaced.names(|| Some(names));
    replaced.keyed(&key);
    replaced.request_head(Side::Upstream, &request);
    replaced.piece(Half::Reply, Side::Client, plain_latin);
    replaced.piece(Half::Reply, Side::Upstream, b"{\"errorCode\":108}");
    replaced.ended(|summary, _| {
        summary.done = true;
        summary.outcome = Some("peer_error");
    });
    for id in 1..=2 {
        let shown = everything(&site, id).await;
        assert!(!shown.contains(HIDDEN), "{id}: {shown}");
    }
}

#[test]
fn large_documents_and_long_names_are_looked_through_once() {
    let long = "k".repeat(200_000);
    let text = format!("{{\"{long}\":[{}1],\"dish\":\"soup\"}}", "{\"a\":1},".repeat(20_000));
    let mut body = Body { length: text.len() as u64, kept: text.into_bytes(), withheld: None };
    mask().tried_on(&mut body);
    let shown = String::from_utf8(body.kept).unwrap();
    assert!(shown.ends_with(":\"[masked]\",\"dish\":\"soup\"}"), "the name is none that anybody wrote down");
    let deep = format!("{}{{\"pin\":\"{HIDDEN}\"}}{}", "[".repeat(200_000), "]".repeat(200_000));
    let mut body = Body { length: deep.len() as u64, kept: deep.clone().into_bytes(), withheld: None };
    mask().tried_on(&mut body);
    assert!(body.kept.is_empty() && body.withheld.is_some(), "it is nested deeper than any document");
}

#[tokio::test]
async fn messages_of_a_websocket_are_masked_and_events_too() {
    let site = Site::start(wish()).await;
    let (head, ()) = Request::get("/live?token=hunter2").body(()).unwrap().into_parts();
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let request = format!("GET {} HTTP/1.1\r\nhost: {}\r\n\r\n", site.path("api/events"), site.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut heard, mut piece) = (String::new(), [0; 4096]);
    while !heard.contains("\r\n\r\n") {
        let length = timeout(PATIENCE, stream.read(&mut piece)).await.expect("a head").unwrap();
        heard += &String::from_utf8_lossy(&piece[..length]);
    }
    let tap = begin(&site.capture, &head, "session");
    tap.switches();
    for (text, is_text) in
        [(&br#"{"pin":"hunter2","dish":"soup"}"#[..], true), (b"hunter2", true), (b"\xff hunter2", false)]
    {
        tap.message(|cut: &dyn Fn(&[u8]) -> Body| Message {
            at: Timestamp::now(),
            to_server: true,
            sealed: Some(cut(text)),
            plain: Some(cut(text)),
            text: is_text,
            refused: None,
        });
    }
    let shown = everything(&site, 1).await;
    assert!(!shown.contains(HIDDEN) && shown.contains("soup"), "{shown}");
    while !heard.contains("event: message") {
        let length = timeout(PATIENCE, stream.read(&mut piece)).await.expect("an event").unwrap();
        assert!(length > 0, "the events ended: {heard}");
        heard += &String::from_utf8_lossy(&piece[..length]);
    }
    assert!(heard.contains("/live?token=[masked]") && !heard.contains(HIDDEN), "{heard}");
}

#[tokio::test]
async fn with_a_mask_nothing_acts_and_the_doctor_says_nothing() {
    let site = Site::start(wish()).await;
    let id = site.keep_order("masked");
    for path in
        [format!("api/exchanges/{id}/doctor"), format!("api/exchanges/{id}/repeat"), "api/send".to_owned()]
    {
        let (status, told) = site.json("POST", &path, "{}").await;
        assert_eq!(status, 403, "{path}: {told}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn masked_member_is_gone_from_any_document_and_the_rest_stands_byte_for_byte(
        before in "[a-z]{1,6}", after in "[ -~]{0,12}", depth in 0_usize..8, spaces in "[ \n]{0,3}",
    ) {
        let inner = format!("{{\"{before}x\":1,{spaces}\"card number\":\"{HIDDEN}\",\"z\":{}}}", serde_json::json!(after));
        let text = (0..depth).fold(inner, |text, level| if level % 2 == 0 { format!("[{text}]") } else { format!("{{\"in\":{text}}}") });
        let mut body = Body { length: text.len() as u64, kept: text.clone().into_bytes(), withheld: None };
        mask().tried_on(&mut body);
        let shown = String::from_utf8(body.kept).unwrap();
        prop_assert_eq!(shown, text.replace(&format!("\"{HIDDEN}\""), "\"[masked]\""));
    }
}

#[test]
fn names_are_compared_by_their_letters_and_digits_and_asterisks_stand_for_anything() {
    let hides = |pattern: &str, name: &str| Mask::none().and(pattern).unwrap().hides(name);
    for (pattern, name) in [
        ("card-number", "cardNumber"),
        ("card-number", "CARD_NUMBER"),
        ("card-number", "card.number"),
        ("card-number", "order[card][number]"),
        ("*word", "password"),
        ("pass*", "password"),
        ("*ss*", "password"),
        ("pin", "a.pin.b"),
    ] {
        assert!(hides(pattern, name), "{pattern} {name}");
    }
    for (pattern, name) in [("pin", "spinach"), ("pass", "password"), ("*word", "words"), ("pin", "")] {
        assert!(!hides(pattern, name), "{pattern} {name}");
    }
    for nothing in ["", "*", "**", "-", "a*b", "*a*b*"] {
        assert!(Mask::none().and(nothing).is_err(), "{nothing}");
    }
}
