//! Answers that are sent before the request's body has arrived.

use crate::serve::tests::*;

#[tokio::test]
async fn an_answer_before_the_end_of_the_body_arrives_and_the_next_request_is_answered() {
    let running = start(LASTING, None).await;
    // Far more than both sockets buffer, with a length and in chunks.
    let body = vec![b'x'; 8 * 1024 * 1024];
    let announced = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    let chunk = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len());
    for (head, end) in [(announced, ""), (chunk, "\r\n0\r\n\r\n")] {
        let mut stream = running.connect(head.as_bytes()).await;
        in_time("the body", stream.write_all(&[&body, end.as_bytes(), REQUEST].concat())).await.unwrap();
        let answers = read_until(&mut stream, "here").await;
        assert!(answers.starts_with("HTTP/1.1 405") && answers.contains("HTTP/1.1 200"), "{answers}");
        assert!(!answers.contains("connection: close"), "{answers}");
    }
}

#[tokio::test]
async fn an_answer_to_a_request_whose_body_never_ends_closes_the_connection() {
    let running = start(with(|limits| limits.deadlines.unread_body = SHORT), None).await;
    for lines in ["Content-Length: 9", "Transfer-Encoding: chunked", "Content-Length: 9\r\nExpect: 100-continue"] {
        let mut stream = running.connect(format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n").as_bytes()).await;
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 405") && answer.contains("connection: close"), "{lines}: {answer}");
    }
}

#[tokio::test]
async fn a_body_refused_halfway_is_read_to_its_end_after_100_continue() {
    let running = start(LASTING, None).await;
    let lines = "Transfer-Encoding: chunked\r\nExpect: 100-continue";
    let mut stream = running.connect(format!("POST /first HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n").as_bytes()).await;
    read_until(&mut stream, "100 Continue").await;
    let body = vec![b'x'; 8 * 1024 * 1024];
    let sent = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n", REQUEST].concat();
    in_time("the body", stream.write_all(&sent)).await.unwrap();
    let answers = read_until(&mut stream, "here").await;
    assert!(answers.contains("HTTP/1.1 413") && answers.contains("HTTP/1.1 200"), "{answers}");
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_is_refused_at_once_if_the_body_is_not_needed() {
    let running = start(LASTING, None).await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n";
    let answer = read_to_end(&mut running.connect(head.as_bytes()).await).await;
    assert!(answer.starts_with("HTTP/1.1 405") && answer.contains("connection: close"), "{answer}");
}
