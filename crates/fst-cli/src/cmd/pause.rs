//! `fst pause` and `fst resume`, with or without a daemon.

use std::path::Path;

use fst_client::config::Draft;
use fst_client::operations::Operation;
use fst_daemon::DaemonError;
use fst_proto::ipc::Request;
use serde_json::json;

use super::local::sync_folders;
use crate::context::{Context, absolute, shown};
use crate::noted::{self, Name};
use crate::render::Symbol;
use crate::report::{Answer, Failure};

pub(super) fn pause(context: &Context, path: Option<&Path>) -> Result<Answer, Failure> {
    let place = Place::new(context, path)?;
    let request = Request::Pause { path: place.text() };
    let operation = place.change("pause", true, &request)?;
    Ok(place
        .answer("fst.pause/1", Symbol::Off, "paused")
        .then("fst resume")
        .undone_by(operation.as_ref()))
}

pub(super) fn resume(
    context: &Context,
    path: Option<&Path>,
    accept_deletions: bool,
) -> Result<Answer, Failure> {
    let place = Place::new(context, path)?;
    let request = Request::Resume {
        path: place.text(),
        accept_deletions,
    };
    let operation = place.change("resume", false, &request)?;
    if accept_deletions && context.daemon_if_any()?.is_none() {
        place.sync_accepting_deletions()?;
    }
    Ok(place
        .answer("fst.resume/1", Symbol::Good, "resumed")
        .then("fst status")
        .undone_by(operation.as_ref()))
}

/// One folder or all of them.
struct Place<'a> {
    context: &'a Context,
    path: Option<std::path::PathBuf>,
}

impl<'a> Place<'a> {
    fn new(context: &'a Context, path: Option<&Path>) -> Result<Self, Failure> {
        Ok(Self {
            context,
            path: path.map(absolute).transpose()?,
        })
    }

    fn text(&self) -> Option<String> {
        self.path
            .as_ref()
            .map(|path| path.to_string_lossy().into_owned())
    }

    fn name(&self) -> String {
        let path = self.path.as_ref();
        path.map_or("all folders".to_owned(), |path| {
            self.context.look.tilde(path)
        })
    }

    /// Lets the daemon do it, or writes the configuration where none runs; noted before.
    fn change(
        &self,
        command: &'static str,
        paused: bool,
        request: &Request,
    ) -> Result<Option<Operation>, Failure> {
        let (name, draft) = (self.name(), self.draft(paused)?);
        let name = Name::new(command, &name);
        noted::let_write(self.context, name, &draft, || {
            match self.context.daemon_if_any()? {
                Some(mut daemon) => {
                    let asked = daemon.ask(request);
                    asked.map(drop).map_err(|error| self.failed(error))
                },
                None => self.write_paused(paused),
            }
        })
    }

    /// What the configuration will say.
    fn draft(&self, paused: bool) -> Result<Draft, Failure> {
        let client = self.context.client()?;
        client
            .draft_paused(self.path.as_deref(), paused)
            .map_err(|error| self.failed(DaemonError::Client(error)))
    }

    fn failed(&self, error: DaemonError) -> Failure {
        let name = self
            .path
            .as_ref()
            .map(|path| self.context.look.quoted(path));
        Failure::from(error).about(name.as_deref().unwrap_or("PATH"))
    }

    fn write_paused(&self, paused: bool) -> Result<(), Failure> {
        let mut client = self.context.client()?;
        client
            .set_paused(self.path.as_deref(), paused)
            .map_err(|error| self.failed(DaemonError::Client(error)))
    }

    /// Consent lives in the running folder only, so it is used up here and now.
    fn sync_accepting_deletions(&self) -> Result<(), Failure> {
        let client = self.context.client()?;
        let prepare = |folder: &mut fst_client::Folder| {
            folder.accept_deletions();
            Ok(())
        };
        sync_folders(self.context, &client, self.path.as_deref(), &prepare).map(drop)
    }

    fn answer(&self, schema: &'static str, symbol: Symbol, word: &str) -> Answer {
        let look = &self.context.look;
        let what = self
            .path
            .as_ref()
            .map_or("All folders".to_owned(), |path| look.tilde(path));
        let data = json!({ "path": self.path.as_deref().map(shown), "state": word });
        Answer::new(
            schema,
            data,
            format!("{} {what} {word}\n", look.symbol(symbol)),
        )
    }
}
