//! Emptying: this node drops its copies of some partitions, and their records go, all of them, without an
//! event (design section 4). The applier does it between its rounds, a part at a time, as it tidies.
//!
//! Invariants:
//! - it begins behind a round that brought in all that was published when it was asked for: nothing of
//!   the journal can bring those records back;
//! - it is answered once their going is on stable storage. Cut short, it must be asked for again: some
//!   have gone then, and the sums are those of the rest.

use std::time::Instant;

use dynarust_core::{PartitionSet, Seq};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::applier::Applier;
use crate::base::BaseError;
use crate::shared::Shared;

/// Transactions of one round.
const STEPS_A_ROUND: usize = 64;

/// What is to be emptied; nothing more once the applier has ended.
#[derive(Debug)]
pub(crate) struct ToEmpty(Mutex<Option<Vec<Asked>>>);

/// A wish, and who waits for it: it is told how many records have gone.
#[derive(Debug)]
struct Asked {
    partitions: PartitionSet,
    waiter: oneshot::Sender<u64>,
}

/// What is being emptied.
#[derive(Debug, Default)]
pub(crate) struct Emptying {
    asked: Vec<Asked>,
    partitions: PartitionSet,
    /// Everything up to here has been looked at.
    after: Seq,
    records: u64,
}

impl Default for ToEmpty {
    fn default() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }
}

impl ToEmpty {
    /// Nobody empties anything any more; who waits hears of it.
    pub(crate) fn close(&self) {
        *self.0.lock() = None;
    }

    /// Takes over what is asked for, if anything is.
    pub(crate) fn begin(&self) -> Option<Emptying> {
        let asked = std::mem::take(self.0.lock().as_mut()?);
        let partitions =
            asked.iter().fold(PartitionSet::default(), |all, it| all.union(&it.partitions));
        (!asked.is_empty()).then(|| Emptying { asked, partitions, ..Emptying::default() })
    }
}

impl Shared {
    /// Has the applier empty these partitions. The receiver hears nothing where it ends before.
    pub(crate) fn empty(&self, partitions: PartitionSet) -> oneshot::Receiver<u64> {
        let (waiter, emptied) = oneshot::channel();
        if let Some(asked) = self.to_empty.0.lock().as_mut() {
            asked.push(Asked { partitions, waiter });
        }
        self.press();
        emptied
    }
}

impl Applier {
    /// Goes on with what is being emptied. Where it does not come to the end, the next round goes on.
    pub(crate) fn empty_some(&mut self) -> Result<(), BaseError> {
        let Some(mut emptying) = self.emptying.take() else {
            return Ok(());
        };
        let outcome = self.empty_steps(&mut emptying);
        if let Ok(true) = outcome {
            tracing::debug!(
                partitions = emptying.partitions.len(),
                records = emptying.records,
                "partitions were emptied"
            );
            for Asked { waiter, .. } in emptying.asked {
                // Who asked may have gone.
                let _ = waiter.send(emptying.records);
            }
            return Ok(());
        }
        self.emptying = Some(emptying);
        self.shared.pressure.lock().apply_now = true;
        outcome.map(|_| ())
    }

    /// True once all of it is done, and on stable storage.
    fn empty_steps(&mut self, emptying: &mut Emptying) -> Result<bool, BaseError> {
        for _ in 0..STEPS_A_ROUND {
            if self.is_pressed() {
                return Ok(false);
            }
            let began = Instant::now();
            let emptied = self.base.empty_some(&emptying.partitions, emptying.after)?;
            self.truncated = false;
            emptying.records += emptied.records;
            let Some(after) = emptied.after else {
                self.base.clear_digests(&emptying.partitions)?;
                self.shared.clear(&emptying.partitions);
                self.checkpoint(true)?;
                self.count_base()?;
                return Ok(true);
            };
            emptying.after = after;
            self.base.checkpoint(false)?;
            self.rest_if_busy(began.elapsed());
        }
        Ok(false)
    }
}
