//! What a refusal stands on: who says that a record is not there, or is another, says how many were asked.

use std::sync::Arc;

use dynarust_core::Consistency::{All, Available, One, Quorum};
use dynarust_core::{Condition, Consistency, EntityTags, Patch, PatchForm, Replicas};
use dynarust_store::Durability;

use super::members::{Members, name, put};
use crate::{Acknowledged, PatchRecord, Put, RefusedPatch, RefusedWrite};

/// The value is `1`, or there is no patched value.
const IS_ONE: &str = r#"[{"op":"test","path":"","value":1}]"#;

fn patch(key: &str, condition: Condition, consistency: Consistency) -> PatchRecord {
    PatchRecord {
        name: name(key),
        patch: Arc::new(Patch::new(PatchForm::Json, IS_ONE.to_owned()).unwrap()),
        value_bytes_max: 1 << 10,
        expiry: None,
        condition,
        durability: Durability::Sync,
        consistency,
        request: None,
    }
}

/// Over a version that no record has.
fn over_another() -> Condition {
    Condition { if_match: Some(EntityTags::Versions(Vec::new())), if_none_match: None }
}

#[track_caller]
fn stands_on(outcome: Result<Acknowledged, RefusedPatch>) -> Replicas {
    match outcome {
        Err(
            RefusedPatch::Write(
                RefusedWrite::Absent { replicas: Some(replicas) }
                | RefusedWrite::VersionMismatch { replicas: Some(replicas), .. },
            )
            | RefusedPatch::Patch { replicas, .. },
        ) => replicas,
        other => panic!("it was not refused for what is there: {other:?}"),
    }
}

/// What each refusal of this node stands on; it sees `there` as another value than `1`, and `absent` nowhere.
async fn refusals(
    members: &Members,
    number: usize,
    (there, absent): (&str, &str),
    consistency: Consistency,
) -> [Replicas; 6] {
    let node = members.node(number);
    let any = Condition::default;
    let put = |key| Put { condition: over_another(), ..put(key, "1", consistency) };
    [
        stands_on(members.delete(number, absent, consistency).await.map_err(Into::into)),
        stands_on(node.put(put(there)).await.map_err(Into::into)),
        stands_on(node.put(put(absent)).await.map_err(Into::into)),
        stands_on(node.patch(patch(absent, any(), consistency)).await),
        stands_on(node.patch(patch(there, over_another(), consistency)).await),
        stands_on(node.patch(patch(there, any(), consistency)).await),
    ]
}

/// A node that is cut off takes a record for absent that the others hold, or knows an older one: only it stands
/// behind that, and it says so. The others are a majority.
#[tokio::test(start_paused = true)]
async fn a_node_that_is_cut_off_says_what_its_refusals_stand_on() {
    let members = Members::running(3).await;
    members.put(0, "there", "0", All).await.unwrap();
    members.wires.cut(0, 1);
    members.wires.cut(0, 2);
    members.until_down(&[0], &[1, 2]).await;
    members.until_down(&[1, 2], &[0]).await;
    members.put(1, "new", "1", Available).await.unwrap();
    members.put(1, "there", "1", Available).await.unwrap();
    for consistency in [One, Available] {
        let alone = refusals(&members, 0, ("there", "new"), consistency).await;
        assert_eq!(alone, [Replicas { stand: 1, owners: 3 }; 6], "at {consistency:?}");
    }
    members.put(1, "there", "0", Available).await.unwrap();
    for consistency in [Available, Quorum] {
        let many = refusals(&members, 1, ("there", "absent"), consistency).await;
        assert_eq!(many, [Replicas { stand: 2, owners: 3 }; 6], "at {consistency:?}");
    }
}

/// So does a refusal that another node decided, whichever node is asked.
#[tokio::test(start_paused = true)]
async fn a_forwarded_refusal_says_what_it_stands_on() {
    let members = Members::running(3).await;
    for number in [0, 1, 2] {
        let there = members.key_where(|order| order[0] == number);
        members.put(0, &there, "0", All).await.unwrap();
        for asked in [0, 1, 2] {
            for (consistency, stand) in [(One, 1), (Available, 2), (Quorum, 2), (All, 3)] {
                let absent = format!("{there}-absent");
                let told = refusals(&members, asked, (&there, &absent), consistency).await;
                assert_eq!(told, [Replicas { stand, owners: 3 }; 6], "at {consistency:?}");
            }
        }
    }
}
