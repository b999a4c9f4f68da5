//! Connections that do nothing, or too little.

use crate::serve::tests::*;

fn certificate() -> Arc<ServerConfig> {
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = TlsFiles { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    std::fs::write(&files.certificate, pair.cert.pem()).unwrap();
    std::fs::write(&files.key, pair.signing_key.serialize_pem()).unwrap();
    Certificates::open(&files).unwrap().0.config().unwrap()
}

#[tokio::test]
async fn a_client_that_sends_too_little_is_disconnected() {
    let limits = with(|limits| {
        (limits.deadlines.opening, limits.deadlines.head) = (SHORT, SHORT * 4);
    });
    let (clear, encrypted) = (start(limits, None).await, start(limits, Some(certificate())).await);
    for (running, begin, then) in [
        (&clear, &b""[..], &b""[..]),
        (&clear, b"P", b""),
        (&clear, b"GET / HT", b""),
        (&clear, b"", b"GET / HTTP/1.1\r\nX: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        (&clear, b"PRI * HTTP/2.0\r\n\r\nSM", b""),
        (&clear, b"PRI * HTTP/2.0\r\n", b"\r"),
        // A complete preface followed by nothing, or by pings but no request.
        (&clear, HTTP2, b""),
        (&clear, HTTP2, b"\0\0\x08\x06\0\0\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08"),
        (&encrypted, b"", b""),
        (&encrypted, &[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], &[0]),
    ] {
        trickles_until_it_is_ended(running, begin, then).await;
    }
    clear.answered().await;
}

#[tokio::test]
async fn an_http2_connection_is_closed_if_it_never_begins_and_when_it_is_idle() {
    let preface_alone = &HTTP2[..24];
    for (change, begin) in [
        (SHORT, &b"PRI"[..]),
        (SHORT, preface_alone),
        (SHORT, HTTP2),
        // Settings are a frame but no request.
        (NEVER, preface_alone),
        (NEVER, HTTP2),
    ] {
        // Only one of the two deadlines can end it, and the client does not answer the GOAWAY.
        let limits = with(|limits| {
            limits.deadlines.opening = change;
            limits.deadlines.head = if change == NEVER { SHORT } else { NEVER };
        });
        let running = start(limits, None).await;
        read_to_end(&mut running.connect(begin).await).await;
    }
}

#[tokio::test]
async fn an_http2_connection_is_not_idle_while_an_answer_is_a_stream() {
    let limits = with(|limits| limits.deadlines.head = SHORT);
    let running = start(limits, None).await;
    let (mut sender, ended) = running.http2().await;
    assert_eq!(ask(&mut sender, "/chunks").await, "word ".repeat(20));
    // Then it is.
    in_time("the end", ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_http2_connection_with_a_request_in_flight_is_neither_idle_nor_late() {
    let limits = with(|limits| (limits.deadlines.opening, limits.deadlines.head) = (SHORT * 60, SHORT * 20));
    let running = start(limits, None).await;
    let (mut sender, connection) = running.http2().await;
    let answer = tokio::spawn(async move { ask(&mut sender, "/slow").await });
    in_time("the request", running.begun.notified()).await;
    // Others are closed meanwhile.
    read_to_end(&mut running.connect(HTTP2).await).await;
    read_to_end(&mut running.connect(b"PRI").await).await;
    running.finish_slow.notify_one();
    assert_eq!(answer.await.unwrap(), "slow");
    in_time("the end of one that is idle", connection).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_one_in_use_is_not() {
    let running = start(with(|limits| limits.deadlines.head = SHORT * 10), None).await;
    let (mut idle, mut asking) = (running.answered().await, running.answered().await);
    let ended = async { while idle.read_u8().await.is_ok() {} };
    let asks = async {
        loop {
            asking.write_all(REQUEST).await.unwrap();
            read_until(&mut asking, "here").await;
            tokio::time::sleep(SHORT / 5).await;
        }
    };
    in_time("the end of the idle one", async {
        tokio::select! { () = ended => {}, () = asks => {} }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_never_reads_does_not_hold_its_slot_forever() {
    let limits = with(|limits| (limits.slots, limits.deadlines.stall) = (1, SHORT));
    let running = start(limits, None).await;
    let deaf = running.connect(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // It had the only slot.
    running.answered().await;
    drop(deaf);
}
