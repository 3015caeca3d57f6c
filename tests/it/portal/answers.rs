//! What the portal answers: documents, whole and cut, statuses, redirects.

use std::time::Duration;

use alewife::sources::SecretSource;
use alewife::sources::portal::{Answer, FetchFault, HeaderSource, PortalConfig, PortalHeader};
use http::header::AUTHORIZATION;

use super::{DOCUMENT, SHORT, config, document_of, fault_of, fetch};
use crate::support::{Portal, PortalAnswer, eventually};

#[tokio::test]
async fn document_is_fetched_whole_however_it_is_framed() {
    let Some(portal) = Portal::start() else { return };
    let long = format!("{{\"keys\":[{}]}}", " ".repeat(60_000));
    for document in [DOCUMENT, "{\"ü\":\"€\"}", &long] {
        let answer = || PortalAnswer::document(document);
        for answer in [answer(), answer().chunked(), answer().until_close()] {
            portal.answer(answer);
            let (text, validator) = document_of(config(&portal)).await;
            assert_eq!(text, document);
            assert_eq!(validator, None);
        }
    }
    let request = &portal.requests()[0];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/sites/7"));
    let host = format!("localhost:{}", portal.address().port());
    for (name, value) in [
        ("host", host.as_str()),
        ("accept", "application/json"),
        ("accept-encoding", "identity"),
        ("connection", "close"),
        ("user-agent", concat!("alewife/", env!("CARGO_PKG_VERSION"))),
    ] {
        assert_eq!(request.header(name), Some(value));
    }
    assert_eq!(request.headers.len(), 5);
}

#[tokio::test]
async fn document_that_is_known_is_not_sent_again() {
    let Some(portal) = Portal::start() else { return };
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (answer, condition) in [
        (PortalAnswer::document(DOCUMENT).etag(), "if-none-match"),
        (PortalAnswer::document(DOCUMENT).modified(date), "if-modified-since"),
        (PortalAnswer::document(DOCUMENT).etag().modified(date), "if-none-match"),
    ] {
        portal.answer(answer);
        let (_, validator) = document_of(config(&portal)).await;
        let validator = validator.unwrap();
        assert!(matches!(fetch(config(&portal), Some(&validator)).await, Ok(Answer::NotModified)));
        let asked = portal.requests().pop().unwrap();
        let conditions = asked.headers.iter().filter(|(name, _)| name.starts_with("if-"));
        assert_eq!(conditions.map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [condition]);
        // Another document by now.
        portal.answer(PortalAnswer::document("{}").etag());
        let Ok(Answer::Document { text, .. }) = fetch(config(&portal), Some(&validator)).await else {
            panic!()
        };
        assert_eq!(*text, "{}");
    }
}

#[tokio::test]
async fn unchanged_is_no_answer_to_who_did_not_ask_whether_it_is() {
    let Some(portal) = Portal::start() else { return };
    portal.fail(304);
    assert!(matches!(fault_of(config(&portal)).await, FetchFault::NotModifiedUnasked));
}

#[tokio::test]
async fn answer_that_is_cut_short_is_not_taken() {
    let Some(portal) = Portal::start() else { return };
    let answer = || PortalAnswer::document(DOCUMENT);
    for cut in [
        answer().cut_after(5),
        answer().cut_after(0),
        answer().cut_after(5).roughly(),
        answer().claims_length(1000),
        answer().chunked().cut_after(5),
        // Between two chunks: the last one is missing.
        answer().chunked().filler(100_000).cut_after(11),
        // Whole as far as anybody can see, but TLS was not told of the end: it may have been cut by anybody.
        answer().until_close().roughly(),
        answer().until_close().cut_after(5).roughly(),
        PortalAnswer::raw(""),
        PortalAnswer::raw("HTTP/1.1 200 OK\r\ncontent-le"),
    ] {
        portal.answer(cut);
        let fault = fault_of(config(&portal)).await;
        assert!(matches!(fault, FetchFault::CutShort), "{fault:?}");
    }
}

#[tokio::test]
async fn what_is_no_http_is_not_taken() {
    let Some(portal) = Portal::start() else { return };
    for raw in [
        "SSH-2.0-s3cret\r\n\r\n",
        "HTTP/1.1 200 OK\r\ns3cret, no field\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\ns3cret\r\n",
    ] {
        portal.answer(PortalAnswer::raw(raw));
        let fault = fault_of(config(&portal)).await;
        assert!(matches!(fault, FetchFault::NotHttp(_)), "{raw:?}: {fault:?}");
        assert!(!format!("{fault} {fault:?}").contains("s3cret"), "{fault:?}");
    }
}

