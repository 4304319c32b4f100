//! One question and its answer over a socket that waits: no runtime, no connection kept.
//!
//! What comes back is from outside: it is read up to a bound and a deadline.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

/// Bytes of an answer that are read; a node's is far shorter.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// The question (method and path, and more headers, each with its end of line), and all that comes back until the other side closes.
///
/// # Errors
/// There was no way to it, it broke off, or the time was over.
pub(crate) fn exchange(
    asked: &str,
    headers: &str,
    address: &str,
    deadline: Instant,
) -> io::Result<Vec<u8>> {
    let mut stream = connect(address, deadline)?;
    let question =
        format!("{asked} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    stream.set_write_timeout(Some(left(deadline)?))?;
    stream.write_all(question.as_bytes())?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while (answer.len() as u64) < ANSWER_BYTES_MAX {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut part)? {
            0 => break,
            read => answer.extend(part.iter().take(read)),
        }
    }
    Ok(answer)
}

/// A name may stand for several addresses; the first that takes the connection is asked.
fn connect(address: &str, deadline: Instant) -> io::Result<TcpStream> {
    let mut refused = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// What is left of the time; none is an error.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
