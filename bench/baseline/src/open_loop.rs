//! An open-loop load generator: requests are due at a fixed rate whether or not earlier ones were answered, and latency
//! counts from the moment a request was due. (A closed loop such as wrk's slows down with the server, and so omits the
//! requests that would have suffered most.)
//!
//! When more requests are due than the server can answer, the wait for a free connection would grow for as long as the run
//! lasts. So overload mode drops and counts a request if no connection is free. Latency is then that of a server whose
//! connections are all in use.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex as AsyncMutex, mpsc};

/// The longest wait for an answer.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);
/// The shortest sleep in an overload.
const LEAST_SLEEP: Duration = Duration::from_micros(500);

type Due = Arc<AsyncMutex<mpsc::UnboundedReceiver<Instant>>>;

#[derive(Default)]
struct Outcome {
    /// Microseconds from the due time to the answer, by status; 0 means no answer.
    latencies: BTreeMap<u16, Vec<u64>>,
    /// Microseconds from the due time until a connection was free to send the request.
    lateness: Vec<u64>,
}

#[tokio::main(flavor = "current_thread")]
pub async fn run(
    port: u16,
    rate: u32,
    seconds: u32,
    connections: u32,
    is_overload: bool,
) -> Result<(), Box<dyn Error>> {
    let variable = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let (path, authorization, body) = (variable("TARGET_PATH")?, variable("AUTHORIZATION")?, variable("BODY")?);
    let request: Arc<str> = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {authorization}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into();
    let (sender, due) = mpsc::unbounded_channel();
    let due: Due = Arc::new(AsyncMutex::new(due));
    let outcome = Arc::new(Mutex::new(Outcome::default()));
    let free = Arc::new(AtomicU64::new(0));
    let mut workers = Vec::new();
    for _ in 0..connections {
        let stream = connect(port).await?;
        let (request, due) = (Arc::clone(&request), Arc::clone(&due));
        workers.push(tokio::spawn(work(port, stream, request, due, Arc::clone(&free), Arc::clone(&outcome))));
    }
    let begin = Instant::now();
    // A thread of its own, because it can sleep more precisely than the runtime's timer.
    let pace = std::thread::spawn(move || {
        let mut unsent = 0;
        for number in 0..u64::from(rate) * u64::from(seconds) {
            let at = begin + Duration::from_nanos(number * 1_000_000_000 / u64::from(rate));
            let early = at.saturating_duration_since(Instant::now());
            // In overload mode it sleeps rarely, to use little processor time itself.
            if !early.is_zero() {
                std::thread::sleep(if is_overload { early.max(LEAST_SLEEP) } else { early });
            }
            if is_overload && free.load(Ordering::Acquire) == 0 {
                unsent += 1;
                continue;
            }
            // Only this thread decrements it, so it stays at 0 or above. It matters in overload mode only.
            free.fetch_sub(u64::from(is_overload), Ordering::AcqRel);
            if sender.send(at).is_err() {
                break;
            }
        }
        unsent
    });
    for worker in workers {
        worker.await?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let unsent = pace.join().map_err(|_| "the pacing thread panicked")?;
    let mut outcome = outcome.lock().map_err(|_| "a worker panicked")?;
    let lateness = summary(&mut outcome.lateness);
    let statuses: Vec<String> = outcome
        .latencies
        .iter_mut()
        .map(|(status, latencies)| format!(r#""{status}":{}"#, summary(latencies)))
        .collect();
    let statuses = statuses.join(",");
    println!(r#"{{"seconds":{seconds},"unsent":{unsent},"lateness":{lateness},"statuses":{{{statuses}}}}}"#);
    Ok(())
}

async fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn work(
    port: u16,
    mut stream: TcpStream,
    request: Arc<str>,
    due: Due,
    free: Arc<AtomicU64>,
    outcome: Arc<Mutex<Outcome>>,
) {
    loop {
        free.fetch_add(1, Ordering::AcqRel);
        let Some(at) = due.lock().await.recv().await else { return };
        let late = at.elapsed();
        let answer = tokio::time::timeout(LONGEST_ANSWER, exchange(&mut stream, request.as_bytes())).await;
        let status = answer.ok().and_then(Result::ok).unwrap_or(0);
        let latency = at.elapsed();
        if status == 0
            && let Ok(fresh) = connect(port).await
        {
            stream = fresh;
        }
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let Ok(mut outcome) = outcome.lock() else { return };
        outcome.lateness.push(micros(late));
        outcome.latencies.entry(status).or_default().push(micros(latency));
    }
}

/// Sends the request, reads the whole answer, and returns its status.
async fn exchange(stream: &mut TcpStream, request: &[u8]) -> io::Result<u16> {
    stream.write_all(request).await?;
    let mut answer = Vec::with_capacity(2048);
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.and_then(|text| text.trim().parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        while answer.len() < end + 4 + length {
            if stream.read_buf(&mut answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
        return status.ok_or_else(|| io::ErrorKind::InvalidData.into());
    }
}

fn summary(micros: &mut [u64]) -> String {
    micros.sort_unstable();
    let at = |share: f64| match micros.len() {
        0 => 0,
        length => micros[((length as f64 * share) as usize).min(length - 1)],
    };
    format!(r#"{{"count":{},"p50":{},"p99":{},"max":{}}}"#, micros.len(), at(0.5), at(0.99), at(1.0))
}
