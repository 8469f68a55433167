//! The audit log, read and checked beside a running server.
//!
//! Called by the `fst-server` command. Invariant: reading changes nothing; a page is read at a time. Not here: the chain
//! (`fst_store::meta::audit`), how records are shown. Source: docs/adr/0049-quotas-and-audit.md.

use fst_store::meta::AuditRecord;
use fst_store::meta::audit::{Position, START};

use crate::config::Options;
use crate::run::RunError;
use crate::stores;

/// Records read at a time.
const PAGE: usize = 1000;

/// Hands every record above `after` to `each`, in order, until it breaks off.
///
/// # Errors
/// [`RunError`], or what `each` says.
pub async fn read<E: From<RunError>>(
    options: &Options,
    after: u64,
    mut each: impl FnMut(&AuditRecord) -> Result<(), E>,
) -> Result<(), E> {
    let service = stores::open_meta_only(options).await?;
    let mut after = after;
    loop {
        let page = service.audit_records(after, PAGE).await;
        let page = page.map_err(RunError::Refused)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.no;
        page.iter().try_for_each(&mut each)?;
    }
}

/// What a look at the whole chain found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// The last record that is as it was written.
    pub good: Position,
    /// Number of the first one that is not.
    pub broken: Option<u64>,
}

/// Follows the chain from its beginning to the first record that does not fit.
///
/// # Errors
/// [`RunError`].
pub async fn check(options: &Options) -> Result<Checked, RunError> {
    let mut checked = Checked {
        good: START,
        broken: None,
    };
    let follow = |record: &AuditRecord| -> Result<(), RunError> {
        match (checked.broken, checked.good.then(record)) {
            (None, Some(next)) => checked.good = next,
            (None, None) => checked.broken = Some(record.no),
            (Some(_), _) => {},
        }
        Ok(())
    };
    read(options, 0, follow).await?;
    Ok(checked)
}
