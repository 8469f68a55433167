//! Changes that are noted in the log of operations before they are made.
//!
//! Every command that changes something goes through here. Invariant: the note is durable before the change. Not here:
//! undoing ([`crate::cmd`]). Source: ADR 0037.

use fst_client::ClientError;
use fst_client::config::Draft;
use fst_client::operations::{Begun, Intent, Operation, Operations};
use fst_client::past::Intended;
use fst_proto::error::ErrorCode;

use crate::context::Context;
use crate::report::Failure;

/// Drafts made before giving up because others write the file all the time.
const TRIES_MAX: usize = 5;

/// What a command is called in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name<'a> {
    /// The command, such as `config set`.
    pub command: &'a str,
    /// What it is about.
    pub subject: &'a str,
    /// The operation that it undoes.
    pub undoes: Option<&'a Operation>,
}

impl<'a> Name<'a> {
    /// A command about something.
    pub(crate) fn new(command: &'a str, subject: &'a str) -> Self {
        Self {
            command,
            subject,
            undoes: None,
        }
    }

    fn of_config(&self, context: &Context, draft: &Draft) -> Intent {
        let name = (self.command, self.subject);
        self.intent(Intent::of_config(&context.dirs, name, draft))
    }

    fn of(&self, intended: Intended) -> Intent {
        self.intent(Intent {
            command: self.command.to_owned(),
            subject: self.subject.to_owned(),
            things: intended.things,
            way: intended.way,
            undoes: None,
        })
    }

    /// The intent, with what it undoes.
    fn intent(&self, intent: Intent) -> Intent {
        match self.undoes {
            Some(operation) => intent.undoing(operation),
            None => intent,
        }
    }
}

/// Writes a draft of the configuration; `None` when it changes nothing.
pub(crate) fn write(
    context: &Context,
    name: Name<'_>,
    draft: impl Fn() -> Result<Draft, ClientError>,
) -> Result<Option<Operation>, Failure> {
    let log = Operations::of(&context.dirs);
    for _ in 0..TRIES_MAX {
        let draft = draft()?;
        if draft.is_empty() {
            return Ok(None);
        }
        let begun = log.begin(name.of_config(context, &draft))?;
        match draft.write(&context.dirs) {
            Ok(true) => return Ok(Some(begun.done())),
            Ok(false) => begun.failed(),
            Err(error) => {
                begun.failed();
                return Err(error.into());
            },
        }
    }
    let failure = Failure::new(ErrorCode::Io, "the configuration stays as it was");
    Err(failure.because("others write it all the time"))
}

/// Lets somebody else, such as the daemon, make the change that is drafted; `None` when it changes nothing.
pub(crate) fn let_write(
    context: &Context,
    name: Name<'_>,
    draft: &Draft,
    act: impl FnOnce() -> Result<(), Failure>,
) -> Result<Option<Operation>, Failure> {
    if draft.is_empty() {
        return act().map(|()| None);
    }
    let log = Operations::of(&context.dirs);
    let begun = log.begin(name.of_config(context, draft))?;
    // After a failure it stays begun: whether it happened is seen by what is there.
    act()?;
    Ok(Some(begun.done()))
}

/// Makes a change that notes itself before it begins.
pub(crate) fn act<T>(
    context: &Context,
    name: Name<'_>,
    act: impl FnOnce(&mut dyn FnMut(Intended) -> Result<(), ClientError>) -> Result<T, ClientError>,
) -> Result<(T, Option<Operation>), Failure> {
    let log = Operations::of(&context.dirs);
    let mut begun = None;
    let mut note = |intended: Intended| {
        begun = Some(log.begin(name.of(intended))?);
        Ok(())
    };
    // After a failure it stays begun: an answer that was lost may have been a yes.
    let done = act(&mut note)?;
    Ok((done, begun.map(Begun::done)))
}

/// Notes a change that is made next.
pub(crate) fn begin<'l>(
    log: &'l Operations,
    name: Name<'_>,
    intended: Intended,
) -> Result<Begun<'l>, ClientError> {
    log.begin(name.of(intended))
}
