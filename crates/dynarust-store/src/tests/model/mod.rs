//! The store against a plain map that knows what was synced.
//!
//! A run is a list of steps drawn by proptest: writes with and without conditions, rounds of the
//! applier in parts, looks of the expirer, sweeps, kills, power cuts, clean restarts. After each the store must agree with
//! the map. A power cut forgets, of what was not synced, some writes, halves of others, and the
//! removal of files; the store may then have lost unsynced writes, but only the newest ones: it agrees
//! with the map as it was after some write at or behind the last synced one.
//!
//! Records with a deadline are gone for readers at it, on a clock that the run sets; once the expirer has
//! looked they are gone for good, also where the clock steps back. What was not synced of that, a power
//! cut may undo.
//!
//! Some writes come with an idempotency key, and come again: a repeat is known as long as the write that
//! it repeats is there, and for ten minutes.
//!
//! Records of other nodes arrive, too, out of order and more than once, from before and behind what this
//! node stamps. The merge law says what becomes of each, but that one which stands there already comes once
//! more where it brings a request that was not known; once a lot was answered as synced, what stands
//! at its keys is, also where nothing changed. Notes are kept behind all that was published.
//!
//! Tombstones go once they are old enough, and only as far as followers are said to have come. Digests are the
//! sums over what the map has.
//!
//! A partition that is emptied has gone without a trace once that is answered, from the records, the sums
//! and the feed, whatever comes behind it.
//!
//! Now and then the folder is made another node's, and has what it had, wherever that is cut short.
//!
//! Followers hold a copy and a position; resumed from there, the feed must make their copy equal.

mod arrivals;
mod run;

use dynarust_core::UnixMillis;
use proptest::prelude::*;

use crate::port::Durability;
use arrivals::Arriving;
use run::Run;

const HOUR: UnixMillis = 3_600_000;
const MINUTE: UnixMillis = 60_000;
const KEYS: u8 = 5;
const REQUEST_KEYS: u8 = 4;

#[derive(Debug, Clone)]
enum Step {
    Put {
        key: u8,
        condition: Asked,
        durability: Durability,
        bytes: u16,
        ttl: Option<u8>,
        request: Option<u8>,
    },
    Delete {
        key: u8,
        condition: Asked,
        durability: Durability,
        request: Option<u8>,
    },
    /// An earlier write with an idempotency key comes again.
    Repeat {
        nth: usize,
    },
    /// Records of other nodes come.
    TakeIn {
        arriving: Vec<Arriving>,
        durability: Durability,
    },
    /// The node's note is saved.
    Keep,
    /// Followers have not come further than so far before the present.
    ForgetUpTo {
        before: u8,
    },
    Apply,
    /// A round of the applier that does not come to its end.
    ApplyAPart {
        records: u8,
        feed: bool,
    },
    Checkpoint {
        truncate: bool,
    },
    Sweep,
    /// The partition of a key is emptied; `killed`: not at the first try.
    Empty {
        key: u8,
        killed: bool,
    },
    Expire,
    Hours(u8),
    Minutes(u8),
    ClockBack {
        millis: u16,
    },
    Follow,
    Kill,
    PowerCut {
        seed: u64,
        old_base: bool,
    },
    Restart,
    /// The folder is made another node's, and that is cut short behind so many steps, by a power cut where
    /// there is a seed.
    Renew {
        steps: u8,
        cut: Option<u64>,
    },
}

#[derive(Debug, Clone, Copy)]
enum Asked {
    Nothing,
    Absent,
    Present,
    Current,
    Stale,
}

fn step() -> impl Strategy<Value = Step> {
    let durability = || prop_oneof![Just(Durability::Sync), Just(Durability::Relaxed)];
    let condition = || {
        prop_oneof![
            4 => Just(Asked::Nothing),
            1 => Just(Asked::Absent),
            1 => Just(Asked::Present),
            1 => Just(Asked::Current),
            1 => Just(Asked::Stale),
        ]
    };
    let request = || prop::option::weighted(0.4, 0..REQUEST_KEYS);
    prop_oneof![
        12 => (
            0..KEYS, condition(), durability(), 0..2000u16, prop::option::of(1..4u8), request()
        ).prop_map(|(key, condition, durability, bytes, ttl, request)| {
            Step::Put { key, condition, durability, bytes, ttl, request }
        }),
        5 => (0..KEYS, condition(), durability(), request()).prop_map(
            |(key, condition, durability, request)| {
                Step::Delete { key, condition, durability, request }
            }
        ),
        5 => (0..4usize).prop_map(|nth| Step::Repeat { nth }),
        10 => (prop::collection::vec(arrivals::arriving(), 0..5), durability())
            .prop_map(|(arriving, durability)| Step::TakeIn { arriving, durability }),
        1 => Just(Step::Keep),
        2 => (0..8u8).prop_map(|before| Step::ForgetUpTo { before }),
        3 => Just(Step::Apply),
        2 => (1..4u8, any::<bool>()).prop_map(|(records, feed)| Step::ApplyAPart { records, feed }),
        2 => any::<bool>().prop_map(|truncate| Step::Checkpoint { truncate }),
        1 => Just(Step::Sweep),
        1 => (0..KEYS, any::<bool>()).prop_map(|(key, killed)| Step::Empty { key, killed }),
        3 => Just(Step::Expire),
        3 => (1..3u8).prop_map(Step::Hours),
        1 => (1..30u8).prop_map(Step::Hours),
        2 => (1..8u8).prop_map(Step::Minutes),
        1 => (0..1000u16).prop_map(|millis| Step::ClockBack { millis }),
        4 => Just(Step::Follow),
        1 => Just(Step::Kill),
        3 => (any::<u64>(), any::<bool>())
            .prop_map(|(seed, old_base)| Step::PowerCut { seed, old_base }),
        1 => Just(Step::Restart),
        1 => (1..5u8, prop::option::of(any::<u64>()))
            .prop_map(|(steps, cut)| Step::Renew { steps, cut }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("DYNARUST_MODEL_CASES").map_or(256, |cases| cases.parse().unwrap()),
        max_shrink_time: 60_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_store_agrees_with_a_map_that_knows_what_was_synced(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
        }
        run.step(Step::Restart);
    }
}
