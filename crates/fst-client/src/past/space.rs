//! Rules and pins of a space that an operation changed, and the way back.
//!
//! Invariant: they are compared as the verified log has them; a change that this device has not pulled yet is waited for.
//! Source: ADR 0037.

use std::path::Path;

use fst_proto::control::{Pin, Retention};
use fst_proto::error::ErrorCode;
use fst_proto::ids::NodeId;

use super::{Control, Intended, Past};
use crate::client::Client;
use crate::db::RevisionRow;
use crate::error::ClientError;
use crate::operations::{Operation, SpaceRule, Thing, Way};

impl Past<'_> {
    /// What replacing the ignore rules of the space is about to do.
    ///
    /// # Errors
    /// [`ErrorCode::BadState`].
    pub fn intend_ignore_policy(&self, rules: &[String]) -> Result<Intended, ClientError> {
        self.intend(SpaceRule::Ignore, said_rules(rules))
    }

    /// What changing how long versions are kept is about to do.
    ///
    /// # Errors
    /// [`ErrorCode::BadState`].
    pub fn intend_retention(&self, retention: Retention) -> Result<Intended, ClientError> {
        self.intend(SpaceRule::Retention, said_retention(retention))
    }

    /// What pinning a version, or the end of that, is about to do.
    ///
    /// # Errors
    /// [`ErrorCode::BadState`].
    pub fn intend_pin(&self, row: &RevisionRow, is_pinned: bool) -> Result<Intended, ClientError> {
        let (node, rev) = (row.node.to_hex(), row.state.rev);
        self.intend(SpaceRule::Pin { node, rev }, said_pin(is_pinned))
    }

    fn intend(&self, rule: SpaceRule, left: Option<String>) -> Result<Intended, ClientError> {
        let folder = self.folder.path.to_string_lossy().into_owned();
        let name = match &rule {
            SpaceRule::Ignore => "ignore rules of the space".to_owned(),
            SpaceRule::Retention => "how long versions are kept".to_owned(),
            SpaceRule::Pin { .. } => format!("a version of {}", self.path),
            SpaceRule::Newer => String::new(),
        };
        let was = self.rule(&rule)?;
        let things = match was == left {
            true => Vec::new(),
            false => vec![Thing { name, was, left }],
        };
        let way = Way::Space { folder, rule };
        Ok(Intended { things, way })
    }

    /// What a rule is now.
    fn rule(&self, rule: &SpaceRule) -> Result<Option<String>, ClientError> {
        match rule {
            SpaceRule::Ignore => Ok(said_rules(&self.ignore_policy()?)),
            SpaceRule::Retention => Ok(said_retention(self.retention()?)),
            SpaceRule::Pin { node, rev } => {
                let pin = NodeId::parse(node).map(|node| (node, *rev));
                let pins = self.db.read().pins()?;
                Ok(said_pin(pin.is_some_and(|pin| pins.contains(&pin))))
            },
            SpaceRule::Newer => Ok(None),
        }
    }

    /// Gives a rule a value that it had.
    fn set_rule(&self, rule: &SpaceRule, value: Option<&str>) -> Result<(), ClientError> {
        let unreadable = || ClientError::new(ErrorCode::NotUndoable, "the record cannot be read");
        match rule {
            SpaceRule::Ignore => {
                let rules = serde_json::from_str::<Vec<String>>(value.unwrap_or("[]"));
                self.set_ignore_policy(&rules.map_err(|_| unreadable())?)
            },
            SpaceRule::Retention => {
                let retention = value.and_then(read_retention).ok_or_else(unreadable)?;
                self.set_retention(retention)
            },
            SpaceRule::Pin { node, rev } => self.commit(&Control::Pin(Pin {
                node: NodeId::parse(node).ok_or_else(unreadable)?,
                rev: *rev,
                is_pinned: value.is_some(),
            })),
            SpaceRule::Newer => Err(unreadable()),
        }
    }
}

impl Client {
    /// Takes back what an operation changed in the rules of a space. `note` is asked before anything is sent.
    ///
    /// # Errors
    /// [`ErrorCode::ChangedSince`], [`ErrorCode::NotUndoable`]; [`ErrorCode::Unsynced`] while this device has not pulled the
    /// operation; as [`Past::set_retention`].
    pub fn undo_space(
        &self,
        operation: &Operation,
        note: &mut dyn FnMut(Intended) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        let (Way::Space { folder, rule }, Some(thing)) = (&operation.way, operation.things.first())
        else {
            let detail = "it changed no rule of a space";
            return Err(ClientError::new(ErrorCode::NotUndoable, detail));
        };
        let past = self.past(Path::new(folder))?;
        let now = past.rule(rule)?;
        if now == thing.was && operation.state() == "done" {
            let detail = "the log as known here does not have it yet";
            return Err(ClientError::new(ErrorCode::Unsynced, detail));
        }
        operation.plan(&[now])?;
        note(Intended {
            things: vec![Thing {
                name: thing.name.clone(),
                was: thing.left.clone(),
                left: thing.was.clone(),
            }],
            way: operation.way.clone(),
        })?;
        past.set_rule(rule, thing.was.as_deref())
    }
}

fn said_rules(rules: &[String]) -> Option<String> {
    let text = || serde_json::Value::from(rules).to_string();
    (!rules.is_empty()).then(text)
}

#[expect(clippy::unnecessary_wraps, reason = "beside rules that may be absent")]
fn said_retention(Retention { days, versions }: Retention) -> Option<String> {
    Some(format!("{days} days, {versions} versions"))
}

fn read_retention(text: &str) -> Option<Retention> {
    let (days, versions) = text.split_once(" days, ")?;
    Some(Retention {
        days: days.parse().ok()?,
        versions: versions.strip_suffix(" versions")?.parse().ok()?,
    })
}

fn said_pin(is_pinned: bool) -> Option<String> {
    is_pinned.then(|| "pinned".to_owned())
}
