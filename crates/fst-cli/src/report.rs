//! What a command hands back: an [`Answer`] or a [`Failure`]; both know their JSON, their text and their exit code.
//!
//! Made by [`crate::cmd`], printed once by [`crate::cmd::run_line`]. Invariant: every failure has a code and
//! a next step; JSON envelopes are a public contract. Not here: drawing ([`crate::render`]).
//! Source: docs/design/commands.md §§1–2.

use std::error::Error;

use fst_client::ClientError;
use fst_client::config::Report;
use fst_client::operations::Operation;
use fst_daemon::DaemonError;
use fst_proto::error::{ErrorCode, Problem};
use serde_json::{Value, json};

/// A command did its work, though its exit code may tell more.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    /// Name of the JSON document, such as `fst.status/1`.
    pub schema: &'static str,
    /// The result for programs.
    pub data: Value,
    /// The result for people, with a closing newline.
    pub text: String,
    /// What went well only in part.
    pub warnings: Vec<String>,
    /// Commands that make sense next.
    pub next: Vec<String>,
    /// The command that takes it back.
    pub undo: Option<String>,
    /// Exit code.
    pub exit: u8,
    /// Printed already, while it came.
    pub is_told: bool,
}

impl Answer {
    /// An answer with exit code 0.
    pub(crate) fn new(schema: &'static str, data: Value, text: impl Into<String>) -> Self {
        let (warnings, next) = (Vec::new(), Vec::new());
        Self {
            schema,
            data,
            text: text.into(),
            warnings,
            next,
            undo: None,
            exit: 0,
            is_told: false,
        }
    }

    /// An answer that was printed already, while it came.
    pub(crate) fn told(schema: &'static str) -> Self {
        Self {
            is_told: true,
            ..Self::new(schema, Value::Null, "")
        }
    }

    /// Adds a command that makes sense next.
    pub(crate) fn then(mut self, command: impl Into<String>) -> Self {
        self.next.push(command.into());
        self
    }

    /// Says how it is taken back, if there is a way.
    pub(crate) fn undone_by(mut self, operation: Option<&Operation>) -> Self {
        let way = operation.filter(|operation| operation.is_undoable());
        self.undo = way.map(|operation| format!("fst undo {}", operation.short));
        self
    }

    /// Adds warnings.
    pub(crate) fn warn(mut self, warnings: impl IntoIterator<Item = String>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    /// Sets the exit code.
    pub(crate) fn with_exit(mut self, exit: u8) -> Self {
        self.exit = exit;
        self
    }

    /// The JSON document.
    pub(crate) fn envelope(&self) -> Value {
        let next: Vec<Value> = self.next.iter().map(|run| json!({ "run": run })).collect();
        let mut envelope = json!({
            "schema": self.schema,
            "ok": true,
            "data": self.data,
            "warnings": self.warnings,
            "next": next,
        });
        if let Some(undo) = &self.undo {
            envelope["undo"] = json!(undo);
        }
        envelope
    }
}

/// A command did not do its work.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    /// Its stable code.
    pub code: ErrorCode,
    /// What happened, on one line.
    pub message: String,
    /// Why, from the outside in.
    pub causes: Vec<String>,
    /// What to do.
    pub hint: String,
    /// Lines that show what is meant, above everything else; for people only.
    pub details: String,
}

