//! HTTP/2 frame by frame, from a client that keeps to no limit.

use dynarust_core::limits::{HTTP2_ERROR_RESETS_MAX, HTTP2_RESETS_WAITING_MAX, HTTP2_STREAMS_MAX};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::within;
use crate::door::Door;

const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;

const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame that came (RFC 9113 section 4.1).
struct Frame {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    /// The error of a RESET or of a GO_AWAY.
    fn error(&self) -> u32 {
        let at = if self.kind == GO_AWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A GET that is whole with its head.
fn get(stream: u32, path: &str) -> Vec<u8> {
    // Of the static table (RFC 7541 appendix A): GET, http, then `:authority` and `:path` with values.
    let path_bytes = u8::try_from(path.len()).unwrap();
    let head = [b"\x82\x86\x01\x01a\x04", &[path_bytes][..], path.as_bytes()].concat();
    frame(HEADERS, 0x5, stream, &head)
}

/// What a request without a path is.
fn malformed(stream: u32) -> Vec<u8> {
    frame(HEADERS, 0x5, stream, b"\x82\x86\x01\x01a")
}

/// The numbers of the first streams of a client.
fn streams(count: usize) -> impl Iterator<Item = u32> {
    (1..).step_by(2).take(count)
}

/// Sends all of it at a time, then a ping; the first frame that `is_it`, or the answer to the ping.
async fn first(door: &Door, sent: Vec<u8>, is_it: impl Fn(&Frame) -> bool) -> Frame {
    let mut socket = TcpStream::connect(door.address).await.unwrap();
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(SETTINGS, 0, 0, &[])[..]].concat();
    let all = [preface, sent, frame(PING, 0, 0, &[0; 8])].concat();
    within(socket.write_all(&all)).await.unwrap();
    loop {
        let mut head = [0; 9];
        within(socket.read_exact(&mut head)).await.unwrap();
        let [high, middle, low, kind, flags, stream @ ..] = head;
        let length = u32::from_be_bytes([0, high, middle, low]);
        let stream = u32::from_be_bytes(stream);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        within(socket.read_exact(&mut payload)).await.unwrap();
        let frame = Frame { kind, stream, payload };
        if is_it(&frame) || (kind == PING && flags == 1) {
            return frame;
        }
    }
}

#[tokio::test]
async fn one_stream_too_many_is_refused() {
    let door = Door::open().await;
    let most = usize::try_from(HTTP2_STREAMS_MAX).unwrap();
    let sent = streams(most + 1).flat_map(|stream| get(stream, "/t/subscribe")).collect();
    let last = streams(most + 1).last().unwrap();
    let answer = first(&door, sent, |frame| frame.stream == last).await;
    assert_eq!((answer.kind, answer.error()), (RESET, REFUSED_STREAM));
}

#[tokio::test]
async fn streams_that_are_reset_before_they_are_seen_end_the_connection() {
    let door = Door::open().await;
    let reset = |stream| [get(stream, "/livez"), frame(RESET, 0, stream, &[0, 0, 0, 8])].concat();
    let sent = streams(HTTP2_RESETS_WAITING_MAX + 10).flat_map(reset).collect();
    let answer = first(&door, sent, |frame| frame.kind == GO_AWAY).await;
    assert_eq!((answer.kind, answer.error()), (GO_AWAY, ENHANCE_YOUR_CALM));
}

#[tokio::test]
async fn many_malformed_requests_end_the_connection() {
    let door = Door::open().await;
    let sent = streams(HTTP2_ERROR_RESETS_MAX + 10).flat_map(malformed).collect();
    let answer = first(&door, sent, |frame| frame.kind == GO_AWAY).await;
    assert_eq!((answer.kind, answer.error()), (GO_AWAY, ENHANCE_YOUR_CALM));
}
