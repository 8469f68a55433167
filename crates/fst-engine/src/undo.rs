//! Decides which operation is undone, and whether it may be.
//!
//! `fst-client::operations` tells what each operation found, what it left, and what is there now; it carries out what is
//! decided here. Invariant: only what is still exactly as the operation left it is taken back; one thing that is neither
//! so nor as it was before refuses the whole. Not here: how a thing is taken back. Source: ADR 0037.

/// How far an operation came, as its record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It was about to begin; whether it did is seen by its things.
    Begun,
    /// It was done.
    Done,
    /// It changed nothing.
    Failed,
}

/// An operation among the others, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its id, hex digits.
    pub id: &'a str,
    /// How far it came.
    pub progress: Progress,
    /// The id of the operation that it undid.
    pub undoes: Option<&'a str>,
}

/// No operation is meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoneMeant {
    /// Nothing is left to be undone.
    #[error("nothing is left to be undone")]
    Nothing,
    /// The log has no such operation.
    #[error("the log has no operation {id:?}")]
    Unknown {
        /// What was asked for.
        id: String,
    },
    /// Several begin so.
    #[error("{id:?} is the start of several operations")]
    Ambiguous {
        /// What was asked for.
        id: String,
    },
}

/// Something that an operation changed; `None` for what is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing<'a> {
    /// What it is called.
    pub name: &'a str,
    /// What it was.
    pub was: Option<&'a str>,
    /// What the operation made of it.
    pub left: Option<&'a str>,
    /// What it is.
    pub now: Option<&'a str>,
}

/// An operation is not undone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is undone.
    #[error("it is undone already")]
    Undone,
    /// It never happened.
    #[error("it changed nothing")]
    NeverHappened,
    /// Everything is as it was before, by other means.
    #[error("everything is as it was before it")]
    AsBefore,
    /// Somebody changed a thing since.
    #[error("{name} was changed since: {}", said(left.as_deref(), now.as_deref()))]
    Changed {
        /// The thing.
        name: String,
        /// What the operation made of it.
        left: Option<String>,
        /// What it is.
        now: Option<String>,
    },
}

/// The operation that is meant: the one whose id begins with `wanted`, else the newest that may be undone.
///
/// Shape: an index into `entries`. Undoing again and again goes back further: what undid something is meant only by its id.
/// # Errors
/// [`NoneMeant`].
pub fn choose(entries: &[Entry<'_>], wanted: Option<&str>) -> Result<usize, NoneMeant> {
    let Some(id) = wanted else {
        return older(entries, entries.len()).ok_or(NoneMeant::Nothing);
    };
    let id = id.to_owned();
    let fits = |at: &usize| !id.is_empty() && entries[*at].id.starts_with(&id);
    let mut fitting = (0..entries.len()).filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(at), None) => Ok(at),
        (None, _) => Err(NoneMeant::Unknown { id }),
        (Some(_), Some(_)) => Err(NoneMeant::Ambiguous { id }),
    }
}

/// The newest operation before `at` that may be undone.
#[must_use]
pub fn older(entries: &[Entry<'_>], at: usize) -> Option<usize> {
    let stands = |&at: &usize| {
        let entry = &entries[at];
        entry.progress != Progress::Failed
            && entry.undoes.is_none()
            && !is_undone(entries, entry.id)
    };
    (0..at).rev().find(stands)
}

/// Whether an operation was undone, and that not undone again.
///
/// Cost: as many looks at the log as it was undone times.
#[must_use]
pub fn is_undone(entries: &[Entry<'_>], id: &str) -> bool {
    let undid = |entry: &&Entry<'_>| entry.progress == Progress::Done && entry.undoes == Some(id);
    let last = entries.iter().rev().find(undid);
    last.is_some_and(|last| last.id != id && !is_undone(after(entries, last.id), last.id))
}

/// What came after an operation.
fn after<'e, 'a>(entries: &'e [Entry<'a>], id: &str) -> &'e [Entry<'a>] {
    let at = entries.iter().position(|entry| entry.id == id);
    entries.get(at.map_or(0, |at| at + 1)..).unwrap_or_default()
}

/// Which things have to be taken back so that an operation is undone.
///
/// Shape: indexes into `things`, in their order, at least one.
/// # Errors
/// [`Refusal`]; nothing may be taken back then.
pub fn plan(
    progress: Progress,
    is_undone: bool,
    things: &[Thing<'_>],
) -> Result<Vec<usize>, Refusal> {
    match (progress, is_undone) {
        (_, true) => return Err(Refusal::Undone),
        (Progress::Failed, false) => return Err(Refusal::NeverHappened),
        (Progress::Begun | Progress::Done, false) => {},
    }
    let mut back = Vec::new();
    for (at, thing) in things.iter().enumerate() {
        match (thing.now == thing.left, thing.now == thing.was) {
            (true, _) => back.push(at),
            (false, true) => {},
            (false, false) => {
                return Err(Refusal::Changed {
                    name: thing.name.to_owned(),
                    left: thing.left.map(str::to_owned),
                    now: thing.now.map(str::to_owned),
                });
            },
        }
    }
    match (back.is_empty(), progress) {
        (false, _) => Ok(back),
        (true, Progress::Begun) => Err(Refusal::NeverHappened),
        (true, Progress::Done | Progress::Failed) => Err(Refusal::AsBefore),
    }
}

fn said(left: Option<&str>, now: Option<&str>) -> String {
    match (left, now) {
        (Some(left), Some(now)) => format!("it is {now}, the operation left {left}"),
        (Some(_), None) => "it is gone".to_owned(),
        (None, Some(now)) => format!("it is there again: {now}"),
        (None, None) => "it is gone".to_owned(),
    }
}
