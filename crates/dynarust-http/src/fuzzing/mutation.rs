//! Inputs of seeds: joined, cut, and spoiled, by the bytes and by the words of HTTP.

use rand::RngExt;
use rand::rngs::StdRng;

/// What requests are made of, and what smuggles them.
const WORDS: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    "\0",
    " ",
    "\t",
    ":",
    ";",
    ",",
    "=",
    "\"",
    "\\",
    "%",
    "%2F",
    "/",
    "?",
    "#",
    "*",
    "é",
    "\u{7f}",
    "\u{b}",
    "0",
    "1",
    "9",
    "a",
    "f",
    "-",
    "+",
    "0x",
    "GET ",
    "PUT ",
    "HEAD ",
    "POST ",
    "DELETE ",
    "PATCH ",
    "OPTIONS ",
    "CONNECT ",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    " HTTP/2.0\r\n",
    "http://a",
    "Host: a\r\n",
    "Host: [::1]:1\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 11\r\n",
    "Content-Length: 4294967296\r\n",
    "Content-Length : 11\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "chunked",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Connection: upgrade\r\n",
    "Upgrade: websocket\r\n",
    "Expect: 100-continue\r\n",
    "Content-Type: application/json\r\n",
    "Content-Type: application/merge-patch+json\r\n",
    "Accept: application/x-ndjson\r\n",
    "If-Match: *\r\n",
    "If-None-Match: \"x\"\r\n",
    "Last-Event-ID: x\r\n",
    "X: y\r\n",
    " y\r\n",
    "{\"value\":1}",
    "[\"k\"]",
    "{\"a\":1}",
    "b\r\n{\"value\":1}\r\n0\r\n\r\n",
    "0\r\n\r\n",
    "0\r\n",
    "ffffffffffffffff\r\n",
    "1;x=\"y\"\r\n",
    "1 ;x\r\n",
    "\r\nX: y\r\n\r\n",
    "/t/key/k",
    "/t/keys",
    "/t/store",
    "/t/subscribe/k",
    "/subscribe?table=t",
    "/livez",
    "/stats",
    "/metrics",
    "/t/batch",
    "?ttl=1s",
    "?limit=1",
    "?consistency=one",
    "&durability=relaxed",
    "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

/// The most bytes of an input: more than a head may have.
const BYTES_MAX: usize = 300 << 10;

/// Some seeds, one behind the other, with a few things done to them.
pub(super) fn make(seeds: &[Vec<u8>], dice: &mut StdRng) -> Vec<u8> {
    let mut input = Vec::new();
    for _ in 0..dice.random_range(1..=4) {
        input.extend_from_slice(&seeds[dice.random_range(0..seeds.len())]);
    }
    // Sometimes nothing: so that what is sound is asked for, too.
    for _ in 0..dice.random_range(0..=6) {
        spoil(&mut input, dice);
    }
    input.truncate(BYTES_MAX);
    input
}

fn spoil(input: &mut Vec<u8>, dice: &mut StdRng) {
    let at = dice.random_range(0..=input.len());
    let until = (at + dice.random_range(0..32)).min(input.len());
    match dice.random_range(0..10) {
        0 => input.extend_from_slice(word(dice)),
        1..4 => drop(input.splice(at..at, word(dice).iter().copied())),
        4 => drop(input.splice(at..until, word(dice).iter().copied())),
        5 => drop(input.drain(at..until)),
        6 => {
            let part = input[at..until].to_vec();
            let times = if dice.random_ratio(1, 100) { 5000 } else { dice.random_range(1..4) };
            input.splice(at..at, part.repeat(times));
        }
        7 => swap_lines(input, dice),
        8 => input.truncate(at),
        _ => {
            if let Some(byte) = input.get_mut(at) {
                *byte = dice.random();
            }
        }
    }
}

fn word(dice: &mut StdRng) -> &'static [u8] {
    WORDS[dice.random_range(0..WORDS.len())].as_bytes()
}

fn swap_lines(input: &mut Vec<u8>, dice: &mut StdRng) {
    let mut lines: Vec<_> = input.split_inclusive(|&byte| byte == b'\n').collect();
    if lines.is_empty() {
        return;
    }
    let (one, other) = (dice.random_range(0..lines.len()), dice.random_range(0..lines.len()));
    lines.swap(one, other);
    *input = lines.concat();
}
