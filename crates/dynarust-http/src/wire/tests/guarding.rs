//! The guard over a pipe: what a reader behind it sees, and when.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::{
    HEAD_MILLIS_MAX, HELD_HEADS_BYTES_MAX, IDLE_MILLIS_MAX, LINGER_MILLIS_MAX,
};
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, sleep, timeout};

use crate::door_counts::DoorCounts;
use crate::wire::{Fault, Guard};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn guarded() -> (Guard<DuplexStream>, DuplexStream, Arc<DoorCounts>) {
    let (ours, theirs) = duplex(64 << 10);
    let counts = Arc::default();
    (Guard::new(ours, Arc::clone(&counts)), theirs, counts)
}

/// Reads so many bytes.
async fn read(guard: &mut Guard<DuplexStream>, bytes: usize) -> Vec<u8> {
    let mut read = vec![0; bytes];
    guard.read_exact(&mut read).await.unwrap();
    read
}

/// Why the guard put a sentinel into the stream, which must come next.
async fn refusal(guard: &mut Guard<DuplexStream>) -> Fault {
    let sentinel = b"GET * HTTP/1.1\r\nconnection: close\r\n\r\n";
    assert_eq!(read(guard, sentinel.len()).await, sentinel);
    guard.verdict().refusal_of(&Request::get("*").body(()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_head_comes_whole_or_not_at_all() {
    let (mut guard, mut client, _) = guarded();
    for part in GET.chunks(5) {
        let mut byte = [0];
        let early = timeout(Duration::ZERO, guard.read(&mut byte)).await;
        assert!(early.is_err());
        client.write_all(part).await.unwrap();
    }
    // Into a buffer that is smaller than the head.
    for part in GET.chunks(3) {
        assert_eq!(read(&mut guard, part.len()).await, part);
    }
}

#[tokio::test]
async fn only_the_sentinel_is_refused_again() {
    let (mut guard, mut client, counts) = guarded();
    client.write_all(&[GET, b"GET / HTTP/1.1\n", GET].concat()).await.unwrap();
    assert_eq!(read(&mut guard, GET.len()).await, GET);
    assert_eq!(refusal(&mut guard).await, Fault::BareLineFeed);
    let verdict = guard.verdict();
    for request in [Request::get("/"), Request::options("*")] {
        assert_eq!(verdict.refusal_of(&request.body(()).unwrap()), None);
    }
    assert_eq!(counts.now().malformed, 1);
    let mut byte = [0];
    assert!(timeout(Duration::ZERO, guard.read(&mut byte)).await.is_err());
}

#[tokio::test]
async fn a_refused_head_is_answered_without_a_body() {
    let (mut guard, mut client, _) = guarded();
    client.write_all(b"HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n").await.unwrap();
    let sentinel = b"HEAD * HTTP/1.1\r\nconnection: close\r\n\r\n";
    assert_eq!(read(&mut guard, sentinel.len()).await, sentinel);
}

#[tokio::test]
async fn a_refused_body_fails_the_read() {
    let (mut guard, mut client, counts) = guarded();
    let head = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx";
    client.write_all(&[&head[..], b"\n"].concat()).await.unwrap();
    assert_eq!(read(&mut guard, head.len()).await, head);
    for _ in 0..2 {
        let error = guard.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.to_string(), Fault::ChunkEnd.to_string());
    }
    assert_eq!(counts.now().malformed, 1);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_is_given_up() {
    let (mut guard, mut client, counts) = guarded();
    client.write_all(GET).await.unwrap();
    assert_eq!(read(&mut guard, GET.len()).await, GET);
    // It may begin late, but then it has so much time and no more, whatever comes meanwhile.
    sleep(Duration::from_secs(30)).await;
    let began = Instant::now();
    let trickle = async {
        for byte in GET.iter().cycle() {
            if client.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(HEAD_MILLIS_MAX / 10)).await;
        }
    };
    tokio::select! {
        fault = refusal(&mut guard) => assert_eq!(fault, Fault::TooSlow),
        () = trickle => panic!("not cut"),
    }
    assert_eq!(began.elapsed(), Duration::from_millis(HEAD_MILLIS_MAX));
    assert_eq!(counts.now().slow, 1);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed() {
    let (mut guard, mut client, counts) = guarded();
    let began = Instant::now();
    client.write_all(GET).await.unwrap();
    assert_eq!(read(&mut guard, GET.len()).await, GET);
    // What is written keeps it open as well as what is read.
    sleep(Duration::from_millis(IDLE_MILLIS_MAX / 2)).await;
    guard.write_all(b"answer").await.unwrap();
    assert_eq!(guard.read(&mut [0]).await.unwrap(), 0);
    let idle = Duration::from_millis(IDLE_MILLIS_MAX + IDLE_MILLIS_MAX / 2);
    assert_eq!(began.elapsed(), idle);
    assert_eq!(counts.now().idle, 1);
}

#[tokio::test(start_paused = true)]
async fn what_comes_behind_an_end_is_thrown_away_for_a_while() {
    let (mut guard, mut client, _) = guarded();
    client.write_all(b"bad\n").await.unwrap();
    refusal(&mut guard).await;
    let flood = tokio::spawn(async move {
        let mut sent = 0;
        while client.write_all(&[0; 1 << 10]).await.is_ok() {
            sent += 1;
            sleep(Duration::from_millis(1)).await;
        }
        sent
    });
    let began = Instant::now();
    guard.shutdown().await.unwrap();
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap();
    assert!((LINGER_MILLIS_MAX / 2..=LINGER_MILLIS_MAX).contains(&millis), "{millis}");
    drop(guard);
    assert!(flood.await.unwrap() >= 1000);
    // An end between two requests waits for nobody.
    let (mut guard, _client, _) = guarded();
    let began = Instant::now();
    guard.shutdown().await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn unfinished_heads_have_a_common_bound() {
    let (mut guard, mut client, counts) = guarded();
    let others = counts.held_bytes();
    others.store(HELD_HEADS_BYTES_MAX - 10, std::sync::atomic::Ordering::Relaxed);
    client.write_all(b"GET / HTT").await.unwrap();
    assert!(timeout(Duration::ZERO, guard.read(&mut [0])).await.is_err());
    assert_eq!(counts.now().held_bytes, HELD_HEADS_BYTES_MAX - 1);
    client.write_all(b"P/1.1\r\n").await.unwrap();
    assert_eq!(refusal(&mut guard).await, Fault::Crowded);
    drop(guard);
    assert_eq!(counts.now().held_bytes, HELD_HEADS_BYTES_MAX - 10);
    // Heads that come whole need none of it.
    let (mut guard, mut client, _) = guarded();
    client.write_all(GET).await.unwrap();
    assert_eq!(read(&mut guard, GET.len()).await, GET);
}

#[tokio::test]
async fn an_upgraded_connection_goes_around() {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    for upgraded in [true, false] {
        let (mut guard, mut client, _) = guarded();
        client.write_all(&[head, GET, b"\0\n"].concat()).await.unwrap();
        assert_eq!(read(&mut guard, head.len()).await, head);
        assert!(timeout(Duration::ZERO, guard.read(&mut [0])).await.is_err());
        let verdict = guard.verdict();
        assert!(verdict.awaits_decision());
        verdict.decide(upgraded);
        assert!(!verdict.awaits_decision());
        assert_eq!(read(&mut guard, GET.len()).await, GET);
        if upgraded {
            assert_eq!(read(&mut guard, 2).await, b"\0\n");
            client.write_all(b"\0").await.unwrap();
            assert_eq!(read(&mut guard, 1).await, b"\0");
        } else {
            assert_eq!(refusal(&mut guard).await, Fault::ControlCharacter);
        }
    }
}
