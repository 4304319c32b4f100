//! JSON patches (RFC 6902): operations, one after the other.

use std::borrow::Cow;

use super::document::{Document, Tree};
use super::equal::equal;
use super::pointer::{Index, Pointer};
use super::{PatchError, Work};
use crate::json_text;
use crate::limits::VALUE_DEPTH_MAX;

const SHAPE: &str = "a JSON patch is an array of operations, such as \
                     [{\"op\": \"replace\", \"path\": \"/a/b\", \"value\": 1}]";

struct Operation<'a> {
    path: Pointer<'a>,
    action: Action<'a>,
}

enum Action<'a> {
    Add(&'a str),
    Remove,
    Replace(&'a str),
    Move { from: Pointer<'a> },
    Copy { from: Pointer<'a> },
    Test(&'a str),
}

/// Why one operation ends it all.
enum Stop {
    /// It does not fit the value.
    Failed(Cow<'static, str>),
    Error(PatchError),
}

impl From<PatchError> for Stop {
    fn from(error: PatchError) -> Self {
        Self::Error(error)
    }
}

/// # Errors
/// [`PatchError::Invalid`].
pub(super) fn check(patch: &str) -> Result<(), PatchError> {
    read(patch).map(|_| ())
}

pub(super) fn apply<'a>(document: &mut Document<'a>, patch: &'a str) -> Result<(), PatchError> {
    for (nth, operation) in read(patch)?.into_iter().enumerate() {
        carry_out(document, operation).map_err(|stop| match stop {
            Stop::Failed(reason) => PatchError::Failed { operation: nth, reason },
            Stop::Error(error) => error,
        })?;
    }
    Ok(())
}

fn read(patch: &str) -> Result<Vec<Operation<'_>>, PatchError> {
    let Ok(operations) = json_text::elements(patch) else {
        return Err(PatchError::Invalid(SHAPE.into()));
    };
    let read = operations.into_iter().enumerate().map(|(nth, operation)| {
        Operation::read(operation)
            .map_err(|error| PatchError::Invalid(format!("operation {nth}: {error}").into()))
    });
    read.collect()
}

impl<'a> Operation<'a> {
    fn read(text: &'a str) -> Result<Self, PatchError> {
        let Ok(members) = json_text::members(text) else {
            return Err(PatchError::Invalid(SHAPE.into()));
        };
        let op = json_text::characters(one(&members, "op")?).map_err(|_| no_string("op"))?;
        let pointer = |name| {
            let text = one(&members, name)?;
            Pointer::parse(json_text::characters(text).map_err(|_| no_string(name))?)
        };
        let path = pointer("path")?;
        let action = match &*op {
            b"add" => Action::Add(one(&members, "value")?),
            b"remove" if path.is_root() => return Err(no_value_left()),
            b"remove" => Action::Remove,
            b"replace" => Action::Replace(one(&members, "value")?),
            b"move" => Action::Move { from: pointer("from")? },
            b"copy" => Action::Copy { from: pointer("from")? },
            b"test" => Action::Test(one(&members, "value")?),
            _ => {
                let known = "`op` is one of add, remove, replace, move, copy, test";
                return Err(PatchError::Invalid(known.into()));
            }
        };
        if let Action::Move { from } = &action
            && path.is_inside(from)
        {
            let reason = "nothing can be moved into itself";
            return Err(PatchError::Invalid(reason.into()));
        }
        Ok(Self { path, action })
    }
}

/// The value of a member that must stand once.
fn one<'a>(members: &[(&'a str, &'a str)], name: &str) -> Result<&'a str, PatchError> {
    let named = |text: &str| json_text::characters(text).is_ok_and(|it| *it == *name.as_bytes());
    let mut found = members.iter().filter(|(text, _)| named(text));
    match (found.next(), found.next()) {
        (Some((_, value)), None) => Ok(value),
        (None, _) => Err(PatchError::Invalid(format!("the member `{name}` is missing").into())),
        (Some(_), Some(_)) => {
            Err(PatchError::Invalid(format!("the member `{name}` stands twice").into()))
        }
    }
}

fn no_string(name: &str) -> PatchError {
    PatchError::Invalid(format!("`{name}` is a string").into())
}

fn no_value_left() -> PatchError {
    PatchError::Invalid("the whole value cannot be removed: DELETE the record".into())
}

fn carry_out<'a>(document: &mut Document<'a>, operation: Operation<'a>) -> Result<(), Stop> {
    let Operation { path, action } = operation;
    match action {
        Action::Add(value) => add(document, &path, Tree::Text(value)),
        Action::Remove => remove(document, &path).map(drop),
        Action::Replace(value) => {
            check_depth(&path, &Tree::Text(value), &mut document.work)?;
            *find(document, &path, Purpose::Change)? = Tree::Text(value);
            Ok(())
        }
        Action::Move { from } if from == path => find(document, &from, Purpose::Look).map(drop),
        Action::Move { from } => {
            let moved = remove(document, &from)?;
            add(document, &path, moved)
        }
        Action::Copy { from } => {
            let (source, work) = find_with(document, &from, Purpose::Look)?;
            work.copy(source.bytes())?;
            let copy = source.clone();
            add(document, &path, copy)
        }
        Action::Test(value) => test(document, &path, value),
    }
}

fn test(document: &mut Document<'_>, path: &Pointer<'_>, value: &str) -> Result<(), Stop> {
    let (found, work) = find_with(document, path, Purpose::Look)?;
    let same = match found {
        Tree::Text(text) => equal(text, value, work)?,
        opened => {
            let mut text = String::new();
            opened.print(&mut text);
            equal(&text, value, work)?
        }
    };
    if same {
        return Ok(());
    }
    Err(Stop::Failed(
        format!("the value at `{}` is another than tested for", path.display()).into(),
    ))
}

/// Puts the value where the pointer leads: into an array before the element that is there, into an
/// object in place of the member that is there.
fn add<'a>(document: &mut Document<'a>, path: &Pointer<'a>, value: Tree<'a>) -> Result<(), Stop> {
    check_depth(path, &value, &mut document.work)?;
    let Some((parent, last)) = path.split_last() else {
        document.root = value;
        return Ok(());
    };
    let (parent, work) = find_with(document, &parent, Purpose::Change)?;
    parent.open(work)?;
    match parent {
        Tree::Array(elements) => {
            let at = match Index::parse(&last) {
                Some(Index::End) => elements.len(),
                Some(Index::At(at)) if at <= elements.len() => at,
                _ => return Err(missing(path)),
            };
            work.spend(elements.len() - at)?;
            elements.insert(at, value);
        }
        Tree::Object(object) => {
            let name = Cow::Owned(last.into_owned());
            object.set(name, |name| Cow::Owned(json_text::quoted(name)), value);
        }
        Tree::Text(_) => return Err(missing(path)),
    }
    Ok(())
}

/// Takes out what the pointer leads to.
fn remove<'a>(document: &mut Document<'a>, path: &Pointer<'_>) -> Result<Tree<'a>, Stop> {
    let (parent, last) = path.split_last().ok_or_else(no_value_left)?;
    let (parent, work) = find_with(document, &parent, Purpose::Change)?;
    parent.open(work)?;
    match parent {
        Tree::Array(elements) => match Index::parse(&last) {
            Some(Index::At(at)) if at < elements.len() => {
                work.spend(elements.len() - at)?;
                Ok(elements.remove(at))
            }
            _ => Err(missing(path)),
        },
        Tree::Object(object) => object.remove(&last).ok_or_else(|| missing(path)),
        Tree::Text(_) => Err(missing(path)),
    }
}

/// What becomes of what is found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Look,
    Change,
}

