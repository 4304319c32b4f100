use super::*;
use dynarust_core::EntityTags;

fn write(key: &str, change: Change) -> Write {
    Write {
        name: RecordName::parse("t", key).unwrap(),
        change,
        condition: Condition::default(),
        durability: Durability::Relaxed,
        request: None,
        above: None,
    }
}

fn put(key: &str, value: &'static str) -> Write {
    write(key, Change::Put { value: Bytes::from_static(value.as_bytes()), expiry: None })
}

fn absent_only(write: Write) -> Write {
    let condition = Condition { if_none_match: Some(EntityTags::Any), if_match: None };
    Write { condition, ..write }
}

type Answers = Vec<Result<Written, WriteError>>;

/// What is published: what a lookup says, and what was answered.
struct Looks<L> {
    lookup: L,
    answers: HashMap<Arc<str>, Kept>,
    room: bool,
}

impl<L: Fn(&RecordName) -> Result<Option<Standing>, ReadError>> Published for Looks<L> {
    fn standing(&mut self, name: &RecordName) -> Result<Option<Standing>, ReadError> {
        (self.lookup)(name)
    }

    fn claimed(&mut self, _: &RecordName) -> Result<Option<Claimed>, ReadError> {
        Ok(None)
    }

    fn answer(&mut self, key: &str) -> Result<Option<Kept>, ReadError> {
        Ok(self.answers.get(key).copied())
    }

    fn has_room_for_answers(&mut self) -> bool {
        self.room
    }
}

/// What came of some writes, and their answers.
fn decide_with(writes: &[Write], published: impl Published) -> (Decided, Answers) {
    let mut clock = HybridClock::starting_above(0);
    let mut deciding = deciding(&mut clock, published);
    let answers = writes.iter().map(|write| deciding.write(write)).collect();
    (deciding.end(), answers)
}

fn deciding<P: Published>(clock: &mut HybridClock, published: P) -> Deciding<'_, P> {
    let (pending, decided) = (Pending::default(), Decided::default());
    Deciding { node: NodeId(1), clock, now: 1, last_seq: 10, published, pending, decided }
}

fn decide(
    writes: &[Write],
    lookup: impl Fn(&RecordName) -> Result<Option<Standing>, ReadError>,
) -> (Decided, Answers) {
    decide_with(writes, nothing_answered(lookup))
}

fn nothing_answered<L>(lookup: L) -> Looks<L> {
    Looks { lookup, answers: HashMap::new(), room: true }
}

fn versions(decided: &Decided) -> Vec<Version> {
    decided.records.iter().map(|stored| stored.record.version).collect()
}

/// The nth record's.
fn done(decided: &Decided, nth: usize) -> Result<Written, WriteError> {
    let stored = &decided.records[nth];
    Ok(Written::Done { version: stored.record.version, seq: stored.seq })
}

fn keyed(key: &str, fingerprint: u128, write: Write) -> Write {
    Write { request: Some(RequestKey { key: key.into(), fingerprint }), ..write }
}

#[test]
fn a_repeat_is_answered_as_the_first_and_changes_nothing() {
    let writes = [
        keyed("k", 1, absent_only(put("a", "1"))),
        put("a", "2"),
        // Before its condition, which it broke itself.
        keyed("k", 1, absent_only(put("a", "1"))),
        keyed("k", 2, put("b", "1")),
        keyed("l", 1, put("a", "3")),
    ];
    let (decided, answers) = decide(&writes, |_| Ok(None));
    let expected = [
        done(&decided, 0),
        done(&decided, 1),
        Ok(Written::Repeated(decided.records[0].record.version)),
        Ok(Written::KeyReused),
        done(&decided, 2),
    ];
    assert_eq!(answers, expected);
    let carried: Vec<_> = decided.carried.iter().map(|it| (&*it.request.key, it.seq)).collect();
    assert_eq!(carried, [("k", 11), ("l", 13)]);
}

#[test]
fn what_was_refused_is_no_answer() {
    let writes = [
        keyed("k", 1, write("a", Change::Delete)),
        put("a", "1"),
        keyed("k", 1, write("a", Change::Delete)),
    ];
    let (_, answers) = decide(&writes, |_| Ok(None));
    assert_eq!(answers[0], Ok(Written::Absent));
    assert!(matches!(answers[2], Ok(Written::Done { .. })));
}

