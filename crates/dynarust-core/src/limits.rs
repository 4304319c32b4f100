//! Limits: everything that can grow, and how far (design section 1, "bounded").
//!
//! What an operator can set has its default and its bounds here; the assertions at the end hold the
//! limits against each other.

/// Makes the limits, and the list of all of them, so that none can be left out there.
macro_rules! limits {
    ($($(#[$doc:meta])* pub const $name:ident: $type:ty = $value:expr;)+) => {
        $($(#[$doc])* pub const $name: $type = $value;)+

        /// Every limit of this file, by its name: what `/metrics` and `/stats` show.
        pub const ALL: &[(&str, u64)] = &[$((stringify!($name), $name as u64),)+];
    };
}

limits! {
/// Bytes in the name of a table.
pub const TABLE_BYTES_MAX: usize = 128;
/// Bytes in a key.
pub const KEY_BYTES_MAX: usize = 1024;
/// Arrays and objects inside each other in a value.
pub const VALUE_DEPTH_MAX: usize = 128;
/// Bytes in a value's JSON text, unless `--max-value-bytes` says otherwise.
pub const VALUE_BYTES_DEFAULT: usize = 1 << 20;
/// The highest `--max-value-bytes`.
pub const VALUE_BYTES_CEILING: usize = 16 << 20;

/// Seconds that a record may be given to live: ten years, leap days among them.
pub const TTL_SECONDS_MAX: u64 = 3653 * 24 * 60 * 60;

/// Bytes of the record cache, unless `--cache-bytes` says otherwise.
pub const CACHE_BYTES_DEFAULT: u64 = 16 << 20;

/// What a PUT's body may hold beside the value: the member's name, braces and white space.
pub const PUT_ENVELOPE_BYTES_MAX: usize = 64 << 10;
/// Bytes in the body of a request for many keys: a multi-get, a batch.
pub const MANY_KEYS_BODY_BYTES_MAX: usize = 64 << 20;
/// Keys in a request for many keys.
pub const MANY_KEYS_MAX: usize = 10_000;
/// Writes that a batch hands to the journal before it waits for them.
pub const BATCH_PART_OPERATIONS_MAX: usize = 2 * GROUP_OPERATIONS_MAX;
/// Bytes that a batch hands to the journal before it waits for them, one write more at most.
pub const BATCH_PART_BYTES_MAX: usize = 4 * GROUP_BYTES_MAX;
/// Parts of batches that are written at a time.
pub const BATCH_PARTS_AT_A_TIME_MAX: usize = 2;
/// How often a patch may go over the largest value, in bytes that it looks at, compares, moves or
/// copies in all.
pub const PATCH_PASSES_MAX: usize = 64;
/// How often a patch begins anew where others write the key between its read and its write.
pub const PATCH_TRIES_MAX: usize = 64;
/// Tries of a patch after which other writes of the key wait behind it.
pub const PATCH_TRIES_BEFORE_PRESSING: usize = 2;
/// Bytes of a value and its patch up to which the patch is applied at once; larger ones are applied a
/// few at a time, apart from other requests.
pub const PATCH_AT_ONCE_BYTES_MAX: usize = 64 << 10;
/// Larger patches that are applied at a time.
pub const LARGE_PATCHES_AT_A_TIME_MAX: usize = 2;
/// How much of a body that is refused for its size is read before the connection closes.
pub const REFUSED_BODY_BYTES_MAX: usize = 2 << 20;
/// Bytes of records' bodies that all connections together may hold in memory.
pub const BODIES_BYTES_MAX: usize = 128 << 20;
/// Bytes of bodies of requests for many keys that all connections together may hold in memory.
pub const KEY_LISTS_BYTES_MAX: usize = 2 * MANY_KEYS_BODY_BYTES_MAX;
/// Bytes in a request's path and query.
pub const URI_BYTES_MAX: usize = 32 << 10;
/// Bytes in a request's head: its first line and all of its headers.
pub const HEAD_BYTES_MAX: usize = 128 << 10;
/// Bytes in a request's method.
pub const METHOD_BYTES_MAX: usize = 64;
/// Headers of a request.
pub const HEADER_FIELDS_MAX: usize = 100;
/// Bytes in the name of a header.
pub const HEADER_NAME_BYTES_MAX: usize = 256;
/// Bytes of requests' heads that are not whole, of all connections together.
pub const HELD_HEADS_BYTES_MAX: usize = 64 << 20;
/// Bytes of all extensions of a chunked body's chunks.
pub const CHUNK_EXTENSIONS_BYTES_MAX: usize = 4 << 10;
/// Bytes behind the last chunk of a chunked body.
pub const TRAILER_BYTES_MAX: usize = 8 << 10;
/// Headers behind the last chunk of a chunked body.
pub const TRAILER_FIELDS_MAX: usize = 32;
/// Milliseconds in which a request's head that has begun must be whole.
pub const HEAD_MILLIS_MAX: u64 = 10_000;
/// Milliseconds after which a connection on which nothing moves is closed.
pub const IDLE_MILLIS_MAX: u64 = 75_000;
/// Milliseconds for which a connection that was closed amid a request is read on.
pub const LINGER_MILLIS_MAX: u64 = 2_000;
/// Milliseconds for which a client may take nothing of the answer that waits for it.
pub const STALL_MILLIS_MAX: u64 = 120_000;
/// Bytes of answers that the kernel holds unsent for a connection. Half of them taken is what counts as
/// something taken.
pub const UNSENT_BYTES_MAX: usize = 128 << 10;
/// Milliseconds that a request's body may take beyond what [`BODY_BYTES_PER_SECOND_MIN`] gives it.
pub const BODY_MILLIS_MAX: u64 = 30_000;
/// Bytes a second of a body below which it is refused: it would keep memory from others.
pub const BODY_BYTES_PER_SECOND_MIN: u64 = 256 << 10;
/// Milliseconds that a request waits for memory that others have, before it is refused.
pub const MEMORY_WAIT_MILLIS_MAX: u64 = 5_000;
/// Connections that are answered 503 at a time; beyond them the kernel's queue waits.
pub const TURNED_AWAY_MAX: usize = 64;
/// Milliseconds that such an answer may take.
pub const TURNED_AWAY_MILLIS_MAX: u64 = 2_000;
/// Requests and live streams at a time on one connection of HTTP/2.
pub const HTTP2_STREAMS_MAX: u32 = 128;
/// Bytes that a client may send ahead on one stream of HTTP/2.
pub const HTTP2_STREAM_WINDOW_BYTES: u32 = 128 << 10;
/// Bytes that a client may send ahead on one connection of HTTP/2.
pub const HTTP2_CONNECTION_WINDOW_BYTES: u32 = 512 << 10;
/// Bytes of an answer that wait on one stream of HTTP/2.
pub const HTTP2_SEND_BUFFER_BYTES: usize = 64 << 10;
/// Streams of HTTP/2 that a client may open and reset before the node has seen them; more end the
/// connection.
pub const HTTP2_RESETS_WAITING_MAX: usize = 20;
/// Streams of HTTP/2 that the node may have to reset for a client's errors; more end the connection.
pub const HTTP2_ERROR_RESETS_MAX: usize = 64;
/// Milliseconds of silence after which a client of HTTP/2 is asked whether it is there.
pub const HTTP2_PING_MILLIS: u64 = 30_000;
/// Milliseconds that it has for its answer.
pub const HTTP2_PONG_MILLIS_MAX: u64 = 20_000;
/// Open connections of one node; beyond them they are answered 503.
pub const CONNECTIONS_MAX: usize = 110_000;
/// Bytes of pages of `store` and `keys` that all connections together may hold in memory.
pub const PAGES_BYTES_MAX: usize = 128 << 20;
/// Milliseconds between two looks at the memory that the process has.
pub const MEMORY_CHECK_MILLIS: u64 = 2_000;
/// Bytes of memory that was freed and did not go back to the system yet.
pub const FREED_BYTES_MAX: u64 = 2 << 20;
/// Reads of records that may wait for the base.
pub const READS_WAITING_MAX: usize = 4096;
/// Bytes of a value above which an answer with it is counted: what is smaller, the kernel takes at once.
pub const COUNTED_VALUE_BYTES: usize = 64 << 10;
/// Bytes of answers with such values that all connections together may hold in memory.
pub const VALUES_SENT_BYTES_MAX: usize = 128 << 20;
/// Bytes of answers without an end in sight, such as whole tables, that all connections together may
/// hold in memory.
pub const LISTINGS_BYTES_MAX: usize = 128 << 20;
/// Bytes that one such answer is reckoned at: a chunk that is read, and one that waits for the client.
pub const LISTING_BYTES: usize = 2 * CHUNK_BYTES_MAX;
/// What of the memory of a small machine bodies, lists of keys, large values, pages and listings may
/// have each: one in so many bytes. (In a large one their own limits are lower.)
pub const MEMORY_PART: usize = 16;
/// Bytes of a request that the kernel holds unread for a connection, in a small machine. (In a large
/// one the kernel decides.)
pub const UNREAD_BYTES_SMALL: usize = 32 << 10;
/// Bytes of memory for which a node takes a connection.
pub const CONNECTION_MEMORY_BYTES: usize = 64 << 10;
/// Keys of one request for many keys that are read at a time.
pub const READS_AT_A_TIME_MAX: usize = 16;

/// Records in a page of `store` or `keys`.
pub const PAGE_RECORDS_MAX: usize = 10_000;
/// Bytes of records after which a page of `store` or `keys` ends.
pub const PAGE_BYTES_MAX: usize = 8 << 20;
/// Bytes of records that a scan or a stream holds at a time.
pub const CHUNK_BYTES_MAX: usize = 256 << 10;
/// Records that a scan or a stream holds at a time.
pub const CHUNK_RECORDS_MAX: usize = 1024;

/// Operations that one sync of the journal may cover.
pub const GROUP_OPERATIONS_MAX: usize = 1024;
/// Bytes that one sync of the journal may cover, one operation more at most.
pub const GROUP_BYTES_MAX: usize = 448 << 10;
/// Bytes in an idempotency key.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// Milliseconds for which a repeat of a request with an idempotency key is known.
pub const ANSWERS_KEPT_MILLIS: u64 = 10 * 60 * 1000;
/// Writes with an idempotency key that are remembered; beyond them those with a key are refused, until
/// older ones have had their time.
pub const ANSWERS_KEPT_MAX: usize = 1 << 20;
/// Refused requests with an idempotency key that are remembered; beyond them the oldest goes.
pub const REFUSALS_KEPT_MAX: usize = 16 << 10;

/// Records that are marked as expired between two groups of clients' writes.
pub const EXPIRIES_AT_A_TIME_MAX: usize = 256;
/// Writes that may wait for the journal.
pub const WRITES_WAITING_MAX: usize = 8 * GROUP_OPERATIONS_MAX;
/// Bytes of writes that may wait for the journal.
pub const WRITES_WAITING_BYTES_MAX: usize = 64 << 20;
/// Bytes of a preallocated journal segment; one that must hold a larger frame is larger.
pub const SEGMENT_BYTES: u64 = 1792 << 10;
/// Bytes that stay free on a disk that fills: for bringing what is recent into the base, and for the
/// next start.
pub const DISK_RESERVE_BYTES: u64 = 24 << 20;
/// Bytes that are in the journal and not yet in the base; more, and writes wait, or are refused where
/// the base has no space.
pub const JOURNAL_BYTES_MAX: usize = 192 << 20;
/// Bytes in the journal after which they are brought into the base without waiting for the interval.
/// More: a key that is written again and again reaches the base less often. Less: less disk.
pub const APPLY_BYTES: usize = 64 << 20;
/// Writes that are in the journal and not yet in the base; more, and writes wait. Each takes about 140
/// bytes of memory, or 4 where it has been overwritten.
pub const RECENT_RECORDS_MAX: usize = 512 << 10;
/// Writes in the journal after which they are brought into the base without waiting for the interval, at
/// the smallest `--cache-bytes`; more with more.
pub const APPLY_RECORDS_MIN: usize = 16 << 10;
/// Milliseconds after which what is in the journal is brought into the base, unless `--apply-interval` says
/// otherwise; sooner where nothing is written, or much.
pub const APPLY_INTERVAL_MILLIS_DEFAULT: u64 = 10_000;
/// Bytes of the newest publications that followers can still see one by one.
pub const TAIL_BYTES_MAX: usize = 2 << 20;
/// Start-ups that a folder remembers; a cursor of an older one is unknown.
pub const EPOCHS_MAX: usize = 1024;
/// Milliseconds that the persisted clock ceiling may run ahead of the clock.
pub const CLOCK_CEILING_MILLIS: u64 = 250;
/// Seconds that a tombstone or an expired record is kept after this node took it in, unless
/// `--tombstone-age` says otherwise.
pub const TOMBSTONE_AGE_SECONDS_DEFAULT: u64 = 24 * 60 * 60;
/// The highest `--tombstone-age`; the lowest is a second.
pub const TOMBSTONE_AGE_SECONDS_CEILING: u64 = 30 * 24 * 60 * 60;

/// Bytes of what a node notes of its cluster beside its records.
pub const NOTE_BYTES_MAX: usize = 4 << 20;

/// Tables whose figures one answer of `/stats` shows.
pub const STATS_TABLES_MAX: usize = 1000;

/// Bytes that a stream's cursor may have as text.
pub const CURSOR_BYTES_MAX: usize = 4096;
/// Nodes that may tell one stream; of one that more tell no id can be resumed.
pub const CURSOR_FEEDS_MAX: usize = 24;
/// Nodes besides those on whose feeds a cursor claims something.
pub const CURSOR_CLAIMS_BESIDE_MAX: usize = 36;
/// Keys, prefixes and tables on one stream.
pub const SELECTORS_MAX: usize = 1000;
/// How long a stream that is resumed elsewhere may wait until this node holds what its reader has seen. Longer, and
/// a node that is back by then is waited for; shorter, and its readers hear `reset` sooner.
pub const RESUME_MILLIS_MAX: u64 = 2_000;
/// After so long others are asked whether they hold it, and again.
pub const RESUME_ASK_AGAIN_MILLIS: u64 = 100;
/// Streams of a node that ask at a time.
pub const RESUMES_ASKING_MAX: usize = 64;
/// After so long it is looked again whether this node does.
pub const RESUME_LOOK_AGAIN_MILLIS: u64 = 5;
/// Bytes of events that wait for one slow reader, unless an operator says so.
pub const STREAM_QUEUE_BYTES_MAX: usize = 1 << 20;
/// The least that an operator may set that to.
pub const STREAM_QUEUE_BYTES_FLOOR: usize = 64 << 10;
/// The most.
pub const STREAM_QUEUE_BYTES_CEILING: usize = 64 << 20;
/// Live streams of one node.
pub const STREAMS_MAX: usize = 100_000;
/// Streams that read the store at a time; the others of a crowd wait, however many they are.
pub const STREAM_READS_MAX: usize = 64;
/// How long a live stream may wait for its node to come back, or to join. Longer, and its reader would be served sooner
/// by another; shorter, and it comes back for nothing.
pub const STREAM_WAIT_SECONDS_MAX: u64 = 10;
/// A live stream that has nothing to tell for so long says that it is still there.
pub const STREAM_HEARTBEAT_SECONDS: u64 = 15;
/// Each idle stream looks around this often. More often, and thousands of them cost more; less, and heartbeats are
/// sent sooner than they must be.
pub const STREAM_SWEEP_SECONDS: u64 = 5;

/// Nodes that hold a record, unless `--replication` says otherwise.
pub const REPLICATION_DEFAULT: u8 = 3;
/// The highest `--replication`.
pub const REPLICATION_MAX: u8 = 7;
/// How much of the data a member takes against others, unless its weight says otherwise.
pub const WEIGHT_DEFAULT: u16 = 100;
/// Seconds after which a member that is down is evicted, unless `--evict-after` says otherwise.
pub const EVICT_AFTER_SECONDS_DEFAULT: u64 = 10 * 60;
/// The shortest `--evict-after`, in seconds.
pub const EVICT_AFTER_SECONDS_MIN: u64 = 10;
/// The longest `--evict-after`, in seconds.
pub const EVICT_AFTER_SECONDS_MAX: u64 = 7 * 24 * 60 * 60;
/// Seconds for which nobody must have come or gone before copies are dropped that are owned by others now,
/// unless `--drop-after` says otherwise.
pub const DROP_AFTER_SECONDS_DEFAULT: u64 = 60;
/// The longest `--drop-after`, in seconds; the shortest is a second.
pub const DROP_AFTER_SECONDS_MAX: u64 = 7 * 24 * 60 * 60;
/// Milliseconds between two looks at what is to be dropped, or taken in again.
pub const MOVES_LOOK_MILLIS: u64 = 1_000;
/// Milliseconds for which others' notes of what they hold are waited for before that is looked at anew.
pub const MOVES_PATIENCE_MILLIS: u64 = 10 * NOTE_MILLIS;
/// Seconds for which an evicted node may be away and keeps its records, unless `--rejoin-max` says
/// otherwise.
pub const REJOIN_SECONDS_DEFAULT: u64 = 12 * 60 * 60;
/// Bytes in a frame between two nodes: a record of the largest value, or a page that ends behind one.
pub const MESH_FRAME_BYTES_MAX: usize = 2 * VALUE_BYTES_CEILING;
/// Bytes in a message of the handshake between two nodes.
pub const HANDSHAKE_BYTES_MAX: usize = 4096;
/// Milliseconds that a handshake may take.
pub const HANDSHAKE_MILLIS_MAX: u64 = 2_000;
/// Milliseconds that a connection to another node may take to come about.
pub const DIAL_MILLIS_MAX: u64 = 1_000;
/// Bytes of the answer to the request for the mesh.
pub const MESH_ANSWER_BYTES_MAX: usize = 4096;
/// Bytes that wait to be sent to a peer before requests to it are refused, and ships wait.
pub const LINK_OUTBOX_BYTES_MAX: usize = 4 << 20;
/// Bytes that wait to be sent to a peer before the connection is given up: it asks, and reads no answers.
pub const LINK_OUTBOX_BYTES_CEILING: usize = LINK_OUTBOX_BYTES_MAX + 2 * MESH_FRAME_BYTES_MAX;
/// Requests of a peer that are carried out at a time, over one connection.
pub const LINK_REQUESTS_MAX: usize = 4096;
/// Messages, each of about 64 KiB and a record, that wait at a node for one live stream of what another
/// node holds.
pub const WATCHED_WAITING_MAX: usize = 4;
/// After so long without anything to tell, a node tells another's live stream how far it has come.
pub const WATCHED_IDLE_MILLIS: u64 = 20_000;
/// After something changed in the cluster, a node looks so many milliseconds apart whether another's live stream, to which
/// there is nothing to tell, is to hear of a new start of some node.
pub const WATCHED_LOOK_MILLIS: u64 = 500;
/// How often it looks.
pub const WATCHED_LOOKS: u32 = 6;
/// Milliseconds after which a live stream looks again for an owner of what it follows.
pub const WATCH_RETRY_MILLIS: u64 = 200;
/// Milliseconds between two pings of a connection between nodes.
pub const PING_MILLIS: u64 = 200;
/// Milliseconds for which nothing is heard before such a connection is given up.
pub const SILENCE_MILLIS_MAX: u64 = 800;
/// Milliseconds for which a peer whose connection broke is waited for, before it counts as down.
pub const LOST_MILLIS_MAX: u64 = 1_000;
/// Milliseconds before a peer is dialled again, at first.
pub const REDIAL_MILLIS_MIN: u64 = 20;
/// Milliseconds before a peer is dialled again, at most.
pub const REDIAL_MILLIS_MAX: u64 = 1_000;
/// Milliseconds for which a member that starts again looks for the others, before it answers.
pub const RETURN_MILLIS_MAX: u64 = 1_500;
/// Milliseconds between two lines that say that a node cannot join yet.
pub const JOIN_TELL_MILLIS: u64 = 5_000;
/// Milliseconds after which a node's positions in others' feeds are remembered.
pub const NOTE_MILLIS: u64 = 1_000;
/// Milliseconds after which that is tried again where it did not work.
pub const NOTE_RETRY_MILLIS: u64 = 1_000;
/// Milliseconds after which it is noted anew until when a node has missed nothing, where nothing else is new.
pub const NOTE_COMPLETE_MILLIS: u64 = 60_000;
/// Milliseconds for which that stands still once a member was given up.
pub const COMPLETE_PAUSE_MILLIS: u64 = 60_000;
/// Milliseconds by which a node may have missed more than it knows: what others had sent it or were about
/// to, and how far their clocks differ.
pub const REJOIN_ALLOWANCE_MILLIS: u64 = 10_000;
/// Records that are shipped to a follower at a time.
pub const SHIP_RECORDS_MAX: usize = 256;
/// Bytes that are on the way to a follower, and not acknowledged; then shipping waits.
pub const SHIP_UNDER_WAY_BYTES_MAX: usize = 8 << 20;
/// Ships of one peer that are taken in at a time.
pub const TAKING_AT_A_TIME_MAX: usize = 16;
/// Bytes of ships of one peer that may wait here: more than it may have on the way.
pub const TAKING_BYTES_MAX: usize = 4 * SHIP_UNDER_WAY_BYTES_MAX;
/// Milliseconds after which what could not be taken in is tried again.
pub const TAKE_RETRY_MILLIS: u64 = 200;
/// Records of a page of a feed for another node.
pub const FEED_PAGE_RECORDS_MAX: usize = 1024;
/// Bytes of records after which such a page ends: little enough that clients hardly wait behind it.
pub const FEED_PAGE_BYTES_MAX: usize = 64 << 10;
/// Bytes that the name and the stamp of a record are reckoned at, as they travel.
pub const NOTICE_BYTES_ASSUMED: usize = 64;
/// Records of a feed up to which it is read by names at once, with no comparison before.
pub const NAMES_READ_AT_ONCE_MAX: u64 = 64;
/// Records that are asked for by name at a time.
pub const PULL_NAMES_MAX: usize = 256;
/// Bytes a second of copies, catching up and comparing that a node sends and receives while clients are served,
/// unless `--background-bytes` says otherwise.
pub const BACKGROUND_BYTES_PER_SECOND_DEFAULT: u64 = 2 << 20;
/// The lowest `--background-bytes`.
pub const BACKGROUND_BYTES_PER_SECOND_MIN: u64 = 64 << 10;
/// The same while none are.
pub const BACKGROUND_IDLE_BYTES_PER_SECOND: u64 = 64 << 20;
/// Milliseconds without a request of a client after which none are taken to be there.
pub const CLIENTS_GONE_MILLIS: u64 = 1_000;
/// Milliseconds after which copies that differed are compared again when they come to be shared.
pub const COMPARE_AGAIN_MILLIS: u64 = 20;
/// How often they are compared before what differs is read by name.
pub const COMPARE_TRIES_MAX: usize = 5;
/// Milliseconds after which a peer that had too much under way is asked again.
pub const ASK_AGAIN_MILLIS: u64 = 20;
/// Milliseconds after which a page that was not to be had is asked for again.
pub const FEED_RETRY_MILLIS: u64 = 20;
/// Milliseconds after which a node that leaves looks again whether others hold what it holds.
pub const LEAVE_LOOK_MILLIS: u64 = 100;
/// Milliseconds between two lines that say what a node waits for that leaves.
pub const LEAVE_SAY_MILLIS: u64 = 5_000;
/// Milliseconds for which nobody is there who could take over, before a node gives up leaving.
pub const LEAVE_ALONE_MILLIS_MAX: u64 = 5_000;
/// Milliseconds for which a node that goes waits until the others have heard it, and as long before that
/// until they have its last words.
pub const GO_MILLIS_MAX: u64 = 500;
/// Milliseconds that a member may take until all that it acknowledged stands at all live ones.
pub const AGREE_MILLIS_MAX: u64 = 2_000;
/// Milliseconds between two looks at who is down for long.
pub const EVICT_LOOK_MILLIS: u64 = 1_000;
/// Milliseconds between two comparisons of copies with a peer, about.
pub const REPAIR_MILLIS: u64 = 10_000;
/// Milliseconds after which copies that differed are compared again, before anything is done.
pub const REPAIR_CONFIRM_MILLIS: u64 = 1_000;
/// Names of damaged records that a store keeps until its node takes them, and that a node keeps until they
/// are mended; what is beyond that is found again by a later pass of the scrub.
pub const DAMAGED_NAMES_MAX: usize = 1000;
/// Milliseconds between two looks at what is to be mended.
pub const MEND_MILLIS: u64 = 1_000;
/// Records that are mended at each of these looks, or tried in vain.
pub const MENDS_AT_A_TIME_MAX: usize = 3;
/// Milliseconds that a request may take over all owners that it concerns.
pub const COORDINATE_MILLIS_MAX: u64 = 2_000;
/// Milliseconds without an answer after which a read asks more owners than it needs.
pub const ASK_NEXT_MILLIS: u64 = 50;
/// Milliseconds after which an owner that could not be asked is asked again.
pub const LOOK_AGAIN_MILLIS: u64 = 20;
/// Records of which it is remembered that others had stamped something newer than this node, which had not seen it.
pub const KEPT_REMEMBERED_MAX: usize = 16 << 10;
/// Records that something newer stood in the way of, of which a follower tells that has caught up.
pub const KEPT_TOLD_MAX: usize = 4096;
/// Connections that peers have to a node: two from each, and as many that take their place.
pub const MESH_CONNECTIONS_MAX: usize = 1024;
/// Milliseconds for which an operator's command may answer a node's challenge.
pub const CHALLENGE_MILLIS_MAX: u64 = 60_000;
/// Proofs of operators that are remembered, so that none counts twice; more in that time are refused.
pub const PROOFS_KEPT_MAX: usize = 1024;
/// Bytes in the secret of a cluster, at least.
pub const SECRET_BYTES_MIN: usize = 16;
/// Members of a cluster; a node that would be one more is turned away.
pub const MEMBERS_MAX: usize = 256;
/// Members that left, or were removed or evicted, and are remembered as gone; once there are as many,
/// new nodes are turned away.
pub const GONE_MEMBERS_MAX: usize = 4096;
/// Members, gone or not, in what a node has heard of a cluster. More than both together: several nodes
/// may let new ones in at the same moment.
pub const REGISTRY_MEMBERS_MAX: usize = 2 * MEMBERS_MAX + GONE_MEMBERS_MAX;
/// Bytes in a member's address: a host name of 253, and a port.
pub const ADDRESS_BYTES_MAX: usize = 259;
/// Bytes in the name of a zone.
pub const ZONE_BYTES_MAX: usize = 64;
/// The highest weight; the lowest is 1.
pub const WEIGHT_MAX: u16 = 10_000;
/// Milliseconds that a node's wall clock may be off others'.
pub const CLOCK_SKEW_MILLIS_MAX: u64 = 500;
/// The highest hybrid time of a version; what is above it makes no sense. No wall clock shows it before the
/// year 10889, and versions can be counted on from there for good.
pub const HYBRID_TIME_MAX: u64 = u64::MAX - (1 << 40);
}

const _: () = {
    assert!(VALUE_BYTES_DEFAULT <= VALUE_BYTES_CEILING);
    assert!(VALUE_BYTES_CEILING + KEY_BYTES_MAX + TABLE_BYTES_MAX < WRITES_WAITING_BYTES_MAX);
    assert!((NOTE_BYTES_MAX as u64) < DISK_RESERVE_BYTES / 4);
    assert!(VALUE_BYTES_CEILING + GROUP_BYTES_MAX + APPLY_BYTES < JOURNAL_BYTES_MAX);
    assert!(2 * APPLY_RECORDS_MIN < RECENT_RECORDS_MAX);
    assert!(TOMBSTONE_AGE_SECONDS_DEFAULT <= TOMBSTONE_AGE_SECONDS_CEILING);
    // Larger ones get a segment of their own, which nobody has prepared.
    assert!(4 * GROUP_BYTES_MAX as u64 <= SEGMENT_BYTES);
    assert!(3 * SEGMENT_BYTES <= DISK_RESERVE_BYTES);
    assert!(VALUE_BYTES_CEILING + PUT_ENVELOPE_BYTES_MAX < BODIES_BYTES_MAX);
    assert!(MANY_KEYS_BODY_BYTES_MAX <= KEY_LISTS_BYTES_MAX);
    assert!(PATCH_TRIES_BEFORE_PRESSING < PATCH_TRIES_MAX);
    // Batches leave room for the writes of other requests.
    assert!(BATCH_PARTS_AT_A_TIME_MAX * BATCH_PART_OPERATIONS_MAX <= WRITES_WAITING_MAX / 2);
    assert!(
        BATCH_PARTS_AT_A_TIME_MAX * (BATCH_PART_BYTES_MAX + VALUE_BYTES_CEILING)
            < WRITES_WAITING_BYTES_MAX
    );
    assert!(CHUNK_BYTES_MAX <= PAGE_BYTES_MAX);
    assert!(CHUNK_BYTES_MAX < STREAM_QUEUE_BYTES_MAX);
    assert!(STREAM_QUEUE_BYTES_FLOOR <= STREAM_QUEUE_BYTES_MAX);
    assert!(STREAM_QUEUE_BYTES_MAX <= STREAM_QUEUE_BYTES_CEILING);
    // A cursor is base64, four characters for three bytes: a name, what is said of feeds (37 bytes where one has
    // told further than is claimed, 27 of a claim alone), and what stands around them.
    assert!(
        (KEY_BYTES_MAX
            + TABLE_BYTES_MAX
            + 37 * CURSOR_FEEDS_MAX
            + 27 * CURSOR_CLAIMS_BESIDE_MAX
            + 20)
            * 4
            / 3
            + 4
            <= CURSOR_BYTES_MAX
    );
    assert!(KEY_BYTES_MAX * 3 + TABLE_BYTES_MAX < URI_BYTES_MAX);
    assert!(PAGE_BYTES_MAX <= PAGES_BYTES_MAX);
    assert!(COUNTED_VALUE_BYTES < UNSENT_BYTES_MAX);
    assert!(VALUE_BYTES_CEILING + PUT_ENVELOPE_BYTES_MAX < VALUES_SENT_BYTES_MAX);
    assert!(LISTING_BYTES <= LISTINGS_BYTES_MAX);
    assert!(METHOD_BYTES_MAX + URI_BYTES_MAX + HEADER_NAME_BYTES_MAX < HEAD_BYTES_MAX);
    assert!(HEAD_BYTES_MAX < HELD_HEADS_BYTES_MAX);
    assert!(HEAD_MILLIS_MAX < IDLE_MILLIS_MAX);
    assert!(HTTP2_PING_MILLIS + HTTP2_PONG_MILLIS_MAX < IDLE_MILLIS_MAX);
    assert!(HTTP2_STREAM_WINDOW_BYTES < HTTP2_CONNECTION_WINDOW_BYTES);
    assert!(READS_AT_A_TIME_MAX < READS_WAITING_MAX);
    assert!(STREAMS_MAX < CONNECTIONS_MAX);
    assert!(STREAM_SWEEP_SECONDS + 1 < STREAM_HEARTBEAT_SECONDS);
    assert!(1 <= REPLICATION_DEFAULT && REPLICATION_DEFAULT <= REPLICATION_MAX);
    assert!(
        1 <= DROP_AFTER_SECONDS_DEFAULT && DROP_AFTER_SECONDS_DEFAULT <= DROP_AFTER_SECONDS_MAX
    );
    assert!(EVICT_AFTER_SECONDS_MIN <= EVICT_AFTER_SECONDS_DEFAULT);
    assert!(EVICT_AFTER_SECONDS_DEFAULT <= EVICT_AFTER_SECONDS_MAX);
    // Every tombstone of its time is still there when it comes back.
    assert!(REJOIN_SECONDS_DEFAULT < TOMBSTONE_AGE_SECONDS_DEFAULT);
    assert!(REJOIN_ALLOWANCE_MILLIS > SILENCE_MILLIS_MAX + CLOCK_SKEW_MILLIS_MAX);
    assert!(COMPLETE_PAUSE_MILLIS > 10 * (EVICT_LOOK_MILLIS + LOST_MILLIS_MAX));
    assert!(NOTE_COMPLETE_MILLIS + REJOIN_ALLOWANCE_MILLIS < REJOIN_SECONDS_DEFAULT * 1000);
    assert!(MENDS_AT_A_TIME_MAX <= DAMAGED_NAMES_MAX);
    assert!(VALUE_BYTES_CEILING + TAIL_BYTES_MAX + CHUNK_BYTES_MAX < MESH_FRAME_BYTES_MAX);
    assert!(2 * PING_MILLIS < SILENCE_MILLIS_MAX);
    assert!(BACKGROUND_BYTES_PER_SECOND_MIN <= BACKGROUND_BYTES_PER_SECOND_DEFAULT);
    assert!(BACKGROUND_BYTES_PER_SECOND_DEFAULT <= BACKGROUND_IDLE_BYTES_PER_SECOND);
    // A page goes every second at least.
    assert!(FEED_PAGE_BYTES_MAX as u64 <= BACKGROUND_BYTES_PER_SECOND_MIN);
    assert!(FEED_PAGE_BYTES_MAX <= CHUNK_BYTES_MAX);
    assert!(SHIP_UNDER_WAY_BYTES_MAX + MESH_FRAME_BYTES_MAX < 2 * TAKING_BYTES_MAX);
    assert!(SILENCE_MILLIS_MAX + LOST_MILLIS_MAX < COORDINATE_MILLIS_MAX);
    // Who is waited for counts as down before that, where it does not answer.
    assert!(SILENCE_MILLIS_MAX + LOST_MILLIS_MAX < AGREE_MILLIS_MAX);
    assert!(MEMBERS_MAX + GONE_MEMBERS_MAX < REGISTRY_MEMBERS_MAX);
    // Each member has two connections to each other.
    assert!(STREAMS_MAX + 2 * MEMBERS_MAX < CONNECTIONS_MAX);
    assert!(1 <= WEIGHT_DEFAULT && WEIGHT_DEFAULT <= WEIGHT_MAX);
};
