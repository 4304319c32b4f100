//! A reader's stream, wherever the records are.
//!
//! ```text
//!            the node can answer            all is told here, up to the present
//! Waiting ───────────────────────▶ Parts ◀──────────────────────────────────────▶ Whole
//!                                          this node does not hold all of it any more
//! ```
//!
//! One that is whole is most of what there is, and takes little memory.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use dynarust_core::Selection;
use dynarust_store::ReadError;

use super::begin::Begin;
use super::event::{Event, Item};
use super::followed::Followed;
use super::owner::{Streams, SubscribeError};
use super::parts::Parts;
use super::waiting::Waiting;
use super::whole::Whole;
use crate::cluster::Cluster;

/// See the module. Dropping it ends it.
pub struct Subscription {
    form: Form,
    /// Its reader was told that it ends.
    ended: bool,
}

#[expect(
    clippy::large_enum_variant,
    reason = "of a large one there are thousands, of the others few"
)]
enum Form {
    Waiting(Box<Waiting>),
    Parts(Box<Parts>),
    Whole(Whole),
    /// While it changes into another.
    Nothing,
}

impl Subscription {
    pub(crate) fn begin(
        cluster: &Arc<Cluster>,
        streams: &Arc<Streams>,
        selection: Selection,
        begin: Begin,
    ) -> Result<Self, SubscribeError> {
        let selection = Arc::new(selection);
        let live = streams.take_on(Arc::clone(&selection))?;
        let followed = Followed::new(cluster, streams, &selection);
        let waiting = Waiting::new(followed, live, begin);
        let form = match waiting.is_over() {
            true => Form::Parts(Box::new(waiting.into_parts())),
            false => Form::Waiting(Box::new(waiting)),
        };
        Ok(Self { form, ended: false })
    }

    /// The next items, at least one; `None` once it has ended. Who waits is woken every few seconds, too.
    ///
    /// # Errors
    /// [`ReadError::Base`] where this node's store cannot be read.
    pub fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Vec<Item>>, ReadError>> {
        loop {
            if self.ended {
                return Poll::Ready(Ok(None));
            }
            self.change_form();
            let told = match &mut self.form {
                Form::Waiting(waiting) => waiting.poll_end(context).map(Ok),
                Form::Parts(parts) => parts.poll_next(context),
                Form::Whole(whole) => whole.poll_next(context),
                Form::Nothing => Poll::Ready(Ok(None)),
            };
            // Whoever was woken for the cluster's sake may have looked there before it was.
            if told.is_ready() || !self.change_form() {
                self.ended = matches!(&told, Poll::Ready(Ok(Some(items))) if is_last(items));
                return told;
            }
        }
    }

    /// As [`Subscription::poll_next`]. Cancel-safe.
    ///
    /// # Errors
    /// The same.
    pub async fn next(&mut self) -> Result<Option<Vec<Item>>, ReadError> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The id that stands for all that was handed out.
    #[must_use]
    pub fn cursor(&mut self) -> String {
        match &mut self.form {
            Form::Waiting(waiting) => waiting.cursor(),
            Form::Parts(parts) => parts.cursor(),
            Form::Whole(whole) => whole.cursor(),
            Form::Nothing => super::begin::RESET_ID.to_owned(),
        }
    }

    /// Takes another form where it is time; whether it has.
    fn change_form(&mut self) -> bool {
        let is_time = match &mut self.form {
            Form::Waiting(waiting) => waiting.is_over(),
            Form::Parts(parts) => parts.is_settled(),
            Form::Whole(whole) => whole.is_to_move(),
            Form::Nothing => false,
        };
        if is_time {
            self.form = match std::mem::replace(&mut self.form, Form::Nothing) {
                Form::Waiting(waiting) => Form::Parts(Box::new(waiting.into_parts())),
                Form::Parts(parts) => parts.into_whole().map_or(Form::Nothing, Form::Whole),
                Form::Whole(whole) => Form::Parts(Box::new(whole.into_parts())),
                Form::Nothing => Form::Nothing,
            };
        }
        is_time
    }
}

/// Whether nothing comes behind them.
fn is_last(items: &[Item]) -> bool {
    let last = items.last().map(|item| &item.event);
    matches!(last, Some(Event::Lagged | Event::Closing { .. }))
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let form = match &self.form {
            Form::Waiting(_) => "Waiting",
            Form::Parts(_) => "Parts",
            Form::Whole(_) => "Whole",
            Form::Nothing => "Nothing",
        };
        f.debug_tuple("Subscription").field(&form).finish()
    }
}
