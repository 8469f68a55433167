//! What a scan says about paths that it cannot take as they are.
//!
//! Invariant: such a path is never taken for one that is not there. Not here: which paths those are ([`super`]).

use fst_engine::identify::Seen;
use fst_engine::ignore::{Damage, RULE_FILE};
use fst_fs::vault::VaultError;
use fst_proto::error::ErrorCode;
use fst_proto::ipc::PathProblem;
use fst_proto::path::{Name, RelPath};
use fst_proto::text;

use super::Scanned;

/// A rule file that holds what is below its directory is a problem, whether it was looked at now or before; one that is
/// being written is looked at again.
pub(super) fn note_damage(out: &mut Scanned) {
    for (dir, file) in &out.loaded.rules.files {
        let path = Name::new(RULE_FILE.as_bytes()).map(|name| dir.child(name));
        let (Some(damage), Ok(Ok(path))) = (file.damage(), path) else {
            continue;
        };
        if *damage == Damage::Changing {
            out.again.insert(path);
        } else {
            let reason = format!("{damage}; nothing here is synced until it is repaired");
            let found = problem(&path, ErrorCode::BadIgnoreFile, &reason);
            out.problems.push(found);
        }
    }
}

/// What a path counts as that could not be looked at; `None` when nothing is there any more.
pub(super) fn fail(path: &RelPath, error: &VaultError, out: &mut Scanned) -> Option<Seen> {
    out.again.insert(path.clone());
    match error {
        VaultError::NotFound { .. } => {
            out.is_unsettled = true;
            None
        },
        VaultError::Changed { .. }
        | VaultError::NotADirectory { .. }
        | VaultError::SymlinkInPath { .. } => {
            out.is_unsettled = true;
            Some(Seen::Problem)
        },
        other => {
            out.problems
                .push(problem(path, ErrorCode::Unreadable, &other.to_string()));
            Some(Seen::Problem)
        },
    }
}

/// A problem of one path, with its next step.
#[must_use]
pub fn problem(path: &RelPath, code: ErrorCode, reason: &str) -> PathProblem {
    PathProblem {
        path: path.to_string(),
        code: code.to_string(),
        reason: reason.to_owned(),
        next: code.next_step().to_owned(),
    }
}

/// A name that cannot be synced.
pub(super) fn bad_name(dir: &RelPath, raw: &[u8]) -> PathProblem {
    let shown = text::printable(raw);
    let path = if dir.is_root() {
        shown
    } else {
        format!("{dir}/{shown}")
    };
    PathProblem {
        path,
        ..problem(dir, ErrorCode::BadName, ErrorCode::BadName.title())
    }
}
