//! What is shown.

use super::*;
use crate::capture::{Body, Fault, Message};
use crate::crypto::encoding;

#[tokio::test]
async fn list_has_the_oldest_first_and_says_how_many_made_room() {
    let limits = CaptureLimits { exchanges: 2, ..CaptureLimits::default() };
    let site = Site::start(Wish { limits, ..Wish::default() }).await;
    for request_id in ["id-1", "id-2", "id-3"] {
        site.keep_order(request_id);
    }
    let (status, list) = site.json("GET", "api/exchanges", "").await;
    assert_eq!((status, &list["left_out"]), (200, &Value::from(1)));
    assert_eq!(list["limits"], serde_json::json!({"exchanges": 2, "bytes": 67108864, "body": 1048576}));
    let mut first = list["exchanges"][0].clone();
    let started = first["started"].as_str().unwrap();
    assert_eq!(started.len(), "2026-11-26T03:00:00.123456Z".len(), "{started}");
    first.as_object_mut().unwrap().remove("started");
    let expected = serde_json::json!({
        "id": 2, "kind": "http", "proxy": "dev", "direction": "inbound", "peer": "127.0.0.1", "method": "POST",
        "target": "/orders?table=7", "state": "done", "status": 201, "outcome": "answered", "reason": null,
        "key": "dev-1", "algorithm": "AES-128-GCM", "request_bytes": ORDER.len(), "reply_bytes": 2, "ms": 1.234,
        "request_id": "id-2", "repeats": null, "fault": null,
    });
    assert_eq!(first, expected);
    assert_eq!(list["exchanges"][1]["request_id"], "id-3");
}