#[test]
fn what_is_published_is_known_and_what_cannot_be_remembered_is_refused() {
    let version = Version { hlc: 5, node: NodeId(1) };
    let known = HashMap::from([("k".into(), Kept { fingerprint: 1, version })]);
    let writes = [keyed("k", 1, put("a", "1")), keyed("l", 1, put("a", "1")), put("a", "1")];
    let lookup = |_: &RecordName| Ok(None);
    let (_, answers) = decide_with(&writes, Looks { lookup, answers: known, room: false });
    assert_eq!(answers[0], Ok(Written::Repeated(version)));
    assert_eq!(answers[1], Err(WriteError::Overloaded));
    assert!(matches!(answers[2], Ok(Written::Done { .. })));
}

#[test]
fn a_write_sees_those_before_it_in_the_group() {
    let writes = [
        put("a", "1"),
        absent_only(put("a", "2")),
        write("a", Change::Delete),
        write("a", Change::Delete),
        absent_only(put("a", "3")),
    ];
    let (decided, answers) = decide(&writes, |_| Ok(None));
    assert!(versions(&decided).is_sorted());
    let expected = [
        done(&decided, 0),
        Ok(Written::Refused(Some(decided.records[0].record.version))),
        done(&decided, 1),
        Ok(Written::Absent),
        done(&decided, 2),
    ];
    assert_eq!(answers, expected);
    let seqs: Vec<_> = decided.records.iter().map(|stored| stored.seq).collect();
    assert_eq!(seqs, [11, 12, 13]);
    assert!(!decided.sync);
}

#[test]
fn one_sync_write_makes_the_group_sync() {
    let writes = [put("a", "1"), Write { durability: Durability::Sync, ..put("b", "1") }];
    assert!(decide(&writes, |_| Ok(None)).0.sync);
}

#[test]
fn a_damaged_record_is_replaced_or_deleted_but_never_compared() {
    let damaged = |name: &RecordName| Err(ReadError::CorruptRecord(name.clone()));
    let writes = [put("a", "1"), write("b", Change::Delete), absent_only(put("c", "1"))];
    let (decided, answers) = decide(&writes, damaged);
    assert!(matches!(answers[0], Ok(Written::Done { .. })));
    assert!(matches!(answers[1], Ok(Written::Done { .. })));
    assert!(matches!(answers[2], Err(WriteError::Unreadable(_))));
    assert_eq!(decided.records.len(), 2);
}

/// A record of another node, written at this hybrid time.
fn arrival(key: &str, hlc: u64) -> Arrival {
    let version = Version { hlc, node: NodeId(2) };
    let (previous, expiry, value) = (None, Some(5), Bytes::from_static(b"2"));
    let record = Record { version, previous, expiry, tombstone: false, expired: false, value };
    let name = RecordName::parse("t", key).unwrap();
    Arrival { name, record, request: None, fresh: false, over: Over::Older }
}

fn expired(arrival: Arrival) -> Arrival {
    Arrival { record: arrival.record.into_expired(), ..arrival }
}

/// What came of some arrivals at keys that hold nothing.
fn take_in(arrivals: Vec<Arrival>, durability: Durability) -> (Decided, Vec<TakenIn>) {
    let mut clock = HybridClock::starting_above(0);
    let mut deciding = deciding(&mut clock, nothing_answered(|_: &RecordName| Ok(None)));
    let taken_in = deciding.take_in(arrivals, durability).unwrap();
    (deciding.end(), taken_in)
}

#[test]
fn of_arrivals_the_highest_stamp_stays_in_whatever_order_they_come() {
    let arrivals = vec![
        arrival("a", 7),
        arrival("a", 6),
        arrival("a", 7),
        expired(arrival("a", 7)),
        arrival("a", 7),
        arrival("b", 1),
        arrival("a", 8),
    ];
    let stamps: Vec<_> = arrivals.iter().map(|arrival| arrival.record.stamp()).collect();
    let (decided, taken_in) = take_in(arrivals, Durability::Relaxed);
    let kept = |nth: usize| TakenIn::Kept(stamps[nth]);
    let applied = TakenIn::Applied { unseen: None };
    // None is known to have been written over another.
    let over = TakenIn::Applied { unseen: Some(stamps[3].version) };
    assert_eq!(taken_in, [applied, kept(0), kept(0), applied, kept(3), applied, over]);
    let records: Vec<_> = decided.records.iter().map(|it| (it.seq, it.record.stamp())).collect();
    let expected = [(11, stamps[0]), (12, stamps[3]), (13, stamps[5]), (14, stamps[6])];
    assert_eq!((records, decided.sync), (expected.to_vec(), false));
}

#[test]
fn what_is_kept_is_synced_as_what_is_applied() {
    for arrivals in [vec![], vec![arrival("a", 7)], vec![arrival("a", 7), arrival("a", 6)]] {
        assert!(take_in(arrivals, Durability::Sync).0.sync);
    }
}