impl Failure {
    /// A failure with the code's own next step.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let hint = code.next_step().to_owned();
        Self {
            code,
            message: message.into(),
            causes: Vec::new(),
            hint,
            details: String::new(),
        }
    }

    /// Replaces the next step by a better one.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Adds lines that show what is meant.
    pub(crate) fn details(mut self, lines: impl Into<String>) -> Self {
        self.details = lines.into();
        self
    }

    /// Adds a cause.
    pub(crate) fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Names the folder where the catalogue says `PATH`.
    pub(crate) fn about(mut self, path: &str) -> Self {
        self.hint = self.hint.replace("PATH", path);
        self
    }

    /// A failure from an error and its chain of causes.
    fn from_chain(code: ErrorCode, error: &(dyn Error + 'static)) -> Self {
        let mut failure = Self::new(code, code.title());
        let mut link = Some(error);
        while let Some(error) = link {
            let text = error.to_string();
            if let Some(report) = error.downcast_ref::<Report>() {
                failure.details = report.draw();
            }
            if text != failure.message && failure.causes.last() != Some(&text) {
                failure.causes.push(text);
            }
            link = error.source();
        }
        failure
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> u8 {
        exit_of(self.code)
    }

    /// The JSON document.
    pub(crate) fn envelope(&self) -> Value {
        let mut message = vec![self.message.clone()];
        message.extend(self.causes.iter().cloned());
        json!({
            "schema": "fst.error/1",
            "ok": false,
            "code": self.code.to_string(),
            "exit": self.exit(),
            "message": message.join(": "),
            "hint": self.hint,
            "run": commands_in(&self.hint),
        })
    }

    /// The text for people.
    pub(crate) fn text(&self) -> String {
        let mut lines = Vec::new();
        if !self.details.is_empty() {
            lines.push(self.details.clone());
        }
        lines.push(format!("error: {} ({})", self.message, self.code));
        if !self.causes.is_empty() {
            lines.push(format!("  cause: {}", self.causes.join(": ")));
        }
        lines.push(format!("  next:  {}", self.hint));
        lines.join("\n")
    }
}

/// Exit code of a failure with this code.
pub(crate) fn exit_of(code: ErrorCode) -> u8 {
    u8::try_from(i32::from(code.exit() as u8)).unwrap_or(1)
}

/// The commands that a next step names, such as `fst status` in `if that is right: fst status`.
pub(crate) fn commands_in(hint: &str) -> Vec<String> {
    let parts = hint.split(" and ").flat_map(|part| part.split([',', ';']));
    let command = |part: &str| {
        let at = part
            .find("fst ")
            .filter(|&at| at == 0 || part[..at].ends_with(' '))?;
        Some(part[at..].trim().to_owned())
    };
    parts.filter_map(command).collect()
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::from_chain(error.code(), &error)
    }
}

impl From<DaemonError> for Failure {
    fn from(error: DaemonError) -> Self {
        match error {
            DaemonError::Refused(problem) => Self::from(*problem),
            DaemonError::Client(error) => Self::from(error),
            other => Self::from_chain(other.code(), &other),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let code = problem.error_code().unwrap_or(ErrorCode::Internal);
        let failure = Self::new(code, problem.title).hint(problem.next);
        if problem.detail.is_empty() || problem.detail == failure.message {
            return failure;
        }
        failure.because(problem.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_title_and_a_next_step() {
        for code in ErrorCode::ALL {
            assert!(!code.title().is_empty(), "{code}");
            assert!(!code.next_step().is_empty(), "{code}");
            assert!(exit_of(*code) > 0, "{code}");
        }
    }

    #[test]
    fn codes_are_unique() {
        let mut numbers: Vec<_> = ErrorCode::ALL.iter().map(|code| code.number()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), ErrorCode::ALL.len());
    }

    #[test]
    fn commands_are_found_in_next_steps() {
        assert_eq!(commands_in("fst status"), ["fst status"]);
        assert_eq!(
            commands_in("mount or restore it, then: fst resume PATH"),
            ["fst resume PATH"]
        );
        assert_eq!(
            commands_in("put it back, or: fst remove P and fst add P"),
            ["fst remove P", "fst add P"]
        );
        assert!(commands_in("rename it").is_empty());
    }

    #[test]
    fn an_error_for_people_has_cause_and_next_step() {
        let failure = Failure::new(ErrorCode::BadSetupCode, ErrorCode::BadSetupCode.title())
            .because("the server answered 403");
        insta::assert_snapshot!(failure.text(), @r"
        error: the set-up code is not valid (FST-1102)
          cause: the server answered 403
          next:  read the current code on the server: cat DATA/setup-code
        ");
    }

    #[test]
    fn an_error_for_programs_has_the_fields_of_the_contract() {
        let failure = Failure::new(ErrorCode::UnknownFolder, ErrorCode::UnknownFolder.title())
            .about("~/Photos")
            .because("/h/anna/Photos");
        insta::assert_snapshot!(failure.envelope(), @r#"{"code":"FST-1202","exit":5,"hint":"fst add ~/Photos --two-way","message":"this folder is not synced: /h/anna/Photos","ok":false,"run":["fst add ~/Photos --two-way"],"schema":"fst.error/1"}"#);
    }

    #[test]
    fn an_answer_for_programs_has_the_fields_of_the_contract() {
        let answer = Answer::new(
            "fst.version/1",
            json!({ "version": "3.2.0" }),
            "fst 3.2.0\n",
        )
        .then("fst status")
        .warn(["one".to_owned()]);
        insta::assert_snapshot!(answer.envelope(), @r#"{"data":{"version":"3.2.0"},"next":[{"run":"fst status"}],"ok":true,"schema":"fst.version/1","warnings":["one"]}"#);
    }
}
