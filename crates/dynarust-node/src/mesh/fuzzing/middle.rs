//! Somebody in the middle of a connection: carries bytes both ways, and changes some.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What is done to the bytes of one direction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    /// Behind so many bytes.
    at: usize,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    /// A byte becomes another.
    Flip(u8),
    /// So many bytes do not arrive.
    Lose(usize),
    /// A byte comes between.
    Insert(u8),
    /// The last so many bytes come twice.
    Repeat(usize),
    /// Nothing more arrives.
    Stop,
}

/// The changes that these bytes stand for, of the dialler's direction and of the other: four bytes each.
pub(super) fn changes(script: &[u8]) -> [Vec<Change>; 2] {
    let mut changes = [Vec::new(), Vec::new()];
    for [kind, low, high, with] in script.as_chunks().0 {
        let at = usize::from(u16::from_le_bytes([*low, *high]));
        let what = match kind >> 1 {
            0..40 => What::Flip(*with),
            40..60 => What::Lose(usize::from(*with) + 1),
            60..80 => What::Insert(*with),
            80..100 => What::Repeat(usize::from(*with) + 1),
            _ => What::Stop,
        };
        changes[usize::from(kind % 2)].push(Change { at, what });
    }
    changes.iter_mut().for_each(|it| it.sort_by_key(|change| change.at));
    changes
}

/// What one direction carried.
#[derive(Debug, Default, Clone)]
pub(super) struct Carried {
    pub(super) sent: Vec<u8>,
    pub(super) arrived: Vec<u8>,
}

/// Carries what comes until it ends, changed. Once changes have stopped it, it swallows the rest.
pub(super) async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    changes: Vec<Change>,
    carried: Arc<Mutex<Carried>>,
) {
    let mut changes = changes.into_iter().peekable();
    let mut stopped = false;
    let mut losing = 0;
    while let Ok(byte) = from.read_u8().await {
        let mut arrives = vec![byte];
        {
            let mut carried = carried.lock();
            let at = carried.sent.len();
            carried.sent.push(byte);
            if losing > 0 {
                (losing, arrives) = (losing - 1, Vec::new());
            }
            while let Some(change) = changes.next_if(|change| change.at <= at) {
                match change.what {
                    What::Flip(with) => arrives.iter_mut().for_each(|byte| *byte ^= with),
                    What::Lose(count) => (losing, arrives) = (count - 1, Vec::new()),
                    What::Insert(byte) => arrives.insert(0, byte),
                    What::Repeat(count) => {
                        let from = carried.arrived.len().saturating_sub(count);
                        arrives.extend_from_slice(&carried.arrived[from..]);
                    }
                    What::Stop => stopped = true,
                }
            }
            if stopped {
                arrives.clear();
            }
            carried.arrived.extend_from_slice(&arrives);
        }
        if to.write_all(&arrives).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