#[test]
fn a_fresh_arrival_moves_the_clock_unless_it_is_far_ahead_and_others_do_not() {
    use dynarust_core::limits::CLOCK_SKEW_MILLIS_MAX;
    let [near, far] = [0, 1].map(|more| dynarust_core::clock::at(1 + CLOCK_SKEW_MILLIS_MAX) + more);
    for (fresh, hlc) in [(false, near), (true, near), (true, far)] {
        let mut clock = HybridClock::starting_above(0);
        let mut deciding = deciding(&mut clock, nothing_answered(|_: &RecordName| Ok(None)));
        let late = Arrival { fresh, ..arrival("a", hlc) };
        deciding.take_in(vec![late], Durability::Relaxed).unwrap();
        deciding.write(&put("b", "1")).unwrap();
        assert!(!deciding.decided.ahead);
        let above = Some(Version { hlc: 3 * far, node: NodeId(2) });
        deciding.write(&Write { above, ..put("b", "1") }).unwrap();
        deciding.write(&put("c", "1")).unwrap();
        let decided = deciding.end();
        let versions = versions(&decided);
        let moved = fresh && hlc == near;
        assert_eq!(versions[1].hlc > near, moved);
        assert!(Some(versions[2]) > above && decided.ahead);
        assert!(versions[3].hlc < near + 10, "what is far ahead is not counted on from");
    }
}

#[test]
fn a_write_that_is_stamped_anew_is_known_by_its_new_version() {
    let first = keyed("k", 1, put("a", "1"));
    let mut clock = HybridClock::starting_above(0);
    let mut deciding = deciding(&mut clock, nothing_answered(|_: &RecordName| Ok(None)));
    let Written::Done { version, .. } = deciding.write(&first).unwrap() else { panic!() };
    let newer = Version { hlc: version.hlc + 5, node: NodeId(7) };
    let anew = deciding.write(&Write { above: Some(newer), ..first.clone() }).unwrap();
    let Written::Done { version: above, .. } = anew else { panic!("{anew:?}") };
    assert!(above > newer);
    assert_eq!(deciding.write(&first).unwrap(), Written::Repeated(above));
    // It had been stamped anew elsewhere, too, and higher.
    let lower = Write { above: Some(newer), ..first };
    assert_eq!(deciding.write(&lower).unwrap(), Written::Repeated(above));
    let carried: Vec<_> = deciding.end().carried.iter().map(|it| it.version).collect();
    assert_eq!(carried, [version, above]);
}

#[test]
fn who_takes_the_place_of_what_it_was_not_written_over_is_told_of_it() {
    let mut clock = HybridClock::starting_above(0);
    let mut deciding = deciding(&mut clock, nothing_answered(|_: &RecordName| Ok(None)));
    let mut take = |hlc, previous: Option<u64>| {
        let mut arrival = arrival("a", hlc);
        arrival.record.previous = previous.map(|hlc| Version { hlc, node: NodeId(2) });
        let taken = deciding.take_in(vec![arrival], Durability::Relaxed).unwrap();
        taken[0]
    };
    let unseen = |hlc: u64| TakenIn::Applied { unseen: Some(Version { hlc, node: NodeId(2) }) };
    assert_eq!(take(3, None), TakenIn::Applied { unseen: None });
    assert_eq!(take(4, Some(3)), TakenIn::Applied { unseen: None });
    assert_eq!(take(5, Some(3)), unseen(4));
    // Over something newer than what is here, of which nobody knows what that was written over.
    assert_eq!(take(7, Some(6)), unseen(5));
    assert!(matches!(take(6, None), TakenIn::Kept(_)));
}

#[test]
fn a_proposal_is_judged_and_stamped_and_changes_nothing() {
    let standing = Standing::of(&arrival("a", 7).record);
    let mut clock = HybridClock::starting_above(0);
    let lookup = |name: &RecordName| Ok((name.key() == "a").then_some(standing));
    let mut deciding = deciding(&mut clock, nothing_answered(lookup));
    let proposed = deciding.propose(&put("a", "1")).unwrap();
    let Proposed::Stamped { record, over } = proposed else {
        panic!("not stamped: {proposed:?}");
    };
    assert_eq!((record.previous, over), (Some(standing.version), Some(standing.version)));
    assert!(record.version > standing.version && deciding.decided.proposed);
    let refused = Written::Refused(Some(standing.version));
    for (write, expected) in
        [(absent_only(put("a", "1")), refused), (write("b", Change::Delete), Written::Absent)]
    {
        assert_eq!(deciding.propose(&write), Ok(Proposed::Decided(expected)));
    }
    let later = deciding.propose(&put("a", "1")).unwrap();
    assert!(matches!(later, Proposed::Stamped { record: it, .. } if it.version > record.version));
    assert!(deciding.end().records.is_empty());
}

