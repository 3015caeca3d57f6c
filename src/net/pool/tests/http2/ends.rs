//! How exchanges, uploads and connections end.

use super::*;

#[tokio::test]
async fn a_wait_that_is_given_up_resets_its_own_stream_and_ends_its_upload() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool();
    let (request, mut drops) = Endless::request(false);
    let sending = Arc::clone(&pool);
    let waiting = tokio::spawn(async move { sending.send(request).await.map(drop) });
    let mut connection = upstream.accept().await;
    let (_request, mut respond) = connection.accept().await.unwrap().unwrap();
    waiting.abort();
    let carrying = tokio::spawn(carry(connection));
    let reason = std::future::poll_fn(|cx| respond.poll_reset(cx)).await.unwrap();
    assert_eq!(reason, Reason::CANCEL);
    assert_eq!(drops.recv().await, None);
    assert!(!carrying.is_finished());
    assert!(pool.links.take_place(pool.longest_idle).is_some());
}

#[tokio::test]
async fn an_exchange_that_ends_before_its_request_takes_the_upload_along() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool();
    let (request, mut drops) = Endless::request(false);
    let serving = async {
        let mut connection = upstream.accept().await;
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        let reply = respond.send_response(Response::new(()), false).unwrap();
        tokio::spawn(carry(connection));
        (request, reply)
    };
    let (sent, (_request, mut reply)) = tokio::join!(pool.send(request), serving);
    drop(sent.unwrap());
    assert_eq!(drops.recv().await, None);
    let reason = std::future::poll_fn(|cx| reply.poll_reset(cx)).await.unwrap();
    assert_eq!(reason, Reason::CANCEL);
    // hyper may be stuck on an upload, so its connection is not used again.
    assert!(pool.links.take_place(pool.longest_idle).is_none());
}

#[tokio::test]
async fn an_upload_that_the_other_side_never_takes_does_not_outlive_its_exchange_for_long() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool();
    let (request, mut drops) = Endless::request(true);
    let serving = async move {
        let mut connection = upstream.accept().await;
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        let reply = respond.send_response(Response::new(()), false).unwrap();
        // Nothing of the body is ever released, so its sender waits for ever.
        carry(connection).await;
        drop((request, reply));
    };
    let serving = tokio::spawn(serving);
    let sent = pool.send(request).await.unwrap();
    tokio::time::pause();
    drop(sent);
    assert_eq!(drops.recv().await, None);
    serving.await.unwrap();
}

#[tokio::test]
async fn a_connection_without_a_stream_is_closed_after_its_time_and_one_with_a_stream_is_not() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool();
    let mut connections = Vec::new();
    let serving = async {
        let mut connection = upstream.accept().await;
        let (_, mut respond) = connection.accept().await.unwrap().unwrap();
        let reply = respond.send_response(Response::new(()), false).unwrap();
        connections.push(tokio::spawn(carry(connection)));
        reply
    };
    let (sent, mut reply) = tokio::join!(pool.send(order("soup")), serving);
    let (response, lease) = sent.unwrap();
    // Not before: it would run ahead of the sockets.
    tokio::time::pause();
    tokio::time::sleep(4 * pool.longest_idle).await;
    assert!(!connections[0].is_finished());
    reply.send_data(Bytes::from_static(b"soup"), true).unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "soup");
    lease.give_back();
    let given_back = tokio::time::Instant::now();
    connections.remove(0).await.unwrap();
    assert!(given_back.elapsed() <= 3 * pool.longest_idle);
}

#[tokio::test]
async fn a_connection_that_answers_no_ping_is_given_up() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool::<Full<Bytes>>();
    let serving = async {
        let mut connection = upstream.accept().await;
        let arrived = connection.accept().await.unwrap().unwrap();
        (connection, arrived)
    };
    let sending = tokio::spawn(async move { pool.send(order("soup")).await.map(drop) });
    let _silent = serving.await;
    tokio::time::pause();
    let asked = tokio::time::Instant::now();
    assert!(matches!(sending.await.unwrap(), Err(SendFault::Broke(_))));
    assert!(asked.elapsed() <= Duration::from_secs(45));
}
