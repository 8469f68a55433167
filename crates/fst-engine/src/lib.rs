//! Every decision of client and server, as functions of their arguments.
//!
//! Knows nothing that is not an argument: no file, socket, clock, randomness; iterates no hash map.
//! Invariant: equal inputs give equal outputs, on every machine. Effects live in `fst-client` and
//! `fst-server`. Source: docs/design/sync-semantics.md.
//!
//! One cycle of a folder: [`identify`](identify::identify) gives the scanned entries node ids,
//! [`plan`](reconcile::plan) compares the three trees, [`check`](guard::check) may veto the result.
//!
//! ```
//! use std::collections::{BTreeMap, BTreeSet};
//! use fst_engine::naming::ByHash;
//! use fst_engine::reconcile::{Inputs, Policy, plan};
//! use fst_engine::tree::Tree;
//!
//! let empty = Tree::new();
//! let inputs = Inputs {
//!     base: &empty,
//!     local: &empty,
//!     remote: &empty,
//!     tombstones: &BTreeMap::new(),
//!     frozen: &BTreeSet::new(),
//!     ignored: &BTreeSet::new(),
//!     blocked: &BTreeSet::new(),
//!     folds_names: false,
//!     naming: &ByHash,
//!     merged: &BTreeMap::new(),
//!     policy: Policy::default(),
//! };
//! assert!(plan(&inputs).is_empty());
//! ```
#![forbid(unsafe_code)]
#![warn(clippy::wildcard_enum_match_arm)]

pub mod agree;
pub mod batch;
pub mod clear;
pub mod guard;
pub mod history;
pub mod identify;
pub mod ignore;
pub mod limits;
pub mod merge;
pub mod naming;
pub mod order;
mod paths;
pub mod plan;
pub mod progress;
pub mod rate;
pub mod reconcile;
pub mod restore;
pub mod retention;
pub mod retry;
pub mod row;
pub mod saves;
pub mod scope;
pub mod settle;
pub mod survey;
pub mod tree;
pub mod undo;
