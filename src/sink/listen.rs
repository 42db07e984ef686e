//! `--listen`: the metrics over HTTP, for Prometheus to scrape a run that lasts weeks.
//!
//! A few threads serve clients, so that a client who hangs delays no other one; if as many hang as there
//! are threads, they delay the others by a deadline. More clients wait in the system's queue and take no
//! memory of effllm's. The recorder is asked for a report only when a client comes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::Warn;
use super::openmetrics::{openmetrics, prometheus_text};
use crate::error::Error;
use crate::report::Report;
use crate::thread::spawn_thread;

/// The number of clients that are served concurrently.
const THREADS: usize = 4;
/// The longest that one client may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// The longest head of a request that is read, in bytes and in lines.
const LONGEST_HEAD: usize = 8 * 1024;
const MOST_HEADERS: usize = 64;
/// How long to wait where the system has no connection to give.
const PAUSE: Duration = Duration::from_millis(100);

/// Opens the socket.
///
/// # Errors
/// The address is taken, not this machine's, or not this user's to take.
pub fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).map_err(|error| {
        Error::usage(format!("cannot listen at {address}: {error}"))
            .of_flag("listen")
            .help("--listen PORT names another port, 0 any that is free")
    })
}

/// Serves what `report` says, until the process ends.
pub fn start(listener: TcpListener, report: impl Fn() -> Report + Clone + Send + 'static, warn: &Warn) {
    let listener = Arc::new(listener);
    let started = (0..THREADS).map(|_| {
        let (listener, report) = (listener.clone(), report.clone());
        let serve = move || loop {
            match listener.accept() {
                // An error concerns this client alone.
                Ok((stream, _)) => drop(serve(stream, &report)),
                Err(_) => thread::sleep(PAUSE),
            }
        };
        spawn_thread("effllm-listen", serve).map(drop)
    });
    // One thread is enough to serve.
    let errors: Vec<io::Error> = started.filter_map(Result::err).collect();
    if let (THREADS, Some(error)) = (errors.len(), errors.first()) {
        warn(format!("the metrics are not served: {error}"));
    }
}

fn serve(mut stream: TcpStream, report: impl Fn() -> Report) -> io::Result<()> {
    let deadline = Instant::now() + DEADLINE;
    let head = read_head(&mut stream, deadline)?;
    let answer = answer(&head, report);
    stream.set_write_timeout(Some(DEADLINE))?;
    stream.write_all(answer.as_bytes())
}

/// Reads as far as the empty line that ends a request's head.
fn read_head(stream: &mut TcpStream, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut part = [0; 1024];
    while head.len() < LONGEST_HEAD && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = deadline.saturating_duration_since(Instant::now());
        // A timeout of zero would mean none.
        stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let read = stream.read(&mut part)?;
        if read == 0 {
            break;
        }
        head.extend_from_slice(part.get(..read).unwrap_or_default());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    Ok(head)
}

fn answer(head: &[u8], report: impl Fn() -> Report) -> String {
    const TEXT: &str = "text/plain; charset=utf-8";
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    if !request.parse(head).is_ok_and(|parsed| parsed.is_complete()) {
        return response("400 Bad Request", TEXT, "not an HTTP request\n", true);
    }
    let method = request.method.unwrap_or_default();
    let path = request.path.unwrap_or_default();
    let has_body = method != "HEAD";
    if !["GET", "HEAD"].contains(&method) {
        return response("405 Method Not Allowed\r\nAllow: GET, HEAD", TEXT, "only GET and HEAD\n", true);
    }
    if path.split('?').next() != Some("/metrics") {
        return response("404 Not Found", TEXT, "effllm serves /metrics\n", has_body);
    }
    let wants_openmetrics = request.headers.iter().any(|header| {
        header.name.eq_ignore_ascii_case("accept")
            && String::from_utf8_lossy(header.value).contains("application/openmetrics-text")
    });
    let (content_type, text): (_, fn(&Report) -> String) = if wants_openmetrics {
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", openmetrics)
    } else {
        ("text/plain; version=0.0.4; charset=utf-8", prometheus_text)
    };
    response("200 OK", content_type, &text(&report()), has_body)
}

fn response(status: &str, content_type: &str, body: &str, has_body: bool) -> String {
    let length = body.len();
    let body = if has_body { body } else { "" };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}
