//! What each operation takes and answers. Every one must stand here, or the tests don't compile.

use http::StatusCode;
use serde_json::Value;

use super::parts::{EVENTS, JSON, JSON_PATCH, MERGE_PATCH, METRICS, NDJSON, schema};
use super::problems::DOOR;
use crate::operation::Operation;
use crate::problem::Code;

/// What reading from the store may meet.
const READS: [Code; 5] = [
    Code::CorruptRecord,
    Code::BaseDamaged,
    Code::NotEnoughReplicas,
    Code::NotReady,
    Code::ClockSkew,
];
/// What writing into the store may meet.
const WRITES: [Code; 7] = [
    Code::CorruptRecord,
    Code::BaseDamaged,
    Code::StoreStopped,
    Code::StorageFull,
    Code::NotEnoughReplicas,
    Code::NotReady,
    Code::ClockSkew,
];
/// What reading a JSON body may meet.
const BODIES: [Code; 3] = [Code::InvalidJson, Code::InvalidBody, Code::UnsupportedMediaType];

/// One operation, as the document tells it.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    /// Names of parameters in `parts`.
    pub(super) parameters: Vec<&'static str>,
    /// Media types of the body, and what each holds.
    pub(super) body: Vec<(&'static str, Value)>,
    pub(super) answers: Vec<Answered>,
    pub(super) problems: Vec<Code>,
}

/// An answer that is no problem.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) description: &'static str,
    /// Names of headers in `parts`.
    pub(super) headers: Vec<&'static str>,
    /// Media types, and what each holds.
    pub(super) content: Vec<(&'static str, Value)>,
}

impl Described {
    fn new(tag: &'static str, summary: &'static str, description: &'static str) -> Self {
        Self {
            tag,
            summary,
            description,
            parameters: Vec::new(),
            body: Vec::new(),
            answers: Vec::new(),
            problems: DOOR.to_vec(),
        }
        .may_tell(&[Code::InvalidRequest, Code::InvalidParameter])
    }

