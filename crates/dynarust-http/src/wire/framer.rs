//! Follows the framing of what a client sends: head, body, head, body.
//!
//! ```text
//!            ┌──────────────── end of the body ◄─────────────┐
//!            ▼                                               │
//! BetweenHeads ─► Head ─┬─ length ─► Length ─────────────────┤
//!                       └─ chunked ─► Chunked ───────────────┘
//! ```
//! A head that asks for an upgrade ends in `Undecided`: what follows its body is HTTP or not, as the
//! answer says.
//!
//! Invariant: [`Framer::advance`] says the same of a stream of bytes, wherever it is split.

use super::chunked::Chunked;
use super::fault::Fault;
use super::head::{Framing, Head, WholeHead};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    place: Place,
    /// The body that passes belongs to a head that asks for an upgrade.
    upgrade: bool,
    heads: u64,
}

#[derive(Debug)]
enum Place {
    BetweenHeads {
        /// An empty line was passed already, the one that RFC 9112 section 2.2 allows.
        empty_line: bool,
    },
    Head(Head),
    Length(u64),
    Chunked(Chunked),
    Undecided,
    /// It is HTTP no more.
    Around,
    Refused,
}

/// What becomes of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    /// So many may go on.
    pub(crate) clear: usize,
    /// And those behind them?
    pub(crate) rest: Rest,
}

/// What the bytes are that may not go on yet, or ever.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// There are none.
    Nothing,
    /// The beginning of a head: to be seen again, with what follows them.
    Begun,
    /// To be seen again once [`Framer::decide`] was told.
    Undecided,
    /// In place of a head there is something else.
    RefusedHead(Fault),
    /// The body is not one.
    RefusedBody(Fault),
}

impl Default for Place {
    fn default() -> Self {
        Self::BetweenHeads { empty_line: false }
    }
}

impl Framer {
    /// Looks at bytes: those that may not go on yet, and then new ones.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Passage {
        let mut clear = 0;
        loop {
            let ahead = bytes.get(clear..).unwrap_or_default();
            let empty = ahead.is_empty();
            let outcome = match &mut self.place {
                _ if empty => Err(Rest::Nothing),
                Place::BetweenHeads { empty_line } => match ahead {
                    [b'\r', b'\n', ..] if !*empty_line => {
                        *empty_line = true;
                        Ok(2)
                    }
                    [b'\r'] if !*empty_line => Err(Rest::Begun),
                    _ => {
                        self.place = Place::Head(Head::default());
                        Ok(0)
                    }
                },
                Place::Head(head) => match head.advance(ahead) {
                    Ok(Some(whole)) => Ok(self.pass_head(whole)),
                    Ok(None) => Err(Rest::Begun),
                    Err(fault) => {
                        self.place = Place::Refused;
                        Err(Rest::RefusedHead(fault))
                    }
                },
                Place::Length(left) => {
                    let part = usize::try_from(*left).unwrap_or(usize::MAX).min(ahead.len());
                    *left -= part as u64;
                    if *left == 0 {
                        self.end_body();
                    }
                    Ok(part)
                }
                Place::Chunked(chunked) => match chunked.advance(ahead) {
                    Ok((part, ended)) => {
                        if ended {
                            self.end_body();
                        }
                        Ok(part)
                    }
                    Err((part, fault)) => {
                        clear += part;
                        self.place = Place::Refused;
                        Err(Rest::RefusedBody(fault))
                    }
                },
                Place::Undecided => Err(Rest::Undecided),
                Place::Around => Ok(ahead.len()),
                Place::Refused => Err(Rest::Nothing),
            };
            match outcome {
                Ok(part) => clear += part,
                Err(rest) => return Passage { clear, rest },
            }
        }
    }

    /// How many heads have passed.
    #[cfg(test)]
    pub(crate) fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether a request was passed in part only.
    pub(crate) fn is_amid_request(&self) -> bool {
        !matches!(self.place, Place::BetweenHeads { .. } | Place::Around)
    }

    /// Whether everything passes.
    pub(crate) fn is_around(&self) -> bool {
        matches!(self.place, Place::Around)
    }

    /// Whether nothing more passes.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.place, Place::Refused)
    }

    /// Whether nothing more passes until [`Framer::decide`] is told.
    pub(crate) fn is_undecided(&self) -> bool {
        matches!(self.place, Place::Undecided)
    }

    /// Whether the last head that passed asks for an upgrade, on which nothing was decided.
    pub(crate) fn awaits_decision(&self) -> bool {
        self.upgrade
    }

    /// What became of an upgrade: from here on everything passes, or it goes on as before.
    pub(crate) fn decide(&mut self, upgraded: bool) {
        self.upgrade = false;
        if upgraded {
            self.place = Place::Around;
        } else if self.is_undecided() {
            self.place = Place::default();
        }
    }

    /// Everything passes from here on.
    pub(crate) fn go_around(&mut self) {
        self.place = Place::Around;
    }

    /// Nothing passes from here on.
    pub(crate) fn refuse(&mut self) {
        self.place = Place::Refused;
    }

    fn pass_head(&mut self, head: WholeHead) -> usize {
        self.heads += 1;
        self.upgrade = head.upgrade;
        match head.framing {
            Framing::Length(0) => self.end_body(),
            Framing::Length(length) => self.place = Place::Length(length),
            Framing::Chunked => self.place = Place::Chunked(Chunked::default()),
        }
        head.bytes
    }

    fn end_body(&mut self) {
        self.place = if self.upgrade { Place::Undecided } else { Place::default() };
    }
}
