use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::Request;

use super::*;

fn begin(capture: &Arc<Capture>, target: &str) -> Tap {
    let (head, ()) = Request::builder().method("POST").uri(target).body(()).unwrap().into_parts();
    let proxy = Arc::from("dev");
    Tap::begin(Some(capture), || Begun {
        proxy: &proxy,
        direction: Direction::Inbound,
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        head: &head,
        request_id: target,
    })
}

fn limits(exchanges: usize, bytes: usize, body: usize) -> CaptureLimits {
    CaptureLimits { exchanges, bytes, body }
}

fn targets(capture: &Capture) -> Vec<String> {
    capture.list().0.into_iter().map(|summary| summary.target).collect()
}

#[test]
fn tap_without_a_capture_keeps_nothing() {
    let tap = Tap::begin(None, || unreachable!("nobody asks"));
    assert!(!tap.is_on() && !Tap::default().is_on());
    tap.piece(Half::Request, Side::Client, b"nothing");
    assert_eq!(tap.fault(), None);
}

#[test]
fn oldest_make_room_where_there_are_too_many() {
    let capture = Capture::new(limits(2, 1 << 20, 1024));
    ["/1", "/2", "/3"].iter().for_each(|target| drop(begin(&capture, target)));
    assert_eq!(targets(&capture), ["/2", "/3"]);
    assert_eq!(capture.list().1, 1);
    assert!(capture.get(1).is_none());
}

#[test]
fn oldest_make_room_where_the_bytes_are_too_many_and_the_newest_stays_whatever_it_has() {
    let capture = Capture::new(limits(100, 3000, 10_000));
    let taps = ["/1", "/2", "/3"].map(|target| begin(&capture, target));
    taps[2].piece(Half::Request, Side::Client, &[1; 2990]);
    assert_eq!(targets(&capture).last().unwrap(), "/3");
    assert!(targets(&capture).len() < 3, "{:?}", targets(&capture));
    taps[2].piece(Half::Request, Side::Client, &[1; 5000]);
    assert_eq!(targets(&capture), ["/3"]);
    // What made room is not kept again, whatever still comes of it.
    taps[0].piece(Half::Request, Side::Client, &[1; 100]);
    assert_eq!(targets(&capture), ["/3"]);
}

#[test]
fn long_body_is_cut_and_its_length_is_kept() {
    let capture = Capture::new(limits(2, 1 << 20, 10));
    let tap = begin(&capture, "/1");
    for piece in ["0123456", "789abc", "def"] {
        tap.piece(Half::Request, Side::Upstream, piece.as_bytes());
    }
    let captured = capture.get(1).unwrap();
    let body = captured.body(Half::Request, Side::Upstream);
    assert_eq!((body.length, &body.kept[..], body.is_whole()), (16, &b"0123456789"[..], false));
    assert_eq!(captured.summary.request_bytes, 16);
    assert_eq!(*captured.body(Half::Reply, Side::Client), Body::default());
}

#[test]
fn those_who_listen_hear_of_begin_end_and_clearing() {
    let capture = Capture::new(CaptureLimits::default());
    let mut events = capture.listen();
    let tap = begin(&capture, "/1");
    tap.ended(|summary, _| {
        summary.done = true;
        summary.status = Some(200);
    });
    tap.ended(|summary, _| summary.status = Some(500));
    capture.clear();
    let mut heard = Vec::new();
    while let Ok(event) = events.try_recv() {
        heard.push(match event {
            Event::Exchange(summary) => format!("{} {:?}", summary.target, summary.status),
            Event::Cleared => "cleared".to_owned(),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(heard, ["/1 None", "/1 Some(200)", "/1 Some(200)", "cleared"]);
    assert!(targets(&capture).is_empty());
}

#[tokio::test]
async fn who_expects_an_exchange_is_told_its_number() {
    let capture = Capture::new(CaptureLimits::default());
    let expected = capture.expect("/again".to_owned(), Some(7));
    begin(&capture, "/other");
    begin(&capture, "/again");
    assert_eq!(expected.begun().await, Some(2));
    let (list, _) = capture.list();
    assert_eq!(list.iter().map(|summary| summary.repeats).collect::<Vec<_>>(), [None, Some(7)]);
}

#[test]
fn planned_faults_are_for_the_next_exchanges_in_their_order() {
    let capture = Capture::new(CaptureLimits::default());
    capture.faults.plan(Fault::WrongTag, 2);
    capture.faults.plan(Fault::DropReply, 1);
    capture.faults.plan(Fault::ErrorCode1, 0);
    let faults = ["/1", "/2", "/3", "/4"].map(|target| begin(&capture, target).fault());
    assert_eq!(faults, [Some(Fault::WrongTag), Some(Fault::WrongTag), Some(Fault::DropReply), None]);
    capture.faults.plan(Fault::ExpiredKey, 5);
    assert_eq!(capture.faults.planned(), [PlannedFault { fault: Fault::ExpiredKey, left: 5 }]);
    capture.faults.clear();
    assert_eq!(begin(&capture, "/5").fault(), None);
}