    fn takes(mut self, parameters: &[&'static str]) -> Self {
        for name in parameters {
            match *name {
                "table" => self.problems.push(Code::InvalidTable),
                "key" => self.problems.push(Code::InvalidKey),
                "If-Match" => {
                    self.problems.extend([Code::InvalidCondition, Code::VersionMismatch]);
                }
                "Idempotency-Key" => {
                    self.problems.extend([
                        Code::InvalidIdempotencyKey,
                        Code::RequestInProgress,
                        Code::IdempotencyKeyReused,
                    ]);
                }
                _ => {}
            }
        }
        self.parameters.extend(parameters);
        self
    }

    fn reads_body(mut self, media_type: &'static str, holds: Value) -> Self {
        self.body.push((media_type, holds));
        self.may_tell(&BODIES)
    }

    fn answers(
        mut self,
        status: StatusCode,
        description: &'static str,
        headers: &[&'static str],
        content: Vec<(&'static str, Value)>,
    ) -> Self {
        self.answers.push(Answered { status, description, headers: headers.to_vec(), content });
        self
    }

    fn well(self, description: &'static str, media_type: &'static str, holds: Value) -> Self {
        self.answers(StatusCode::OK, description, &["Cache-Control"], vec![(media_type, holds)])
    }

    fn may_tell(mut self, problems: &[Code]) -> Self {
        self.problems.extend(problems);
        self
    }
}

/// `None` for what has no address of its own.
pub(super) fn described(operation: Operation) -> Option<Described> {
    Some(match operation {
        Operation::GetRecord
        | Operation::PutRecord
        | Operation::PatchRecord
        | Operation::DeleteRecord => record(operation),
        Operation::ListRecords
        | Operation::ListKeys
        | Operation::ListTables
        | Operation::GetRecords
        | Operation::WriteRecords => table(operation),
        Operation::SubscribeKey | Operation::SubscribeTable | Operation::SubscribeMany => {
            stream(operation)
        }
        Operation::Membership
        | Operation::Stats
        | Operation::Metrics
        | Operation::OpenApi
        | Operation::Livez
        | Operation::Readyz => node(operation),
        Operation::Mesh | Operation::Leave | Operation::Remove => cluster(operation),
        Operation::Options | Operation::None => return None,
    })
}

fn record(operation: Operation) -> Described {
    let written = |described: Described, text| {
        described
            .takes(&["consistency", "durability", "If-Match", "If-None-Match", "Idempotency-Key"])
            .answers(
                StatusCode::OK,
                text,
                &["Cache-Control", "DynaRust-Replicas", "ETag"],
                vec![(JSON, schema("Written"))],
            )
            .may_tell(&WRITES)
    };
    match operation {
        Operation::PutRecord => written(
            Described::new(
                "records",
                "Write a record",
                "The value is kept byte for byte. Writing the first record of a table makes the table.",
            )
            .takes(&["table", "key", "ttl"])
            .reads_body(JSON, schema("PutBody"))
            .may_tell(&[Code::ValueTooLarge]),
            "It is written, as durably as was asked.",
        ),
        Operation::PatchRecord => written(
            Described::new(
                "records",
                "Change a part of a record",
                "By a merge patch (RFC 7396) or a JSON patch (RFC 6902) of the value. The order of keys, and \
                 the text of numbers that are not touched, stay.",
            )
            .takes(&["table", "key", "ttl"])
            .reads_body(MERGE_PATCH, schema("MergePatch"))
            .reads_body(JSON_PATCH, schema("JsonPatch"))
            .may_tell(&[Code::KeyNotFound, Code::InvalidPatch, Code::PatchFailed])
            .may_tell(&[Code::BodyTooLarge, Code::ValueTooLarge]),
            "It is written, as durably as was asked.",
        ),
        Operation::DeleteRecord => {
            let text = "Its version names the delete. A record that is not there is `key_not_found`.";
            let described = Described::new("records", "Delete a record", text);
            written(described.takes(&["table", "key"]), "It is deleted, as durably as was asked.")
                .may_tell(&[Code::KeyNotFound])
        }
        _ => Described::new("records", "Read a record", "The value comes byte for byte as it was given.")
            .takes(&["table", "key", "consistency", "If-Match", "If-None-Match"])
            .answers(
                StatusCode::OK,
                "The record.",
                &["Cache-Control", "DynaRust-Replicas", "ETag", "Last-Modified"],
                vec![(JSON, schema("Value"))],
            )
            .answers(
                StatusCode::NOT_MODIFIED,
                "It still has the version that `If-None-Match` names.",
                &["Cache-Control", "DynaRust-Replicas", "ETag", "Last-Modified"],
                Vec::new(),
            )
            .may_tell(&READS)
            .may_tell(&[Code::KeyNotFound]),
    }
}

fn table(operation: Operation) -> Described {
    const LISTED: [&str; 8] =
        ["table", "prefix", "start", "end", "limit", "reverse", "cursor", "consistency"];
    let listed = |described: Described, text, headers: &[_], holds| {
        described.takes(&LISTED).answers(StatusCode::OK, text, headers, holds).may_tell(&READS)
    };
    match operation {
        Operation::ListKeys => listed(
            Described::new("tables", "List keys", "In byte order. Without `limit` all of them, streamed."),
            "The keys. With `limit`, a page of them, and a link to the next where there is one.",
            &["Cache-Control", "DynaRust-Replicas", "Link"],
            vec![(JSON, schema("Keys"))],
        ),
        Operation::ListTables => {
            let text = "Those that hold a record, in byte order, streamed.";
            Described::new("tables", "List the tables", text)
                .well("The tables.", JSON, schema("TableNames"))
                .may_tell(&READS)
        }
        Operation::GetRecords => Described::new(
            "tables",
            "Read many records",
            "By their keys: in the order asked, each key once. Keys that are not there are left out.",
        )
        .takes(&["table", "consistency"])
        .reads_body(JSON, schema("KeyList"))
        .well("The records that are there.", JSON, schema("Records"))
        .may_tell(&READS)
        .may_tell(&[Code::InvalidKey, Code::TooManyKeys, Code::BodyTooLarge]),
        Operation::WriteRecords => Described::new(
            "tables",
            "Write many records",
            "Each item by itself, in order, and each with its own answer; all of it is no transaction. What \
             `list_records` gives as lines can be written as it is.",
        )
        .takes(&["table", "consistency", "durability", "Idempotency-Key"])
        .reads_body(JSON, schema("BatchItems"))
        .reads_body(NDJSON, schema("Lines"))
        .answers(
            StatusCode::OK,
            "What became of each item: an array for an array, lines for lines.",
            &["Cache-Control"],
            vec![(JSON, schema("BatchAnswers")), (NDJSON, schema("Lines"))],
        )
        .may_tell(&[Code::TooManyKeys, Code::BodyTooLarge]),
        _ => listed(
            Described::new(
                "tables",
                "List records",
                "In the byte order of their keys. Without `limit` all of them, streamed. As one object or, where \
                 `Accept` prefers it, as lines of key, value and version, which `write_records` takes.",
            ),
            "The records. With `limit`, a page of them, and a link to the next where there is one.",
            &["Cache-Control", "DynaRust-Replicas", "Link", "Vary"],
            vec![(JSON, schema("Records")), (NDJSON, schema("Lines"))],
        ),
    }
}

fn stream(operation: Operation) -> Described {
    const TEXT: &str = "The present state of what is followed, then `ready`, then each change as it \
                        happens, without a gap. It does not end by itself. A reader that comes back with \
                        the last id it saw goes on behind it, or is told `reset` and the whole state.";
    let (summary, selection): (_, &[&str]) = match operation {
        Operation::SubscribeKey => ("Follow a record", &["table", "key"]),
        Operation::SubscribeTable => ("Follow a table", &["table", "prefix"]),
        _ => ("Follow many", &["follow_key", "follow_prefix", "follow_table"]),
    };
    let described = Described::new("streams", summary, TEXT)
        .takes(selection)
        .takes(&["state", "last_event_id", "Last-Event-ID"])
        .answers(
            StatusCode::OK,
            "The stream.",
            &["Cache-Control", "Vary", "X-Accel-Buffering"],
            vec![(EVENTS, schema("EventStream")), (NDJSON, schema("EventLines"))],
        )
        .answers(
            StatusCode::SWITCHING_PROTOCOLS,
            "A WebSocket, where the first request of a connection asks for one: each event as a message, in \
             the form of the lines, and a ping as the heartbeat.",
            &[],
            vec![],
        );
    let described = described.may_tell(&[Code::Forbidden, Code::UpgradeRequired]);
    match operation {
        Operation::SubscribeMany => described.may_tell(&[Code::InvalidTable, Code::InvalidKey]),
        _ => described,
    }
}

fn node(operation: Operation) -> Described {
    let described = |summary, text| Described::new("node", summary, text);
    let health = |described: Described| {
        let well = described.well("All is well.", JSON, schema("Health"));
        let unwell = "Not well: the reasons.";
        let headers = ["Cache-Control"];
        well.answers(
            StatusCode::SERVICE_UNAVAILABLE,
            unwell,
            &headers,
            vec![(JSON, schema("Health"))],
        )
    };
    match operation {
        Operation::Membership => described("Who is there", "All nodes that this node knows.").well(
            "The nodes, by address.",
            JSON,
            schema("Membership"),
        ),
        Operation::Stats => {
            described("The node in numbers", "Members may be added; none goes away.")
                .takes(&["tables_after"])
                .may_tell(&[Code::InvalidTable, Code::BaseDamaged])
                .well("The figures.", JSON, schema("Stats"))
        }
        Operation::Metrics => described(
            "The node in numbers, for Prometheus",
            "Prometheus' text format, version 0.0.4.",
        )
        .well("The figures.", METRICS, schema("Text")),
        Operation::Livez => health(described("Whether no restart is needed", "For a supervisor.")),
        Operation::Readyz => {
            health(described("Whether it answers for its keys", "For a load balancer."))
        }
        _ => described("This document", "OpenAPI 3.1.").well("It.", JSON, schema("Document")),
    }
}

fn cluster(operation: Operation) -> Described {
    const PROOF: &str =
        "Takes a proof of the cluster's secret, as the program's own commands make it.";
    let refusals =
        [Code::NoCluster, Code::Unauthenticated, Code::MembershipConflict, Code::NoSuchMember];
    match operation {
        Operation::Leave => Described::new("cluster", "Let the node leave", PROOF)
            .answers(
                StatusCode::ACCEPTED,
                "It has begun; the node ends by itself when it has left.",
                &["Cache-Control"],
                vec![(JSON, schema("Node"))],
            )
            .may_tell(&refusals),
        Operation::Remove => Described::new("cluster", "Remove a node that is down", PROOF)
            .takes(&["node"])
            .well("It is a member no more.", JSON, schema("Node"))
            .may_tell(&refusals),
        _ => mesh(),
    }
}

fn mesh() -> Described {
    Described::new(
        "cluster",
        "For other nodes",
        "It leaves HTTP by `Upgrade: dynarust/1`; no client has a use for it.",
    )
    .answers(
        StatusCode::SWITCHING_PROTOCOLS,
        "What follows is between the two nodes.",
        &["Upgrade"],
        Vec::new(),
    )
    .may_tell(&[Code::NoCluster, Code::UpgradeRequired])
}
