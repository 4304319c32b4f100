//! Why the guard refuses what a client sent. Each text is the detail of a problem, and says what to do.

/// See the module. After each of them the connection is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("a line of a request's head ends with CR LF, not with LF alone")]
    BareLineFeed,
    #[error("a request's head has CR only before LF")]
    BareCarriageReturn,
    #[error("a request's head has no control characters")]
    ControlCharacter,
    #[error("the first line of a request is `METHOD target HTTP/1.1`, with single spaces")]
    RequestLine,
    #[error(
        "a request's target is a path such as /table/key/k, in ASCII, with all else \
         percent-encoded"
    )]
    Target,
    #[error("a header is `Name: value`, with nothing but the name before the colon")]
    HeaderName,
    #[error("a header is one line: no line of a request's head begins with white space")]
    Folding,
    #[error("a request of HTTP/1.1 has a `Host` header")]
    NoHost,
    #[error("a request has one `Host` header")]
    TwoHosts,
    #[error("the `Host` header is a host, or a host and a port, such as example.com:6660")]
    InvalidHost,
    #[error("a `Content-Length` is a decimal number")]
    InvalidLength,
    #[error("a request has one `Content-Length`")]
    TwoLengths,
    #[error("a request has a `Content-Length` or is `chunked`, not both")]
    LengthAndChunked,
    #[error("the only `Transfer-Encoding` here is `chunked`, once, in HTTP/1.1")]
    TransferEncoding,
    #[error("the size of a chunk is a hexadecimal number of at most 16 digits, and CR LF ends it")]
    ChunkSize,
    #[error("what follows the size of a chunk is malformed, or too long")]
    ChunkExtension,
    #[error("a chunk does not end where its size says")]
    ChunkEnd,
    #[error("what follows the last chunk is malformed, or too long")]
    Trailer,
    #[error("the target of a request is too long")]
    TargetTooLong,
    #[error("the head of a request is too large: send fewer or shorter headers")]
    HeadTooLarge,
    #[error("the versions of HTTP here are 1.0 and 1.1, and 2 with prior knowledge")]
    Version,
    #[error("the head of the request took too long to arrive: send it again")]
    TooSlow,
    #[error("too many unfinished requests at a time: try again later")]
    Crowded,
}
