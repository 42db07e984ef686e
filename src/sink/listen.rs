//! `--listen`: the metrics over HTTP, for Prometheus to scrape a run that lasts weeks.
//!
//! One thread serves all clients and waits for none of them. A client has a limit of time; if too many are there,
//! the one that came first is cut off, so that silent ones keep no other one out. The recorder is asked for a
//! report only when a request is complete.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Warn;
use super::openmetrics::{openmetrics, prometheus_text};
use crate::error::Error;
use crate::report::Report;
use crate::thread::spawn_thread;

/// The number of clients that are served concurrently.
const MOST_CLIENTS: usize = 64;
/// The longest that one client may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// The longest head of a request that is taken, in bytes and in lines.
const LONGEST_HEAD: usize = 8 * 1024;
const MOST_HEADERS: usize = 64;
/// How long to wait where the system has no connection to give.
const PAUSE: Duration = Duration::from_millis(100);

/// Opens the socket, or answers why the metrics are not served: another run, too, may have taken the address.
///
/// # Errors
/// The address is not this machine's, or not this user's to take.
pub fn bind(address: SocketAddr) -> Result<Result<TcpListener, String>, Error> {
    let bound =
        TcpListener::bind(address).and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    match bound {
        Ok(listener) => Ok(Ok(listener)),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            Ok(Err(format!("the metrics are not served: cannot listen at {address}: {error}")))
        }
        Err(error) => Err(Error::usage(format!("cannot listen at {address}: {error}"))
            .of_flag("listen")
            .help("--listen PORT names another port, 0 any that is free")),
    }
}

/// Serves what `report` says, until the process ends.
pub fn start(listener: TcpListener, report: impl Fn() -> Report + Send + 'static, warn: &Warn) {
    let serve = move || {
        let mut clients = Vec::new();
        loop {
            wait(&listener, &clients);
            accept(&listener, &mut clients);
            clients.retain_mut(|client| client.serve(&report).is_ok() && Instant::now() < client.deadline);
        }
    };
    if let Err(error) = spawn_thread("effllm-listen", serve) {
        warn(format!("the metrics are not served: {error}"));
    }
}

/// Waits until a client comes, or one can be served or is out of time.
fn wait(listener: &TcpListener, clients: &[Client]) {
    let awaited = clients.iter().map(|client| {
        let writes = if client.unwritten.is_empty() { PollFlags::empty() } else { PollFlags::POLLOUT };
        PollFd::new(client.stream.as_fd(), PollFlags::POLLIN | writes)
    });
    let mut awaited: Vec<PollFd> =
        awaited.chain([PollFd::new(listener.as_fd(), PollFlags::POLLIN)]).collect();
    let patience = clients.first().map_or(PollTimeout::NONE, |client| {
        let left = client.deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    });
    let _ = poll(&mut awaited, patience); // an error is found by reading
}

/// Takes all clients that have come; the first ones go, where these are too many.
fn accept(listener: &TcpListener, clients: &mut Vec<Client>) {
    loop {
        match listener.accept().and_then(|(stream, _)| Client::new(stream)) {
            Ok(client) if clients.len() < MOST_CLIENTS => clients.push(client),
            Ok(client) => {
                clients.remove(0);
                clients.push(client);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => return thread::sleep(PAUSE),
        }
    }
}

/// A connection.
struct Client {
    stream: TcpStream,
    deadline: Instant,
    head: Vec<u8>,
    /// What is left of the answer.
    unwritten: Vec<u8>,
    is_answered: bool,
}

impl Client {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let deadline = Instant::now() + DEADLINE;
        Ok(Self { stream, deadline, head: Vec::new(), unwritten: Vec::new(), is_answered: false })
    }

    /// Reads and writes what can be read and written now.
    ///
    /// # Errors
    /// The connection is over.
    fn serve(&mut self, report: &impl Fn() -> Report) -> io::Result<()> {
        let mut part = [0; 4096];
        match self.stream.read(&mut part) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            // The rest of a request is read though it is refused: a socket with unread bytes loses its answer.
            Ok(read) if !self.is_answered => {
                self.head.extend_from_slice(part.get(..read).unwrap_or_default())
            }
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        let is_complete =
            self.head.len() > LONGEST_HEAD || self.head.windows(4).any(|end| end == b"\r\n\r\n");
        if is_complete && !self.is_answered {
            self.is_answered = true;
            self.unwritten = answer(&self.head, report).into_bytes();
        }
        if self.unwritten.is_empty() {
            return Ok(());
        }
        match self.stream.write(&self.unwritten) {
            Ok(written) => drop(self.unwritten.drain(..written)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if self.unwritten.is_empty() { self.stream.shutdown(Shutdown::Write) } else { Ok(()) }
    }
}

fn answer(head: &[u8], report: &impl Fn() -> Report) -> String {
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