#[test]
fn what_was_judged_on_a_version_stands_over_nothing_newer() {
    let judged = |key, hlc, over: Option<u64>| {
        let over = Over::Judged(over.map(|hlc| Version { hlc, node: NodeId(2) }));
        Arrival { over, ..arrival(key, hlc) }
    };
    let first = judged("a", 7, None);
    let stands = |arrival: &Arrival| TakenIn::Kept(arrival.record.stamp());
    let arrivals = vec![
        first.clone(),
        // Again; judged on nothing; and on what is older than what is there.
        first.clone(),
        judged("a", 8, None),
        judged("a", 8, Some(6)),
        judged("a", 8, Some(7)),
        judged("a", 9, Some(7)),
        // The merge law does not ask.
        arrival("a", 9),
    ];
    let eight = stands(&arrivals[4]);
    let (decided, taken_in) = take_in(arrivals, Durability::Sync);
    let seven = stands(&first);
    let over = |hlc| TakenIn::Applied { unseen: hlc };
    let at = |hlc| Some(Version { hlc, node: NodeId(2) });
    let expected = [over(None), seven, seven, seven, over(at(7)), eight, over(at(8))];
    assert_eq!(taken_in, expected);
    assert_eq!((decided.records.len(), decided.sync), (3, true));
}

#[test]
fn what_was_judged_elsewhere_does_not_mend_a_damaged_record() {
    let mut clock = HybridClock::starting_above(0);
    let damaged = |name: &RecordName| Err(ReadError::CorruptRecord(name.clone()));
    let mut deciding = deciding(&mut clock, nothing_answered(damaged));
    let judged = Arrival { over: Over::Judged(None), ..arrival("a", 7) };
    let refused = deciding.take_in(vec![judged], Durability::Sync);
    assert!(matches!(refused, Err(WriteError::Unreadable(_))));
}

#[test]
fn a_write_sees_the_arrivals_before_it() {
    let mut clock = HybridClock::starting_above(0);
    let mut deciding = deciding(&mut clock, nothing_answered(|_: &RecordName| Ok(None)));
    let first = arrival("a", 1 << 60);
    let version = first.record.version;
    deciding.take_in(vec![first], Durability::Relaxed).unwrap();
    let refused = deciding.write(&absent_only(put("a", "1"))).unwrap();
    assert_eq!(refused, Written::Refused(Some(version)));
    let Written::Done { version: above, seq: 12 } = deciding.write(&put("a", "1")).unwrap() else {
        panic!("not written behind it");
    };
    assert!(above > version);
}

#[test]
fn the_request_of_an_arrival_is_remembered_where_there_is_room() {
    let request = RequestKey { key: "k".into(), fingerprint: 1 };
    for room in [false, true] {
        let mut clock = HybridClock::starting_above(0);
        let lookup = |_: &RecordName| Ok(None);
        let published = Looks { lookup, answers: HashMap::new(), room };
        let mut deciding = deciding(&mut clock, published);
        let bare = arrival("a", 7);
        let keyed_arrival = Arrival { request: Some(request.clone()), ..bare.clone() };
        // It may have come without its request before, and it may come again.
        let arrivals = vec![bare.clone(), keyed_arrival.clone(), keyed_arrival];
        let taken_in = deciding.take_in(arrivals, Durability::Relaxed).unwrap();
        let kept = TakenIn::Kept(bare.record.stamp());
        let once_more = if room { TakenIn::Applied { unseen: None } } else { kept };
        assert_eq!(taken_in, [TakenIn::Applied { unseen: None }, once_more, kept]);
        assert_eq!(deciding.decided.carried.len(), usize::from(room));
        let repeat = deciding.write(&keyed("k", 1, put("a", "1")));
        let version = Version { hlc: 7, node: NodeId(2) };
        let known = Ok(Written::Repeated(version));
        assert_eq!(repeat, if room { known } else { Err(WriteError::Overloaded) });
    }
}

#[test]
fn an_arrival_mends_a_damaged_record_and_fails_where_the_base_does() {
    let mut clock = HybridClock::starting_above(0);
    let lookup = |name: &RecordName| match name.key() {
        "a" => Err(ReadError::CorruptRecord(name.clone())),
        _ => Err(ReadError::Base("gone".into())),
    };
    let mut deciding = deciding(&mut clock, nothing_answered(lookup));
    let taken_in = deciding.take_in(vec![arrival("a", 1)], Durability::Relaxed).unwrap();
    assert_eq!(taken_in, [TakenIn::Applied { unseen: None }]);
    let failed = deciding.take_in(vec![arrival("b", 1)], Durability::Relaxed);
    assert!(matches!(failed, Err(WriteError::Unreadable(ReadError::Base(_)))));
}
