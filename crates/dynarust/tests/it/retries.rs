//! Retried writes: answers are lost on the way and the node is killed, each request is repeated under
//! its key until it is answered; and each counts once.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::client::{Answer, Client, JSON, put_body, record_path};
use crate::node::{Launch, verify, wait_for};
use crate::seed::{dice, rounds};

const WORKERS: u32 = 6;
const LIST: &str = "list";

/// The full form is `DYNARUST_RETRY_ROUNDS=50`.
#[test]
fn each_request_counts_once_over_lost_answers_and_kills() {
    let mut dice = dice("retries");
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::new(&home.path().join("data"));
    let mut node = launch.start();
    node.client().put("t", LIST, "[]").unwrap().expect(200);
    let rounds = rounds("DYNARUST_RETRY_ROUNDS", 4);
    let over = AtomicBool::new(false);
    let appended = AtomicU32::new(0);
    let seeds: Vec<u64> = (0..WORKERS).map(|_| dice.random()).collect();
    let (workers, last) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..)
            .zip(seeds)
            .map(|(number, seed)| {
                let worker = Worker::new(number, launch.address(), seed);
                scope.spawn(|| worker.work_until(&over, &appended))
            })
            .collect();
        let ending = SetAtLast(&over);
        for _ in 0..rounds {
            std::thread::sleep(Duration::from_millis(dice.random_range(50..600)));
            node.kill9();
            node = launch.start();
        }
        // A load in all, and a part of it on the last node.
        let enough = (appended.load(Ordering::Relaxed) + WORKERS).max(rounds * 5);
        wait_for("enough appends", || (appended.load(Ordering::Relaxed) >= enough).then_some(()));
        drop(ending);
        let workers: Vec<_> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
        (workers, node)
    });
    let list = last.client().read("t", LIST).unwrap().expect(200);
    let list: Vec<String> = serde_json::from_str(list.value()).unwrap();
    let mut expected: Vec<String> = workers.iter().flat_map(|it| it.appended.clone()).collect();
    for worker in &workers {
        let own: Vec<_> = list.iter().filter(|it| worker.appended.contains(it)).collect();
        assert_eq!(own, worker.appended.iter().collect::<Vec<_>>(), "once each, and in order");
    }
    let mut found = list;
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    last.kill9();
    verify(launch.folder());
    // The answers survive as their records do.
    let node = launch.start();
    for worker in workers {
        worker.repeat_the_last(&mut node.client());
    }
    node.terminate();
    verify(launch.folder());
}

/// Sets it when dropped, also where a check fails: the workers must not go on for ever.
struct SetAtLast<'a>(&'a AtomicBool);

impl Drop for SetAtLast<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A request that is repeated until it is answered.
#[derive(Debug, Clone)]
struct Keyed {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Keyed {
    fn send(&self, client: &mut Client) -> Option<Answer> {
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        client.call(self.method, &self.path, &headers, &self.body).ok()
    }

    /// Sends it, and is gone before the answer comes.
    fn send_and_leave(&self, address: SocketAddr, stay: Duration) {
        let Ok(mut socket) = TcpStream::connect(address) else { return };
        let mut text = format!("{} {} HTTP/1.1\r\nHost: test\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{}", self.body.len(), self.body));
        let _sent = socket.write_all(text.as_bytes());
        std::thread::sleep(stay);
    }
}

struct Worker {
    number: u32,
    client: Client,
    address: SocketAddr,
    dice: StdRng,
    appended: Vec<String>,
    last: Option<(Keyed, String)>,
}

impl Worker {
    fn new(number: u32, address: SocketAddr, seed: u64) -> Worker {
        Worker {
            number,
            client: Client::new(address),
            address,
            dice: StdRng::seed_from_u64(seed),
            appended: Vec::new(),
            last: None,
        }
    }

    fn work_until(mut self, over: &AtomicBool, appended: &AtomicU32) -> Worker {
        for nth in 0.. {
            if over.load(Ordering::Relaxed) {
                return self;
            }
            let name = format!("{}-{nth}", self.number);
            match self.dice.random_range(0..3) {
                0 => {
                    let body = format!("[{{\"op\":\"add\",\"path\":\"/-\",\"value\":\"{name}\"}}]");
                    let patch = ("content-type", "application/json-patch+json".to_owned());
                    self.until_answered("PATCH", LIST, vec![patch], body, &name);
                    self.appended.push(name);
                    appended.fetch_add(1, Ordering::Relaxed);
                }
                1 => {
                    // A repeat that was judged again would meet its own record.
                    let only_new = ("if-none-match", "*".to_owned());
                    let json = (JSON.0, JSON.1.to_owned());
                    let body = put_body(&format!("\"{name}\""));
                    let key = self.key(&name, "put");
                    self.until_answered("PUT", &name, vec![json, only_new], body, &key);
                }
                _ => {
                    let body = put_body("1");
                    let json = (JSON.0, JSON.1.to_owned());
                    let put = self.key(&name, "put");
                    self.until_answered("PUT", &name, vec![json], body, &put);
                    // And this one would meet nothing.
                    let delete = self.key(&name, "delete");
                    self.until_answered("DELETE", &name, Vec::new(), String::new(), &delete);
                }
            }
        }
        self
    }

    fn key(&self, name: &str, what: &str) -> String {
        format!("\"{what} of {name}\"").replace(' ', "-")
    }

    fn until_answered(
        &mut self,
        method: &'static str,
        record: &str,
        mut headers: Vec<(&'static str, String)>,
        body: String,
        key: &str,
    ) {
        headers.push(("idempotency-key", key.to_owned()));
        let request = Keyed { method, path: record_path("t", record), headers, body };
        let what = format!("an answer to {request:?}");
        let version = wait_for(&what, || {
            if self.dice.random_ratio(1, 3) {
                let stay = Duration::from_micros(self.dice.random_range(0..3000));
                request.send_and_leave(self.address, stay);
                return None;
            }
            let answer = request.send(&mut self.client)?;
            match answer.status {
                200 => Some(answer.version()),
                // The first try still runs, or the node is on its way down.
                409 if answer.code() == "request_in_progress" => None,
                503 => None,
                _ => panic!("{request:?} got {answer:?}"),
            }
        });
        if self.dice.random_ratio(1, 4)
            && let Some(again) = request.send(&mut self.client)
        {
            assert_eq!((again.status, again.version()), (200, version.clone()), "{request:?}");
        }
        self.last = Some((request, version));
    }

    fn repeat_the_last(self, client: &mut Client) {
        let Some((request, version)) = self.last else { return };
        let again = request.send(client).unwrap().expect(200);
        assert_eq!(again.version(), version, "{request:?}");
    }
}