#[tokio::test]
async fn head_that_is_too_long_is_not_taken() {
    let Some(portal) = Portal::start() else { return };
    let long = "a".repeat(3000);
    let many = (0..90).fold(PortalAnswer::document(DOCUMENT), |answer, _| answer.header("x-a", &long));
    portal.answer(many);
    let fault = fault_of(config(&portal)).await;
    assert!(matches!(fault, FetchFault::HeadTooLarge), "{fault:?}");
}

#[tokio::test]
async fn slow_body_is_given_up_in_the_time_of_the_whole_fetch() {
    let Some(portal) = Portal::start() else { return };
    let slow = PortalAnswer::document(DOCUMENT).filler(50_000).slowly(500);
    for answer in [PortalAnswer::silence(), slow.clone(), slow.chunked()] {
        portal.answer(answer);
        let fault = fault_of(PortalConfig { timeout: SHORT, ..config(&portal) }).await;
        assert!(matches!(fault, FetchFault::TimedOut(SHORT)), "{fault:?}");
    }
}

#[tokio::test]
async fn answer_of_a_hundred_megabytes_is_given_up_at_the_limit() {
    const HUNDRED: u64 = 100_000_000;
    let Some(portal) = Portal::start() else { return };
    let large = || PortalAnswer::document(DOCUMENT).filler(HUNDRED);
    for answer in [large(), large().chunked(), large().until_close()] {
        portal.answer(answer);
        let fault = fault_of(config(&portal)).await;
        assert!(matches!(fault, FetchFault::TooLarge { limit: 65_536 }), "{fault:?}");
    }
    // What went out is what the sockets hold, and not what the answer has.
    eventually("it has noticed", || portal.requests().iter().all(|request| request.over));
    assert!(portal.requests().iter().all(|request| request.sent < HUNDRED / 4), "{:?}", portal.requests());
}

#[tokio::test]
async fn limit_is_what_a_document_may_have_and_not_a_byte_more() {
    let Some(portal) = Portal::start() else { return };
    let exact = || PortalAnswer::document("").filler(65_536);
    for answer in [exact(), exact().chunked(), exact().until_close()] {
        portal.answer(answer);
        assert_eq!(document_of(config(&portal)).await.0.len(), 65_536);
    }
    let more = || PortalAnswer::document("").filler(65_537);
    for answer in [more(), more().chunked(), more().until_close(), exact().claims_length(u64::MAX / 2)] {
        portal.answer(answer);
        let fault = fault_of(config(&portal)).await;
        assert!(matches!(fault, FetchFault::TooLarge { limit: 65_536 }), "{fault:?}");
    }
}

#[tokio::test]
async fn document_that_is_no_text_or_nothing_or_compressed_is_not_taken() {
    let Some(portal) = Portal::start() else { return };
    portal.answer(PortalAnswer::document("{\"caf\u{e9}\":1}").latin1());
    assert!(matches!(fault_of(config(&portal)).await, FetchFault::NotUtf8));
    for empty in [PortalAnswer::document(""), PortalAnswer::document("").chunked()] {
        portal.answer(empty);
        assert!(matches!(fault_of(config(&portal)).await, FetchFault::Empty));
    }
    portal.answer(PortalAnswer::document(DOCUMENT).header("content-encoding", "gzip"));
    assert!(matches!(fault_of(config(&portal)).await, FetchFault::Encoded(coding) if coding == "gzip"));
}

#[tokio::test]
async fn status_that_brings_no_document_is_told_with_the_wait_that_it_asks_for() {
    let Some(portal) = Portal::start() else { return };
    for status in [201, 202, 204, 206, 300, 305, 400, 401, 403, 404, 410, 418, 429, 500, 502, 503, 504, 599] {
        portal.answer(PortalAnswer::status(status).retry_after("7"));
        let fault = fault_of(config(&portal)).await;
        let wait = matches!(status, 429 | 503).then_some(Duration::from_secs(7));
        assert!(
            matches!(&fault, FetchFault::Status { status: told, .. } if told.as_u16() == status),
            "{fault:?}"
        );
        assert_eq!(fault.retry_after(), wait, "{status}");
        assert!(!fault.remedy().is_empty());
    }
    portal.answer(PortalAnswer::status(503).retry_after("Fri, 01 Jan 2100 00:00:00 GMT"));
    assert_eq!(fault_of(config(&portal)).await.retry_after(), Some(Duration::from_secs(3600)));
    portal.answer(PortalAnswer::status(503));
    assert_eq!(fault_of(config(&portal)).await.retry_after(), None);
}