fn find<'d, 'a>(
    document: &'d mut Document<'a>,
    path: &Pointer<'_>,
    purpose: Purpose,
) -> Result<&'d mut Tree<'a>, Stop> {
    find_with(document, path, purpose).map(|(found, _)| found)
}

/// What the pointer leads to, and the work that may still be done.
fn find_with<'d, 'a>(
    document: &'d mut Document<'a>,
    path: &Pointer<'_>,
    purpose: Purpose,
) -> Result<(&'d mut Tree<'a>, &'d mut Work), Stop> {
    let Document { root, work } = document;
    let mut found = root;
    for token in path.tokens() {
        found.open(work)?;
        let inside = match found {
            Tree::Array(elements) => match Index::parse(&token) {
                Some(Index::At(at)) => elements.get_mut(at),
                _ => None,
            },
            Tree::Object(object) => match purpose {
                Purpose::Look => object.get(&token),
                Purpose::Change => object.get_to_change(&token),
            },
            Tree::Text(_) => None,
        };
        found = inside.ok_or_else(|| missing(path))?;
    }
    Ok((found, work))
}

fn missing(path: &Pointer<'_>) -> Stop {
    Stop::Failed(format!("the value has nothing at `{}`", path.display()).into())
}

/// A value that is put where the pointer leads must not nest too deep there: so nothing ever does, and
/// what recurses over a document recurses no deeper.
fn check_depth(path: &Pointer<'_>, value: &Tree<'_>, work: &mut Work) -> Result<(), PatchError> {
    work.spend(value.bytes())?;
    if path.depth().saturating_add(value.depth()) > VALUE_DEPTH_MAX {
        return Err(PatchError::TooDeep);
    }
    Ok(())
}