#[tokio::test]
async fn detail_shows_an_exchange_sealed_and_plain_with_its_envelope_and_no_key() {
    let site = Site::start(Wish::default()).await;
    let id = site.keep_order("one");
    let (status, text) = site.ask("GET", &format!("api/exchanges/{id}"), "").await;
    let detail: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status, 200);
    let (sealed, plain) = (&detail["request"]["sealed"], &detail["request"]["plain"]);
    assert_eq!(sealed["start"], "POST /orders?table=7 HTTP/1.1");
    assert_eq!(plain["body"]["base64"], encoding::base64_encode(ORDER.as_bytes()));
    assert_eq!(plain["body"]["length"], ORDER.len());
    let envelope = &detail["request"]["envelope"];
    let header = |name: &str| {
        let headers = sealed["headers"].as_array().unwrap();
        headers.iter().find(|header| header[0] == name).unwrap()[1].clone()
    };
    assert_eq!((&envelope["iv"], &envelope["fingerprint"]), (&header("sec-iv"), &header("sec-fingerprint")));
    let body = encoding::base64_decode(sealed["body"]["base64"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(envelope["tag"], encoding::base64_encode(body.last_chunk::<16>().unwrap()));
    assert_eq!((&envelope["algorithm"], &envelope["authenticated"]), (&"AES-128-GCM".into(), &true.into()));
    // The application answered, and nothing was sealed of it.
    assert_eq!(detail["reply"]["sealed"], Value::Null);
    assert_eq!(detail["reply"]["envelope"], Value::Null);
    assert_eq!(detail["timings"], serde_json::json!({"opening": null, "upstream": 0.9, "sealing": null}));
    assert_eq!((&detail["failure"], detail.get("messages")), (&Value::Null, None));
    for secret in [encoding::base64_encode(&SECRET), encoding::hex_encode(&SECRET)] {
        assert!(!text.contains(&secret));
    }
}

#[tokio::test]
async fn failure_is_told_with_its_stage_and_what_it_may_be() {
    let site = Site::start(Wish::default()).await;
    let id = keep_refused(&site.capture, "errorCode 2: not_authentic");
    let (_, detail) = site.json("GET", &format!("api/exchanges/{id}"), "").await;
    let failure = &detail["failure"];
    assert_eq!(
        (&failure["stage"], &failure["reason"]),
        (&"opening".into(), &"errorCode 2: not_authentic".into())
    );
    assert!(failure["likely"].as_str().unwrap().starts_with("The tag does not verify"), "{failure}");
}

#[tokio::test]
async fn body_that_was_cut_says_so_and_is_neither_copied_nor_repeated() {
    let limits = CaptureLimits { body: 10, ..CaptureLimits::default() };
    let site = Site::start(Wish { limits, reach: Some(([127, 0, 0, 1], 9).into()), ..Wish::default() }).await;
    let id = site.keep_order("one");
    let (_, detail) = site.json("GET", &format!("api/exchanges/{id}"), "").await;
    let body = &detail["request"]["plain"]["body"];
    assert_eq!((&body["length"], &body["kept"]), (&ORDER.len().into(), &10.into()));
    assert_eq!(body["base64"], encoding::base64_encode(&ORDER.as_bytes()[..10]));
    assert_eq!(detail["request"]["envelope"]["tag"], Value::Null);
    for exactly in [false, true] {
        let order = format!(r#"{{"exactly": {exactly}}}"#);
        let (status, told) = site.json("POST", &format!("api/exchanges/{id}/repeat"), &order).await;
        assert_eq!(status, 409, "{told}");
        assert!(told["error"].as_str().unwrap().contains("not kept whole"), "{told}");
    }
    assert_eq!(site.json("GET", &format!("api/exchanges/{id}/copy?as=curl"), "").await.0, 409);
}

#[tokio::test]
async fn exchange_that_is_not_kept_is_not_found() {
    let site = Site::start(Wish::default()).await;
    for below in ["api/exchanges/7", "api/exchanges/7/copy?as=send"] {
        assert_eq!(site.json("GET", below, "").await.0, 404, "{below}");
    }
    assert_eq!(site.json("POST", "api/exchanges/7/repeat", "{}").await.0, 404);
    assert_eq!(site.json("POST", "api/exchanges/7/doctor", "").await.0, 404);
}

#[tokio::test]
async fn messages_of_a_websocket_are_shown_in_their_order() {
    let site = Site::start(Wish::default()).await;
    let (head, ()) = Request::get("/bell").body(()).unwrap().into_parts();
    let tap = begin(&site.capture, &head, "bell");
    tap.switches();
    let at: Timestamp = "2026-11-26T03:00:00.5Z".parse().unwrap();
    tap.message(|cut| Message {
        at,
        to_server: true,
        text: true,
        sealed: Some(cut(b"sealed")),
        plain: Some(cut(b"ding")),
        refused: None,
    });
    tap.message(|_| Message {
        at,
        to_server: false,
        text: false,
        sealed: Some(Body::default()),
        plain: None,
        refused: Some("bad_envelope".to_owned()),
    });
    let (_, detail) = site.json("GET", "api/exchanges/1", "").await;
    assert_eq!((&detail["kind"], &detail["state"]), (&"websocket".into(), &"open".into()));
    let expected = serde_json::json!([
        {"index": 0, "at": "2026-11-26T03:00:00.500000Z", "direction": "to_server",
         "sealed": {"length": 6, "kept": 6, "base64": "c2VhbGVk"}, "plain": {"length": 4, "kept": 4, "base64": "ZGluZw=="},
         "text": true, "refused": null},
        {"index": 1, "at": "2026-11-26T03:00:00.500000Z", "direction": "to_client",
         "sealed": {"length": 0, "kept": 0, "base64": ""}, "plain": null, "text": false, "refused": "bad_envelope"},
    ]);
    assert_eq!(detail["messages"], expected);
}

#[tokio::test]
async fn events_tell_of_exchanges_clearing_faults_and_keys() {
    let rotate: Rotate = Arc::new(|| Ok("dev-2".to_owned()));
    let site = Site::start(Wish { rotate: Some(rotate), ..Wish::default() }).await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let request = format!("GET {} HTTP/1.1\r\nhost: {}\r\n\r\n", site.path("api/events"), site.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut heard = String::new();
    // Whoever has the head is heard from then on.
    read_until(&mut stream, &mut heard, "\r\n\r\n").await;
    assert!(heard.contains("content-type: text/event-stream"), "{heard}");
    keep_refused(&site.capture, "errorCode 1: missing_iv");
    read_until(&mut stream, &mut heard, "\"reason\":\"errorCode 1: missing_iv\"").await;
    assert_eq!(site.json("POST", "api/faults", r#"{"kind": "wrong_tag", "count": 1}"#).await.0, 200);
    read_until(&mut stream, &mut heard, "event: faults\ndata: {}\n\n").await;
    assert_eq!(site.json("POST", "api/keys/rotate", "").await.1["fingerprint"], "dev-2");
    read_until(&mut stream, &mut heard, "event: keys\ndata: {}\n\n").await;
    assert_eq!(site.ask("DELETE", "api/exchanges", "").await, (204, String::new()));
    read_until(&mut stream, &mut heard, "event: cleared\ndata: {}\n\n").await;
    assert_eq!(heard.matches("event: exchange\ndata: {\"id\":1,").count(), 2, "{heard}");
    assert_eq!(site.json("GET", "api/exchanges", "").await.1["exchanges"], serde_json::json!([]));
}

async fn read_until(stream: &mut TcpStream, heard: &mut String, text: &str) {
    while !heard.contains(text) {
        let mut piece = [0; 4096];
        let length = timeout(PATIENCE, stream.read(&mut piece)).await.expect("more events").unwrap();
        assert!(length > 0, "the events ended: {heard}");
        heard.push_str(std::str::from_utf8(&piece[..length]).unwrap());
    }
}

#[tokio::test]
async fn faults_are_planned_listed_and_cleared() {
    let site = Site::start(Wish::default()).await;
    for order in [r#"{"kind": "wrong_tag", "count": 3}"#, r#"{"kind": "delay", "count": 1, "ms": 2000}"#] {
        assert_eq!(site.json("POST", "api/faults", order).await.0, 200, "{order}");
    }
    let (_, list) = site.json("GET", "api/faults", "").await;
    let planned =
        serde_json::json!([{"kind": "wrong_tag", "left": 3}, {"kind": "delay", "left": 1, "ms": 2000}]);
    assert_eq!(list["faults"], planned);
    let kinds = list["kinds"].as_array().unwrap();
    assert_eq!(kinds.len(), Fault::ALL.len());
    assert!(kinds.iter().all(|kind| !kind["does"].as_str().unwrap().is_empty()));
    for order in [
        r#"{"kind": "flood", "count": 3}"#,
        r#"{"kind": "wrong_tag", "count": 0}"#,
        r#"{"kind": "wrong_tag", "count": -1}"#,
        r#"{"kind": "wrong_tag", "count": 1, "ms": 5}"#,
        r#"{"kind": "delay", "count": 1}"#,
        r#"{"kind": "delay", "count": 1, "ms": 600001}"#,
        "nonsense",
    ] {
        assert_eq!(site.json("POST", "api/faults", order).await.0, 400, "{order}");
    }
    assert_eq!(site.ask("DELETE", "api/faults", "").await.0, 204);
    assert_eq!(site.json("GET", "api/faults", "").await.1["faults"], serde_json::json!([]));
}

#[tokio::test]
async fn keys_are_shown_by_name_and_never_by_secret() {
    let site = Site::start(Wish::default()).await;
    site.keep_order("one");
    let (_, text) = site.ask("GET", "api/keys", "").await;
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&report["can_rotate"], &report["keysets"][0]["name"]), (&false.into(), &"default".into()));
    let key = &report["keysets"][0]["keys"][0];
    let shown = [&key["fingerprint"], &key["algorithm"], &key["state"]];
    assert_eq!(shown, ["dev-1", "AES-128-GCM", "sealing"]);
    assert_eq!(
        (&key["seals"], &key["sealed"], &key["opened"], &key["may_go"]),
        (&true.into(), &1.into(), &0.into(), &false.into())
    );
    assert!(key["last_used"].is_string() && key["why"] == "it seals", "{key}");
    assert!(!text.contains("kept to itself"));
    assert_eq!(site.json("POST", "api/keys/rotate", "").await.0, 409);
}

#[tokio::test]
async fn rotation_that_fails_says_why() {
    let rotate: Rotate = Arc::new(|| Err("the key file was changed meanwhile".to_owned()));
    let site = Site::start(Wish { rotate: Some(rotate), ..Wish::default() }).await;
    let (status, told) = site.json("POST", "api/keys/rotate", "").await;
    assert_eq!((status, &told["error"]), (409, &"the key file was changed meanwhile".into()));
}

#[tokio::test]
async fn proxies_are_named_with_where_they_listen_and_hand_on_to() {
    let site = Site::start(Wish::default()).await;
    let (_, about) = site.json("GET", "api/about", "").await;
    let proxy = serde_json::json!({
        "name": "dev", "mode": "inbound", "address": "127.0.0.1:7080", "upstream": "http://127.0.0.1:3000", "profile": "ale",
    });
    assert_eq!(about["proxies"], serde_json::json!([proxy]));
    assert_eq!((&about["version"], &about["can_act"]), (&"0.1.0".into(), &true.into()));
}