#[tokio::test]
async fn redirect_within_the_portal_is_followed_with_everything_that_was_sent() {
    let Some(portal) = Portal::start() else { return };
    let token = || HeaderSource::Literal("s3cret".parse().unwrap());
    let headers = vec![PortalHeader::new(AUTHORIZATION, "Bearer ".to_owned(), token()).unwrap()];
    portal.answer_at("/there", PortalAnswer::document(DOCUMENT).etag());
    for status in [301, 302, 303, 307, 308] {
        for location in ["/there", "../there?a=b", &portal.url_of("/there")] {
            portal.answer(PortalAnswer::status(status).location(location));
            let config = PortalConfig { headers: headers.clone(), ..config(&portal) };
            assert_eq!(document_of(config).await.0, DOCUMENT);
            let requests = portal.requests();
            let [.., here, there] = &requests[..] else { panic!() };
            assert!(there.target.starts_with("/there"), "{there:?}");
            assert_eq!(here.headers, there.headers);
            assert_eq!(there.header("authorization"), Some("Bearer s3cret"));
        }
    }
}

#[tokio::test]
async fn redirect_to_another_place_is_not_followed_and_is_named() {
    let (Some(portal), Some(other)) = (Portal::start(), Portal::start()) else { return };
    other.serve(DOCUMENT);
    let port = portal.address().port();
    for (location, named) in [
        (other.url(), other.url_of("")),
        (format!("http://localhost:{port}/?token=s3cret"), format!("http://localhost:{port}")),
        (format!("//127.0.0.1:{port}/sites/7"), format!("https://127.0.0.1:{port}")),
    ] {
        portal.answer(PortalAnswer::status(302).location(&location));
        let fault = fault_of(config(&portal)).await;
        assert!(matches!(&fault, FetchFault::RedirectElsewhere(place) if *place == named), "{fault:?}");
    }
    assert!(other.requests().is_empty());
    for nowhere in [
        PortalAnswer::status(302),
        PortalAnswer::status(302).location("a b"),
        PortalAnswer::status(302).location("ftp://localhost/"),
    ] {
        portal.answer(nowhere);
        let fault = fault_of(config(&portal)).await;
        assert!(matches!(fault, FetchFault::RedirectNowhere(status) if status == 302), "{fault:?}");
    }
}

#[tokio::test]
async fn redirects_in_a_circle_are_given_up_after_three() {
    let Some(portal) = Portal::start() else { return };
    portal.answer(PortalAnswer::status(302).location("/sites/7"));
    assert!(matches!(fault_of(config(&portal)).await, FetchFault::TooManyRedirects));
    assert_eq!(portal.requests().len(), 4);
    for next in ["/a", "/b", "/c"] {
        portal.once(PortalAnswer::status(302).location(next));
    }
    portal.serve(DOCUMENT);
    assert_eq!(document_of(config(&portal)).await.0, DOCUMENT);
}

#[tokio::test]
async fn secret_header_is_read_anew_for_each_fetch() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(DOCUMENT);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    let source = HeaderSource::Secret(SecretSource::File(file.clone()));
    let header = PortalHeader::new("x-vault-token".parse().unwrap(), String::new(), source).unwrap();
    let config = || PortalConfig { headers: vec![header.clone()], ..config(&portal) };
    let client = alewife::sources::portal::PortalClient::new(config());
    let fault = client.fetch(None).await.err().unwrap();
    assert!(matches!(&fault, FetchFault::Secret { header, .. } if header == "x-vault-token"), "{fault:?}");
    assert!(portal.requests().is_empty());
    for token in ["first", "second"] {
        std::fs::write(&file, format!("{token}\n")).unwrap();
        assert!(client.fetch(None).await.is_ok());
        assert_eq!(portal.requests().pop().unwrap().header("x-vault-token"), Some(token));
    }
    std::fs::write(&file, "two\nlines").unwrap();
    let fault = client.fetch(None).await.err().unwrap();
    assert!(matches!(&fault, FetchFault::Unsendable(name) if name == "x-vault-token"), "{fault:?}");
}
