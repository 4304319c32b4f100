//! A request with an idempotency key takes effect once, whichever node gets its repeat.

use std::sync::Arc;

use dynarust_core::Consistency::Available;
use dynarust_core::patch::{Patch, PatchForm};
use dynarust_core::{Condition, RequestKey};
use dynarust_store::Durability;

use super::members::{Members, name, put, until};
use crate::cluster::Liveness;
use crate::{Acknowledged, PatchRecord, Put, RefusedPatch, RefusedWrite};

fn keyed(key: &str, value: &str, fingerprint: u128) -> Put {
    let request = RequestKey { key: "once".into(), fingerprint };
    Put { request: Some(request), ..put(key, value, Available) }
}

/// The first owner is away while a request is carried out, and what that wrote is written over. Gives what
/// was acknowledged.
async fn carried_out_without_the_first_owner() -> (Members, String, Acknowledged) {
    let mut members = Members::running(3).await;
    let key = members.key_where(|order| order[0] == 1);
    let first = members.id(1);
    members.kill(1).await;
    for number in [0, 2] {
        until("it is down", || members.sees(number, first) == Liveness::Down).await;
    }
    let first = members.node(0).put(keyed(&key, "1", 7)).await.unwrap();
    members.put(2, &key, "2", Available).await.unwrap();
    members.start(1);
    members.until_whole().await;
    (members, key, first)
}

/// Whoever was away hears of it from those who were there, also where nothing is left of what was written.
#[tokio::test(start_paused = true)]
async fn who_was_away_does_not_carry_a_request_out_again() {
    let (members, key, first) = carried_out_without_the_first_owner().await;
    for number in [1, 0, 2] {
        let again = members.node(number).put(keyed(&key, "1", 7)).await.unwrap();
        assert_eq!(again.version, first.version, "carried out again at {number}");
        let reused = members.node(number).put(keyed(&key, "3", 8)).await;
        assert_eq!(reused, Err(RefusedWrite::KeyReused));
    }
    for number in [0, 1, 2] {
        assert_eq!(members.held(number, &key).await.as_deref(), Some(&b"2"[..]));
    }
}

/// A patch would not fit what it made of the value.
#[tokio::test(start_paused = true)]
async fn a_repeated_patch_hears_what_became_of_the_first() {
    let members = Members::running(3).await;
    members.put(0, "key", "[1]", Available).await.unwrap();
    let text = r#"[{"op":"test","path":"","value":[1]},{"op":"add","path":"/-","value":2}]"#;
    let text = Arc::new(Patch::new(PatchForm::Json, text.to_owned()).unwrap());
    let patch = |fingerprint| PatchRecord {
        name: name("key"),
        patch: Arc::clone(&text),
        value_bytes_max: 1 << 10,
        expiry: None,
        condition: Condition::default(),
        durability: Durability::Sync,
        consistency: Available,
        request: Some(RequestKey { key: "once".into(), fingerprint }),
    };
    let first = members.node(0).patch(patch(7)).await.unwrap();
    for number in [1, 2, 0] {
        let again = members.node(number).patch(patch(7)).await.unwrap();
        assert_eq!(again.version, first.version);
        let reused = members.node(number).patch(patch(8)).await;
        assert_eq!(reused, Err(RefusedPatch::from(RefusedWrite::KeyReused)));
    }
    assert_eq!(members.held(1, "key").await.as_deref(), Some(&b"[1,2]"[..]));
}

/// Patches with keys that come at once, by all nodes: of most the first try is judged on what another one has
/// changed, and refused by the node that writes. That is not what their clients hear.
#[tokio::test(start_paused = true)]
async fn patches_under_keys_that_come_at_once_are_all_carried_out() {
    let members = Members::running(3).await;
    members.put(0, "key", "[]", Available).await.unwrap();
    let text = Patch::new(PatchForm::Json, r#"[{"op":"add","path":"/-","value":1}]"#.to_owned());
    let text = Arc::new(text.unwrap());
    let patches = (0..30_usize).map(|nth| {
        let patch = PatchRecord {
            name: name("key"),
            patch: Arc::clone(&text),
            value_bytes_max: 1 << 10,
            expiry: None,
            condition: Condition::default(),
            durability: Durability::Relaxed,
            consistency: Available,
            request: Some(RequestKey { key: nth.to_string().into(), fingerprint: 1 }),
        };
        members.node(nth % 3).patch(patch)
    });
    for patched in futures_util::future::join_all(patches).await {
        patched.unwrap();
    }
    let value = members.get(1, "key", Available).await.unwrap().stored.unwrap();
    assert_eq!(value.record.value, format!("[{}]", ["1"; 30].join(",")));
}
