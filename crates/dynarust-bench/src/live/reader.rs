//! One stream of `live`: follows its key for as long as the run lasts.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use memchr::memmem;

use crate::connection::Connection;
use crate::failures::Failure;
use crate::live::Run;
use crate::live::writer::SENT_AT;

impl Run {
    pub(super) async fn follow(self: Arc<Self>, stream: usize) {
        let Err(failure) = self.read(stream).await;
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.counts.count(false);
        self.findings.lock().failures.count_one(&failure);
    }

    /// Ends only by a failure.
    async fn read(&self, stream: usize) -> Result<std::convert::Infallible, Failure> {
        let mut connection = Connection::new(self.followed_address);
        let request = self.dialect.follow(&self.followed, &self.key(stream));
        if let Ok(_opening) = self.opening.acquire().await {
            connection.open_stream(request.as_bytes()).await?;
            connection.skip_behind(self.dialect.ready()).await?;
        }
        self.opened.fetch_add(1, Ordering::Relaxed);
        loop {
            while let Some(sent) = take_sent_at(connection.received()) {
                self.arrived(stream, sent);
            }
            connection.receive().await?;
        }
    }

    fn arrived(&self, stream: usize, sent_micros: u64) {
        let after = self.began.elapsed().saturating_sub(Duration::from_micros(sent_micros));
        if let Some(seen) = self.seen.get(stream) {
            seen.fetch_max(sent_micros, Ordering::Relaxed);
        }
        let mut findings = self.findings.lock();
        findings.events.record_time(after);
        if self.asked.streams > self.keys {
            findings.spread.arrived(sent_micros, after);
        }
    }
}

/// Takes one value's time from what came; a value that is not whole yet stays.
fn take_sent_at(received: &mut Vec<u8>) -> Option<u64> {
    let start = memmem::find(received, SENT_AT)? + SENT_AT.len();
    let rest = received.get(start..)?;
    let end = rest.iter().position(|byte| *byte == b' ')?;
    let sent = std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok();
    received.drain(..start + end);
    sent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_taken_once_they_are_whole() {
        let whole = b"data: {\"value\":\"sent at 12 \xc2\xb5s\"}\n\ndata: {\"value\":\"sent at 345 \xc2\xb5s\"}\n\n";
        let mut received = Vec::new();
        let mut taken = Vec::new();
        for byte in whole {
            received.push(*byte);
            taken.extend(take_sent_at(&mut received));
        }
        assert_eq!(taken, [12, 345]);
        assert_eq!(take_sent_at(&mut received), None);
    }
}
