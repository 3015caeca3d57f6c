//! Streams that are refused or reset, and connections that go away.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

#[tokio::test]
async fn a_refused_stream_is_sent_again_with_its_whole_body() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool();
    let serving = async move {
        let mut connection = upstream.accept().await;
        let (_, mut respond) = connection.accept().await.unwrap().unwrap();
        respond.send_reset(Reason::REFUSED_STREAM);
        let again = connection.accept().await.unwrap().unwrap();
        assert_eq!(again.0.uri().path(), "/orders");
        tokio::spawn(echo(again));
        carry(connection).await;
    };
    let serving = tokio::spawn(serving);
    assert_eq!(body_of(pool.send(order("soup")).await).await, "soup");
    assert!(!serving.is_finished());
}

#[tokio::test]
async fn a_stream_that_is_refused_each_time_is_given_up_after_the_third() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool();
    let (refused, mut refusals) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let mut connection = upstream.accept().await;
            let refused = refused.clone();
            tokio::spawn(async move {
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    respond.send_reset(Reason::REFUSED_STREAM);
                    refused.send(()).unwrap();
                }
            });
        }
    });
    assert!(matches!(pool.send(order("soup")).await, Err(SendFault::Broke(_))));
    for _ in 0..3 {
        refusals.recv().await.unwrap();
    }
    assert!(refusals.try_recv().is_err());
}

#[tokio::test]
async fn a_refused_stream_whose_body_is_gone_is_not_sent_again() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool();
    let (request, mut drops) = Endless::request(false);
    let serving = async {
        let mut connection = upstream.accept().await;
        let (_, mut respond) = connection.accept().await.unwrap().unwrap();
        respond.send_reset(Reason::REFUSED_STREAM);
        tokio::spawn(async move {
            assert!(connection.accept().await.is_none_or(|arrived| arrived.is_err()), "it is sent again");
        });
    };
    let (sent, ()) = tokio::join!(pool.send(request), serving);
    assert!(matches!(sent, Err(SendFault::Broke(_))));
    assert_eq!(drops.recv().await, None);
}

#[tokio::test]
async fn a_reset_stream_hurts_no_other() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool();
    let serving = async {
        let mut connection = upstream.accept().await;
        let first = connection.accept().await.unwrap().unwrap();
        let (_, mut second) = connection.accept().await.unwrap().unwrap();
        second.send_reset(Reason::INTERNAL_ERROR);
        tokio::spawn(echo(first));
        tokio::spawn(async move {
            while let Some(Ok(arrived)) = connection.accept().await {
                tokio::spawn(echo(arrived));
            }
        });
        upstream
    };
    let (first, second, _listening) = tokio::join!(pool.send(order("a")), pool.send(order("b")), serving);
    assert_eq!(body_of(first).await, "a");
    assert!(matches!(second, Err(SendFault::Broke(_))));
    assert_eq!(body_of(pool.send(order("c")).await).await, "c");
}

#[tokio::test]
async fn a_goaway_loses_nothing_and_nothing_is_done_twice() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool();
    let (served, mut done) = mpsc::unbounded_channel();
    // Each connection goes away in the midst of what is sent on it.
    tokio::spawn(async move {
        loop {
            let mut connection = upstream.accept().await;
            let served = served.clone();
            tokio::spawn(async move {
                let mut count = 0;
                while let Some(Ok(arrived)) = connection.accept().await {
                    count += 1;
                    if count == 20 {
                        connection.graceful_shutdown();
                    }
                    let served = served.clone();
                    tokio::spawn(async move {
                        echo(arrived).await;
                        served.send(()).unwrap();
                    });
                }
            });
        }
    });
    for _ in 0..5 {
        let mut exchanges = JoinSet::new();
        for number in 0..50 {
            let pool = Arc::clone(&pool);
            exchanges.spawn(async move {
                let text = format!("order {number}");
                assert_eq!(body_of(pool.send(order(&text)).await).await, text);
            });
        }
        while let Some(ended) = exchanges.join_next().await {
            ended.unwrap();
        }
    }
    drop(pool);
    for _ in 0..250 {
        done.recv().await.unwrap();
    }
    assert!(done.try_recv().is_err());
}

/// GOAWAY as a frame, naming the last stream that is served.
fn goaway(last: u32) -> Vec<u8> {
    [&[0, 0, 8, 7, 0, 0, 0, 0, 0][..], &last.to_be_bytes(), &[0; 4]].concat()
}

#[tokio::test]
async fn streams_beyond_the_last_one_of_a_goaway_are_sent_again_and_the_others_are_not() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool();
    let serving = async {
        // As bytes: settings, then GOAWAY once both requests are there, then the end.
        let (mut raw, _) = upstream.listener.accept().await.unwrap();
        raw.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
        let mut seen = Vec::new();
        while seen.windows(5).filter(|part| part == b"order").count() < 2 {
            assert_ne!(raw.read_buf(&mut seen).await.unwrap(), 0);
        }
        raw.write_all(&goaway(1)).await.unwrap();
        let mut connection = upstream.accept().await;
        drop(raw);
        tokio::spawn(echo(connection.accept().await.unwrap().unwrap()));
        tokio::spawn(carry(connection));
    };
    let (first, second, ()) = tokio::join!(pool.send(order("order 1")), pool.send(order("order 2")), serving);
    // It may have been acted upon.
    assert!(matches!(first, Err(SendFault::Broke(_))));
    assert_eq!(body_of(second).await, "order 2");
}
