//! Problems (RFC 9457): every error that a client can meet, and what becomes one.
//!
//! This is the one file that maps errors to HTTP. A code is stable; the detail is for people and says
//! what to do.

use std::borrow::Cow;

use dynarust_core::{NameError, PatchError, Replicas, Version};
use dynarust_node::streams::SubscribeError;
use dynarust_node::{RefusedChange, RefusedPatch, RefusedRead, RefusedWrite};
use dynarust_store::{ReadError, WriteError};
use http::header::{
    ALLOW, CONNECTION, ETAG, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE,
};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::answer;
use crate::conditions;
use crate::content_type;
use crate::proof;
use crate::replicas;
use crate::response_body::Body;
use crate::wire::Fault;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// What to do where too few owners are there.
const ASK_FOR_LESS: &str = "ask with a lower `consistency`, or again when more nodes are there";

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $status:ident $text:literal,)+) => {
        /// What went wrong, as clients see it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code { $($(#[$doc])* $variant,)+ }

        impl Code {
            /// All, in the order of their discriminants.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its status, and its name in an answer.
            pub(crate) fn row(self) -> (StatusCode, &'static str) {
                match self { $(Self::$variant => (StatusCode::$status, $text),)+ }
            }
        }
    };
}

codes! {
    /// The request breaks HTTP's rules, or its body did not arrive whole.
    InvalidRequest = BAD_REQUEST "invalid_request",
    InvalidTable = BAD_REQUEST "invalid_table",
    InvalidKey = BAD_REQUEST "invalid_key",
    InvalidParameter = BAD_REQUEST "invalid_parameter",
    InvalidCondition = BAD_REQUEST "invalid_condition",
    InvalidIdempotencyKey = BAD_REQUEST "invalid_idempotency_key",
    InvalidJson = BAD_REQUEST "invalid_json",
    InvalidBody = BAD_REQUEST "invalid_body",
    InvalidPatch = BAD_REQUEST "invalid_patch",
    TooManyKeys = BAD_REQUEST "too_many_keys",
    Unauthenticated = UNAUTHORIZED "unauthenticated",
    Forbidden = FORBIDDEN "forbidden",
    /// The node runs alone.
    NoCluster = FORBIDDEN "no_cluster",
    NotFound = NOT_FOUND "not_found",
    NoSuchMember = NOT_FOUND "no_such_member",
    KeyNotFound = NOT_FOUND "key_not_found",
    MethodNotAllowed = METHOD_NOT_ALLOWED "method_not_allowed",
    RequestTimeout = REQUEST_TIMEOUT "request_timeout",
    RequestInProgress = CONFLICT "request_in_progress",
    MembershipConflict = CONFLICT "membership_conflict",
    PatchFailed = CONFLICT "patch_failed",
    VersionMismatch = PRECONDITION_FAILED "version_mismatch",
    ValueTooLarge = PAYLOAD_TOO_LARGE "value_too_large",
    BodyTooLarge = PAYLOAD_TOO_LARGE "body_too_large",
    UriTooLong = URI_TOO_LONG "uri_too_long",
    HeadTooLarge = REQUEST_HEADER_FIELDS_TOO_LARGE "head_too_large",
    UpgradeRequired = UPGRADE_REQUIRED "upgrade_required",
    IdempotencyKeyReused = UNPROCESSABLE_ENTITY "idempotency_key_reused",
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE "unsupported_media_type",
    CorruptRecord = INTERNAL_SERVER_ERROR "corrupt_record",
    BaseDamaged = INTERNAL_SERVER_ERROR "base_damaged",
    VersionNotSupported = HTTP_VERSION_NOT_SUPPORTED "version_not_supported",
    NotEnoughReplicas = SERVICE_UNAVAILABLE "not_enough_replicas",
    NotReady = SERVICE_UNAVAILABLE "not_ready",
    ClockSkew = SERVICE_UNAVAILABLE "clock_skew",
    Overloaded = SERVICE_UNAVAILABLE "overloaded",
    StoreStopped = SERVICE_UNAVAILABLE "store_stopped",
    StorageFull = INSUFFICIENT_STORAGE "storage_full",
}

