//! More connections than the system allows.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{KEYS, PATIENCE, get};
use crate::support::Backend;
use crate::support::program::{Place, Running};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_the_limit_wait_while_others_are_answered() {
    let place = Place::new(Backend::Sqlite).await;
    // 256 open files: 128 of them for connections.
    let server = Running::start_by(place.shell("ulimit -n 256 && exec \"$0\" serve"));
    server.says("places=128");
    server.says("fewer than 20000 connections fit the limit of open files");
    let address = server.base.strip_prefix("http://").unwrap().to_owned();
    let connect = || {
        let stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let answered = |stream: &mut TcpStream| {
        stream.write_all(get(KEYS).as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        // The rest, so that the next answer begins where it is looked for.
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut rest = [0; 8192];
        while stream.read(&mut rest).is_ok_and(|count| count > 0) {}
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
    };
    let mut first = connect();
    answered(&mut first);
    let mut others: Vec<TcpStream> = (0..300).map(|_| connect()).collect();
    server.says("every connection slot is taken");
    // Clients with a slot are answered, and free it for those that wait.
    first.write_all(get(KEYS).as_bytes()).unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).unwrap();
    let head = answer.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200") && head.contains("\r\nconnection: close\r\n"), "{answer}");
    // Waiting clients are served as soon as there is a free slot.
    let mut last = others.pop().unwrap();
    drop(others);
    answered(&mut last);
    answered(&mut connect());
    assert!(!server.log.lock().unwrap().contains("could not be accepted"), "files do not run out");
    assert!(server.stop().success());
}
