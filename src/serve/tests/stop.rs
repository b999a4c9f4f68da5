//! What happens to connections when the server stops.

use crate::serve::tests::*;

#[tokio::test]
async fn a_stop_ends_idle_connections_and_finishes_requests() {
    let running = start(LASTING, None).await;
    let mut idle = running.answered().await;
    let (mut silent, mut begun_word) = (running.connect(b"").await, running.connect(b"P").await);
    let mut idle_http2 = running.connect(HTTP2).await;
    let mut settings = [0; 9];
    in_time("the settings of the server", idle_http2.read_exact(&mut settings)).await.unwrap();
    let mut busy = running.connect(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    in_time("the request", running.begun.notified()).await;
    running.stop.send_replace(true);
    for stream in [&mut idle, &mut silent, &mut begun_word] {
        assert_eq!(read_to_end(stream).await, "");
    }
    assert!(!running.task.is_finished());
    running.finish_slow.notify_one();
    let answer = read_to_end(&mut busy).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("slow"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    drop(idle_http2);
    running.ends().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_forever() {
    let running = start(with(|limits| limits.deadlines.drain = SHORT), None).await;
    let mut endless = running.connect(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut deaf = running.connect(HTTP2).await;
    running.answered().await;
    running.stop.send_replace(true);
    running.ends().await;
    assert_eq!(read_to_end(&mut endless).await, "");
    read_to_end(&mut deaf).await;
}

#[tokio::test]
async fn clients_that_connected_before_the_stop_are_served() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut early = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(REQUEST).await.unwrap();
        early.push(stream);
    }
    let (_stop, stopped) = watch::channel(true);
    let router = Router::new().route("/", get(async || "here"));
    let limits = with(|limits| limits.deadlines.last_call = SHORT * 5);
    let task = tokio::spawn(serve(listener, Served { router, tls: None, http2: true, stopped }, limits));
    for stream in &mut early {
        let answer = read_to_end(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");
    }
    in_time("the stop", task).await.unwrap();
}
