//! What the network promises, and what it does not.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use dynarust_http::Listen;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use super::{End, Listening, Net, Socket, Weather};
use crate::dice::{Dice, Part};
use crate::trace::Trace;

const LONG: Duration = Duration::from_secs(60);

fn net() -> Arc<Net> {
    Net::new(Dice::of(1, Part::Network, 0), Arc::<Trace>::default())
}

fn socket(net: &Arc<Net>, host: usize) -> Socket {
    Socket { net: Arc::clone(net), host }
}

/// Both ends of a connection from host 0 to host 1.
async fn connected(net: &Arc<Net>) -> (End, End) {
    let listening: Listening = socket(net, 1).listen();
    let near = socket(net, 0).dial(1).await.unwrap();
    (near, listening.accept().await.unwrap())
}

async fn said(end: &mut End, bytes: usize) -> io::Result<Vec<u8>> {
    let mut said = vec![0; bytes];
    timeout(LONG, end.read_exact(&mut said))
        .await
        .unwrap_or(Err(io::ErrorKind::TimedOut.into()))?;
    Ok(said)
}

#[tokio::test(start_paused = true)]
async fn bytes_come_in_order_and_the_end_behind_them() {
    let net = net();
    let (mut near, mut far) = connected(&net).await;
    net.set_weather(0, 1, Weather { delay_millis_max: 500, loss_percent: 30, cut: false });
    for byte in 0..100 {
        near.write_all(&[byte]).await.unwrap();
    }
    drop(near);
    let mut all = Vec::new();
    far.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_cut_holds_one_way_back_and_a_connection_that_is_tried() {
    let net = net();
    let (mut near, mut far) = connected(&net).await;
    net.set_weather(0, 1, Weather { cut: true, ..Weather::default() });
    near.write_all(b"held").await.unwrap();
    far.write_all(b"through").await.unwrap();
    assert_eq!(said(&mut near, 7).await.unwrap(), b"through");
    assert_eq!(said(&mut far, 4).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(timeout(LONG, socket(&net, 0).dial(1)).await.is_err());
    net.clear_up();
    assert_eq!(said(&mut far, 4).await.unwrap(), b"held");
}

#[tokio::test(start_paused = true)]
async fn a_host_without_power_says_nothing_and_knows_nothing_later() {
    let net = net();
    let (mut near, far) = connected(&net).await;
    net.go_dark(1);
    drop(far);
    near.write_all(b"lost").await.unwrap();
    assert_eq!(said(&mut near, 1).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    net.come_back(1);
    assert_eq!(said(&mut near, 1).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!(near.write_all(b"more").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_reset_loses_what_is_under_way() {
    let net = net();
    let (mut near, mut far) = connected(&net).await;
    near.write_all(b"lost").await.unwrap();
    net.reset(1, 0);
    assert_eq!(said(&mut far, 4).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_listen_refuses_and_who_reads_nothing_holds_up() {
    let net = net();
    let refused = socket(&net, 0).dial(2).await.err().map(|error| error.kind());
    assert_eq!(refused, Some(io::ErrorKind::ConnectionRefused));
    let (mut near, mut far) = connected(&net).await;
    let flood = vec![7; 1 << 20];
    let writing = timeout(LONG, near.write_all(&flood));
    assert!(writing.await.is_err());
    let began = Instant::now();
    assert_eq!(said(&mut far, 1000).await.unwrap(), [7; 1000]);
    assert!(began.elapsed() < Duration::from_secs(1));
    sleep(Duration::from_millis(1)).await;
    near.write_all(&[8]).await.unwrap();
}