/// An answer that tells of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    /// The write may have taken all the same.
    indeterminate: bool,
    /// The version that the record has.
    current: Option<Version>,
    /// The methods that would do.
    allow: Option<&'static str>,
    /// The forms of patches that would do.
    accept_patch: bool,
    /// What is to be proved.
    challenge: Option<Box<str>>,
    /// The protocol that would do.
    upgrade: Option<&'static str>,
    /// Who stands behind it, where it tells what a record is.
    replicas: Option<Replicas>,
    /// What follows on the connection can't be told apart from the request's body.
    close: bool,
}

/// What an answer tells of an error (RFC 9457).
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ProblemText<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    /// The write may have taken all the same.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, schemars(default))]
    indeterminate: bool,
}

/// What an answer for many tells of the one that met the problem.
#[derive(Serialize)]
pub(crate) struct Summary<'a> {
    status: u16,
    code: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    indeterminate: bool,
    /// The version that the record has.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// How many owners stand behind it, where they are few.
    #[serde(skip_serializing_if = "Option::is_none")]
    replicas: Option<String>,
}

/// By the name of its protocol.
const WEB_SOCKET: &str = "websocket";

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            indeterminate: false,
            current: None,
            allow: None,
            accept_patch: false,
            challenge: None,
            upgrade: None,
            replicas: None,
            close: false,
        }
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        let detail = format!("this address takes {allow}");
        Self { allow: Some(allow), ..Self::new(Code::MethodNotAllowed, detail) }
    }

    pub(crate) fn key_not_found() -> Self {
        Self::new(
            Code::KeyNotFound,
            "there is no such record: PUT it first, or look at the spelling of table and key",
        )
    }

    pub(crate) fn version_mismatch(current: Option<Version>) -> Self {
        Self {
            current,
            ..Self::new(
                Code::VersionMismatch,
                "the record is not at the version that the condition asks for: read it again, \
                 then decide anew; nothing was changed",
            )
        }
    }

    pub(crate) fn no_cluster() -> Self {
        Self::new(
            Code::NoCluster,
            "this node runs alone: start it with the CLUSTER_SECRET of the others",
        )
    }

    /// With what a proof must be made of.
    pub(crate) fn unauthenticated(nonce: &str) -> Self {
        let detail =
            "this takes a proof of CLUSTER_SECRET: use `DynaRust leave` and `DynaRust remove`";
        let challenge = format!("{} nonce={nonce}", proof::SCHEME);
        Self { challenge: Some(challenge.into()), ..Self::new(Code::Unauthenticated, detail) }
    }

    /// To the one protocol that would do.
    pub(crate) fn upgrade_required(protocol: &'static str) -> Self {
        let detail = format!("nodes come in here, and ask to `Upgrade: {protocol}`");
        Self { upgrade: Some(protocol), ..Self::new(Code::UpgradeRequired, detail) }
    }

    /// To a WebSocket of the one version that there is.
    pub(crate) fn web_socket_required() -> Self {
        let detail = "a WebSocket is asked for with `Sec-WebSocket-Version: 13`";
        Self { upgrade: Some(WEB_SOCKET), ..Self::new(Code::UpgradeRequired, detail) }
    }

    /// With the forms of patches that would do.
    pub(crate) fn accepting_patches(self) -> Self {
        Self { accept_patch: true, ..self }
    }

    /// With who stands behind what it tells of a record.
    pub(crate) fn standing_on(self, replicas: Replicas) -> Self {
        Self { replicas: Some(replicas), ..self }
    }

    /// The connection is of no use after this answer.
    pub(crate) fn closing_connection(self) -> Self {
        Self { close: true, ..self }
    }

    pub(crate) fn summary(&self) -> Summary<'_> {
        let (status, code) = self.code.row();
        Summary {
            status: status.as_u16(),
            code,
            detail: &self.detail,
            indeterminate: self.indeterminate,
            version: self.current.map(|version| version.to_string()),
            replicas: self.replicas.and_then(replicas::few),
        }
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let (status, code) = self.code.row();
        let text = ProblemText {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            code,
            detail: &self.detail,
            indeterminate: self.indeterminate,
        };
        let body = Body::Whole(serde_json::to_vec(&text).unwrap_or_default().into());
        let mut response = answer::with_body(status, PROBLEM_JSON, body);
        let headers = response.headers_mut();
        if let Some(current) = self.current {
            headers.insert(ETAG, conditions::entity_tag(current));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if self.accept_patch {
            headers.insert(
                content_type::ACCEPT_PATCH,
                HeaderValue::from_static(content_type::PATCH_FORMS),
            );
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        if let Some(challenge) = self.challenge
            && let Ok(challenge) = HeaderValue::try_from(&*challenge)
        {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(protocol) = self.upgrade {
            headers.insert(UPGRADE, HeaderValue::from_static(protocol));
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            if protocol == WEB_SOCKET {
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
        }
        if let Some(replicas) = self.replicas {
            replicas::tell(replicas, headers);
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let code = match fault {
            Fault::TargetTooLong => Code::UriTooLong,
            Fault::HeadTooLarge => Code::HeadTooLarge,
            Fault::Version => Code::VersionNotSupported,
            Fault::TooSlow => Code::RequestTimeout,
            Fault::Crowded => Code::Overloaded,
            _ => Code::InvalidRequest,
        };
        Self::new(code, fault.to_string()).closing_connection()
    }
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        let code = match error {
            NameError::Table => Code::InvalidTable,
            NameError::Key => Code::InvalidKey,
        };
        Self::new(code, error.to_string())
    }
}

impl From<RefusedWrite> for Problem {
    fn from(refused: RefusedWrite) -> Self {
        match refused {
            RefusedWrite::VersionMismatch { current, replicas } => {
                Self { replicas, ..Self::version_mismatch(current) }
            }
            RefusedWrite::Absent { replicas } => Self { replicas, ..Self::key_not_found() },
            RefusedWrite::InProgress => Self::new(Code::RequestInProgress, refused.to_string()),
            RefusedWrite::KeyReused => Self::new(Code::IdempotencyKeyReused, refused.to_string()),
            RefusedWrite::NotEnoughReplicas { indeterminate, .. } => {
                let detail = match indeterminate {
                    true => format!("{refused} in time: it may take all the same, so read again"),
                    false => format!("{refused}: nothing was changed, so {ASK_FOR_LESS}"),
                };
                Self { indeterminate, ..Self::new(Code::NotEnoughReplicas, detail) }
            }
            RefusedWrite::NotReady => Self::new(Code::NotReady, refused.to_string()),
            RefusedWrite::ClockSkew => Self::new(Code::ClockSkew, refused.to_string()),
            RefusedWrite::Store(error) => error.into(),
        }
    }
}

impl From<RefusedRead> for Problem {
    fn from(refused: RefusedRead) -> Self {
        match refused {
            RefusedRead::Store(error) => error.into(),
            RefusedRead::NotEnoughReplicas { .. } => {
                Self::new(Code::NotEnoughReplicas, format!("{refused}: {ASK_FOR_LESS}"))
            }
            RefusedRead::NotReady => Self::new(Code::NotReady, refused.to_string()),
            RefusedRead::ClockSkew => Self::new(Code::ClockSkew, refused.to_string()),
        }
    }
}

impl From<RefusedPatch> for Problem {
    fn from(refused: RefusedPatch) -> Self {
        match refused {
            RefusedPatch::Write(refused) => refused.into(),
            RefusedPatch::Read(error) => error.into(),
            RefusedPatch::Patch { error, replicas } => Self::from(error).standing_on(replicas),
            RefusedPatch::Outrun => Self::new(Code::Overloaded, refused.to_string()),
        }
    }
}

impl From<PatchError> for Problem {
    fn from(error: PatchError) -> Self {
        let code = match error {
            PatchError::Invalid(_) | PatchError::TooDeep | PatchError::TooCostly => {
                Code::InvalidPatch
            }
            PatchError::Failed { .. } => Code::PatchFailed,
            PatchError::TooLarge { .. } => Code::ValueTooLarge,
        };
        Self::new(code, error.to_string())
    }
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        let (code, indeterminate) = match error {
            WriteError::Unreadable(error) => return error.into(),
            WriteError::Full => (Code::StorageFull, false),
            WriteError::Overloaded => (Code::Overloaded, false),
            WriteError::Stopped(_) => (Code::StoreStopped, true),
        };
        Self { indeterminate, ..Self::new(code, error.to_string()) }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        let code = match error {
            ReadError::Overloaded => return Self::new(Code::Overloaded, error.to_string()),
            ReadError::CorruptRecord(_) => Code::CorruptRecord,
            ReadError::Base(_) => Code::BaseDamaged,
        };
        tracing::error!(%error, "a read failed");
        Self::new(code, error.to_string())
    }
}

impl From<RefusedChange> for Problem {
    fn from(refused: RefusedChange) -> Self {
        let code = match refused {
            RefusedChange::NoSuchMember(_) => Code::NoSuchMember,
            RefusedChange::Alone | RefusedChange::NobodyStays | RefusedChange::Alive(_) => {
                Code::MembershipConflict
            }
        };
        Self::new(code, refused.to_string())
    }
}

impl From<SubscribeError> for Problem {
    fn from(error: SubscribeError) -> Self {
        match error {
            SubscribeError::TooMany => Self::new(Code::Overloaded, error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(refused: impl Into<Problem>) -> (u16, &'static str, bool) {
        let problem = refused.into();
        let indeterminate = problem.indeterminate;
        let response = problem.clone().into_response();
        assert_eq!(response.headers().get(RETRY_AFTER), Some(&RETRY_AFTER_SECONDS));
        (response.status().as_u16(), problem.code().row().1, indeterminate)
    }

    #[test]
    fn a_write_that_may_still_surface_says_so() {
        let of = |indeterminate| {
            refused(RefusedWrite::NotEnoughReplicas { needed: 2, live: 1, indeterminate })
        };
        assert_eq!(of(true), (503, "not_enough_replicas", true));
        assert_eq!(of(false), (503, "not_enough_replicas", false));
    }

    #[test]
    fn what_a_cluster_refuses_is_to_be_tried_again() {
        let few = RefusedRead::NotEnoughReplicas { needed: 2, live: 1 };
        assert_eq!(refused(few.clone()), (503, "not_enough_replicas", false));
        assert_eq!(refused(RefusedPatch::Read(few)), (503, "not_enough_replicas", false));
        assert_eq!(refused(RefusedRead::NotReady), (503, "not_ready", false));
        assert_eq!(refused(RefusedWrite::NotReady), (503, "not_ready", false));
        assert_eq!(refused(RefusedRead::ClockSkew), (503, "clock_skew", false));
        assert_eq!(refused(RefusedWrite::ClockSkew), (503, "clock_skew", false));
    }

    /// What is refused for what a record is, as few owners have it: alone, and in a batch.
    #[test]
    fn what_few_owners_say_of_a_record_is_told_as_such() {
        for (stand, told) in [(1, Some("1/3")), (2, None)] {
            let replicas = Replicas { stand, owners: 3 };
            let asked = Some(replicas);
            let error = PatchError::TooLarge { bytes_max: 3 };
            let problems = [
                Problem::key_not_found().standing_on(replicas),
                RefusedWrite::Absent { replicas: asked }.into(),
                RefusedWrite::VersionMismatch { current: None, replicas: asked }.into(),
                RefusedPatch::Patch { error, replicas }.into(),
            ];
            for problem in problems {
                let item = serde_json::to_value(problem.summary()).unwrap();
                assert_eq!(item.get("replicas").and_then(|it| it.as_str()), told);
                let response = problem.into_response();
                let header = response.headers().get(replicas::REPLICAS);
                assert_eq!(header.map(|it| it.to_str().unwrap()), told);
            }
        }
    }

    #[test]
    fn what_is_not_told_of_replicas_is_not_made_up() {
        let refused = Problem::from(RefusedWrite::Absent { replicas: None });
        assert_eq!(refused.into_response().headers().get(replicas::REPLICAS), None);
    }
}
