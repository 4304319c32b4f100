//! No copy is missing, and none is kept too long: in the end each record has as many copies as it is to have, or as
//! there are nodes. (That none is dropped early is [`super::dropped`].)

use dynarust_core::RecordName;
use dynarust_store::{Store, WallClock};

use crate::client::TABLE;
use crate::machine::Machine;
use crate::workload::Keys;

/// What is wrong.
pub(crate) async fn check(machines: &[Machine], keys: &Keys, replication: u8) -> Vec<String> {
    let up: Vec<&Machine> = machines.iter().filter(|machine| machine.is_up()).collect();
    let expected = up.len().min(replication.into());
    let mut wrong = Vec::new();
    for key in keys.all() {
        let mut holding = Vec::new();
        for machine in &up {
            let (Some(store), Ok(name)) = (machine.store(), RecordName::parse(TABLE, &key)) else {
                continue;
            };
            if let Ok(Some(stored)) = store.get(name).await
                && stored.record.is_live(machine.clock.now())
            {
                holding.push(machine.number);
            }
        }
        if !holding.is_empty() && holding.len() != expected {
            wrong.push(format!(
                "copies: {key} is at {holding:?}, and should be at {expected} nodes"
            ));
        }
    }
    wrong
}
