use super::*;
use crate::mesh::handshake::{self, Greeting};
use dynarust_core::NodeId;
use dynarust_store::SystemClock;
use futures_util::FutureExt;
use tokio::io::{DuplexStream, duplex};

#[derive(Clone, PartialEq, prost::Message)]
struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

const ECHO: u16 = 10;
const FAIL: u16 = 11;
const NEVER: u16 = 12;
/// Has too much under way, the first two times.
const BUSY: u16 = 13;

/// Echoes; keeps what it is notified of.
#[derive(Default)]
struct Echo(Mutex<Vec<String>>, AtomicU64);

impl Handler for Echo {
    fn answer(&self, _: &Arc<Link>, number: u16, body: Bytes) -> BoxFuture<'static, Reply> {
        match number {
            ECHO => async { Ok(body) }.boxed(),
            FAIL => async { Err(Failure::NotReady) }.boxed(),
            BUSY => {
                let busy = self.1.fetch_add(1, Ordering::Relaxed) < 2;
                async move { if busy { Err(Failure::Overloaded) } else { Ok(body) } }.boxed()
            }
            _ => futures_util::future::pending().boxed(),
        }
    }

    fn note(&self, _: &Arc<Link>, _: u16, body: Bytes) {
        self.0.lock().push(Text::decode(body).unwrap().text);
    }
}

fn text(text: &str) -> Text {
    Text { text: text.to_owned() }
}

async fn met() -> (Met<DuplexStream>, Met<DuplexStream>) {
    let (near, far) = duplex(1 << 20);
    let greeting = |node| Greeting {
        node: NodeId(node),
        incarnation: Incarnation(1),
        start: Epoch(node),
        cluster: None,
        alone: false,
        joins: false,
        reached: None,
        now: 0,
    };
    let (one, two) = (greeting(1), greeting(2));
    let dialling = handshake::dial(near, b"s", Channel::Data, &two, |_| Ok(()));
    let accepting = handshake::accept(far, b"s", &one, |_| Ok(()));
    let (near, far) = tokio::join!(dialling, accepting);
    (near.ok().unwrap(), far.ok().unwrap())
}

fn link() -> Arc<Link> {
    Link::new((Incarnation(1), Epoch(1)), Channel::Data, Arc::default())
}

/// Two ends of a link that run; the second's handler.
async fn pair() -> (Arc<Link>, Arc<Link>, Arc<Echo>) {
    let (near_met, far_met) = met().await;
    let (near, far) = (link(), link());
    let echo = Arc::new(Echo::default());
    let theirs = Arc::clone(&echo);
    let running = Arc::clone(&near);
    tokio::spawn(async move { running.run(near_met, &Echo::default(), &SystemClock).await });
    let running = Arc::clone(&far);
    tokio::spawn(async move { running.run(far_met, &*theirs, &SystemClock).await });
    (near, far, echo)
}

#[tokio::test]
async fn both_ends_ask_and_are_answered() {
    let (near, far, _) = pair().await;
    for link in [&near, &far] {
        assert_eq!(link.ask::<Text>(ECHO, &text("a")).await, Ok(text("a")));
        let failed = link.ask::<Text>(FAIL, &text("a")).await;
        assert_eq!(failed, Err(AskError::Failed(Failure::NotReady)));
    }
}

#[tokio::test]
async fn a_peer_that_asks_and_reads_no_answers_is_given_up() {
    let (near_met, far_met) = met().await;
    let far = link();
    let running = Arc::clone(&far);
    tokio::spawn(async move { running.run(far_met, &Echo::default(), &SystemClock).await });
    let mut writer = near_met.writer;
    let mut frames = BytesMut::new();
    let asked = text(&"a".repeat(1 << 20));
    let mut most = 0;
    let asking = async {
        loop {
            frames.clear();
            frame::encode(&mut frames, (Kind::Request, ECHO, 1), |buffer| encode(buffer, &asked));
            // And many for nothing, each of which is refused once there is no room.
            for id in 0..100_000 {
                frame::encode(&mut frames, (Kind::Request, FAIL, id), |_| {});
            }
            if writer.write_all(&frames).await.is_err() {
                return;
            }
            most = most.max(far.outbox.waiting.lock().len());
        }
    };
    tokio::select! {
        () = asking => {}
        () = far.closed() => {}
    }
    assert!(most <= LINK_OUTBOX_BYTES_CEILING, "{most} bytes wait");
    drop(near_met.reader);
}

#[tokio::test]
async fn notices_come_in_order_and_before_a_later_request() {
    let (near, _, echo) = pair().await;
    let sent: Vec<_> = (0..1000).map(|nth| nth.to_string()).collect();
    sent.iter().for_each(|it| near.notify(ECHO, &text(it)));
    near.ask::<Text>(ECHO, &text("")).await.unwrap();
    assert_eq!(*echo.0.lock(), sent);
}

#[tokio::test]
async fn who_waits_hears_that_it_broke_and_nothing_is_left_of_it() {
    let (near, far, _) = pair().await;
    let asked = tokio::spawn({
        let near = Arc::clone(&near);
        async move { near.ask::<Text>(NEVER, &text("a")).await }
    });
    near.ask::<Text>(ECHO, &text("")).await.unwrap();
    far.close();
    assert_eq!(asked.await.unwrap(), Err(AskError::Broken));
    near.closed().await;
    let late = near.ask::<Text>(ECHO, &text("a")).await;
    assert!(matches!(late, Err(AskError::NotSent(_))));
    assert!(near.waiting.lock().is_empty());
}

#[tokio::test]
async fn more_requests_than_are_taken_are_refused_and_the_rest_gets_through() {
    let (near, _, _) = pair().await;
    let pending: Vec<_> = (0..LINK_REQUESTS_MAX)
        .map(|_| {
            let near = Arc::clone(&near);
            tokio::spawn(async move { near.ask::<Text>(NEVER, &text("a")).await })
        })
        .collect();
    while near.waiting.lock().len() < LINK_REQUESTS_MAX {
        tokio::task::yield_now().await;
    }
    let refused = near.ask::<Text>(ECHO, &text("a")).await;
    assert_eq!(refused, Err(AskError::Failed(Failure::Overloaded)));
    pending.iter().for_each(tokio::task::JoinHandle::abort);
}

/// A link is of no use without an answer to some requests; but too much under way is no reason to end it.
#[tokio::test(start_paused = true)]
async fn what_is_asked_for_sure_is_asked_again() {
    let (near, _far, _) = pair().await;
    assert_eq!(near.ask_for_sure::<Text>(BUSY, &text("a")).await, Some(text("a")));
    assert_eq!(near.ask_for_sure::<Text>(FAIL, &text("a")).await, None);
    near.close();
    assert_eq!(near.ask_for_sure::<Text>(ECHO, &text("a")).await, None);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_it_and_pings_keep_it() {
    let (near, _far, _) = pair().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!near.is_closed());
    // A peer whose process stands still: its kernel takes what comes.
    let (near_met, _far_met) = met().await;
    let error = link().run(near_met, &Echo::default(), &SystemClock).await;
    assert!(matches!(error, FrameError::Io(it) if it.kind() == std::io::ErrorKind::TimedOut));
}
