//! What the framer says depends on the bytes alone, and hyper's parser never says otherwise.

use proptest::prelude::*;

use crate::wire::fault::Fault;
use crate::wire::framer::{Framer, Rest};
use crate::wire::head::{Framing, Head};

/// What became of a stream of bytes.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    passed: Vec<u8>,
    heads: u64,
    fault: Option<Fault>,
    amid: bool,
}

/// Sends the parts one by one through a framer, as the guard does.
fn follow<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut framer = Framer::default();
    let mut held = Vec::new();
    let mut outcome = Outcome { passed: Vec::new(), heads: 0, fault: None, amid: false };
    for part in parts {
        held.extend_from_slice(part);
        let passage = framer.advance(&held);
        outcome.passed.extend(held.drain(..passage.clear));
        match passage.rest {
            Rest::Nothing => assert!(held.is_empty()),
            Rest::Begun | Rest::Undecided => {}
            Rest::RefusedHead(fault) | Rest::RefusedBody(fault) => {
                outcome.fault = Some(fault);
                break;
            }
        }
    }
    outcome.heads = framer.heads();
    outcome.amid = framer.is_amid_request();
    outcome
}

/// Pieces of which requests are made, good and bad.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    const TEXTS: &[&str] = &[
        "GET / HTTP/1.1\r\n",
        "PUT /t/key/k?x HTTP/1.1\r\n",
        "HEAD / HTTP/1.0\r\n",
        "Host: a\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: 0\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n",
        "Upgrade: x\r\n",
        "X: y\r\n",
        "\r\n",
        "\r\n\r\n",
        "hello",
        "\n",
        "\r",
        "5\r\nhello\r\n",
        "0\r\n\r\n",
        "0\r\nX: y\r\n\r\n",
        "a;b=c\r\n",
        "ffffffffffffffff\r\n",
        " ",
        "\t",
        ":",
        "\0",
        "HTTP/1.1",
        "chunked",
        "5;x=\"y\\\"\"\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ];
    prop_oneof![
        20 => proptest::sample::select(TEXTS).prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_framing_does_not_depend_on_the_parts(
        pieces in proptest::collection::vec(piece(), 0..24),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let all = pieces.concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(all.len() + 1)).collect();
        cuts.extend([0, all.len()]);
        cuts.sort_unstable();
        let whole = follow([&all[..]]);
        let parts = cuts.windows(2).map(|cut| &all[cut[0]..cut[1]]);
        prop_assert_eq!(&follow(parts), &whole);
        prop_assert_eq!(&follow(all.chunks(1)), &whole);
        prop_assert!(all.starts_with(&whole.passed));
    }

    #[test]
    fn a_head_that_passes_says_the_same_to_httparse(
        pieces in proptest::collection::vec(piece(), 0..12),
    ) {
        let all = pieces.concat();
        let Ok(Some(whole)) = Head::default().advance(&all) else { return Ok(()) };
        let mut headers = [httparse::EMPTY_HEADER; 100];
        let mut request = httparse::Request::new(&mut headers);
        let parsed = request.parse(&all).unwrap();
        prop_assert_eq!(parsed, httparse::Status::Complete(whole.bytes));
        let values = |name: &str| {
            let named = request.headers.iter().filter(|it| it.name.eq_ignore_ascii_case(name));
            named.map(|it| std::str::from_utf8(it.value).unwrap()).collect::<Vec<_>>()
        };
        let lengths = values("content-length");
        let expected = match (&values("transfer-encoding")[..], &lengths[..]) {
            ([], []) => Framing::Length(0),
            ([], [length]) => Framing::Length(length.parse().unwrap()),
            (["chunked"], []) => Framing::Chunked,
            _ => panic!("ambiguous: {}", all.escape_ascii()),
        };
        prop_assert_eq!(whole.framing, expected);
    }
}

#[test]
fn a_head_is_followed_in_linear_time() {
    // Byte by byte, a head as large as it may be: looked at from its beginning each time, it would
    // take minutes.
    let head = [b"GET / HTTP/1.1\r\nX: ", &vec![b'y'; 120 << 10][..], b"\r\n\r\n"].concat();
    let mut reader = Head::default();
    for end in 1..head.len() {
        assert_eq!(reader.advance(&head[..end]), Ok(None));
    }
    assert_eq!(reader.advance(&head), Err(Fault::NoHost));
}

#[test]
fn what_follows_an_upgrade_waits_for_the_decision() {
    let mut framer = Framer::default();
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\n!";
    let behind = b"\0anything\n";
    let all = [&head[..], behind].concat();
    let passage = framer.advance(&all);
    assert_eq!((passage.clear, passage.rest), (head.len(), Rest::Undecided));
    assert_eq!(framer.advance(behind).rest, Rest::Undecided);
    framer.decide(true);
    let passage = framer.advance(behind);
    assert_eq!((passage.clear, passage.rest), (behind.len(), Rest::Nothing));
    let mut framer = Framer::default();
    framer.advance(head);
    framer.decide(false);
    assert_eq!(framer.advance(behind).rest, Rest::RefusedHead(Fault::ControlCharacter));
}
