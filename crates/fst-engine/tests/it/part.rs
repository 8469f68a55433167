//! The law of parts: what is worked out from the nodes that differ is what is worked out from the whole folder.
//!
//! Every cycle of every random world and every row of the tables comes through here.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use fst_engine::identify::{FileKey, Identified, Scan, Seen, There, identify_part};
use fst_engine::ignore::{Rules, hide_part};
use fst_engine::plan::Plan;
use fst_engine::reconcile::{ConflictNaming, Inputs, plan_part};
use fst_engine::scope::{Local, Part, Replica, Sides};
use fst_engine::survey::{Finding, Row, compare};
use fst_engine::tree::{Node, Tree};
use fst_proto::entry::{Content, Kind, Place, ROOT};
use fst_proto::ids::NodeId;
use fst_proto::path::{Name, RelPath};

/// Times a plan of so small a world may ask for more.
const ASKS_MAX: usize = 100;

/// A remote tree with its dead.
pub(crate) struct Remote<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) tombstones: &'a BTreeMap<NodeId, u64>,
}

impl Replica for Remote<'_> {
    type Error = Infallible;

    fn node(&self, id: NodeId) -> Result<Option<Node>, Infallible> {
        self.tree.node(id)
    }

    fn namesakes(&self, place: &Place) -> Result<Vec<NodeId>, Infallible> {
        Replica::namesakes(self.tree, place)
    }

    fn children(&self, dir: NodeId) -> Result<Vec<NodeId>, Infallible> {
        Replica::children(self.tree, dir)
    }

    fn tombstone(&self, id: NodeId) -> Result<Option<u64>, Infallible> {
        Ok(self.tombstones.get(&id).copied())
    }
}

/// What is not the same as in base: entries, and base nodes.
#[derive(Default)]
struct Survey {
    scan: Scan,
    looked: BTreeSet<NodeId>,
}

/// A directory of the disk on its way down.
#[derive(Clone, Default)]
struct Dir {
    path: RelPath,
    /// Its node in base, if it has one there.
    node: Option<NodeId>,
    above: Vec<(RelPath, Seen, Option<NodeId>)>,
}

fn survey(scan: &Scan, base: &Tree, keys: &BTreeMap<NodeId, FileKey>) -> Survey {
    let mut found = Survey::default();
    let node = Some(ROOT);
    let mut open = vec![Dir {
        node,
        ..Dir::default()
    }];
    while let Some(dir) = open.pop() {
        let mut names: BTreeSet<Name> = BTreeSet::new();
        names.extend(
            scan.keys()
                .filter(|path| path.parent().as_ref() == Some(&dir.path))
                .filter_map(|path| path.name().cloned()),
        );
        names.extend(
            dir.node
                .into_iter()
                .flat_map(|node| base.children(node))
                .map(|(name, _)| name.clone()),
        );
        for name in names {
            let path = dir.path.child(name.clone()).expect("a good path");
            let (entry, rows) = (scan.get(&path), rows_at(base, keys, dir.node, &name));
            let finding = compare(entry, &rows);
            let node = match finding {
                Finding::Same(id) | Finding::Changed(id) => Some(id),
                Finding::New | Finding::Gone | Finding::Hidden(_) => None,
            };
            if !matches!(finding, Finding::Same(_)) {
                found.looked.extend(rows.iter().map(|row| row.id));
                found.scan.extend(entry.map(|seen| (path.clone(), *seen)));
                for (path, seen, node) in &dir.above {
                    found.scan.insert(path.clone(), *seen);
                    found.looked.extend(*node);
                }
            }
            if matches!(finding, Finding::New | Finding::Gone) {
                for row in &rows {
                    found.looked.extend(below(base, row.id));
                }
            }
            if let Some(
                seen @ Seen::Known {
                    content:
                        Content {
                            kind: Kind::Dir, ..
                        },
                    ..
                },
            ) = entry
            {
                let mut above = dir.above.clone();
                above.push((path.clone(), *seen, node));
                open.push(Dir { path, node, above });
            }
        }
    }
    let is_lost = |id: &NodeId| base.path(*id).is_none();
    let lost: Vec<NodeId> = base.iter().map(|(id, _)| id).filter(is_lost).collect();
    found.looked.extend(lost);
    found.add_holders(scan, base, keys);
    found
}

fn rows_at(
    base: &Tree,
    keys: &BTreeMap<NodeId, FileKey>,
    dir: Option<NodeId>,
    name: &Name,
) -> Vec<Row> {
    let ids = dir.map_or(&[][..], |node| base.namesakes(node, name));
    let row = |id: &NodeId| Row {
        id: *id,
        content: base.get(*id).expect("in base").content,
        key: keys.get(id).copied(),
    };
    ids.iter().map(row).collect()
}

impl Survey {
    /// Whoever has, or had, the object of something that was found.
    fn add_holders(&mut self, scan: &Scan, base: &Tree, keys: &BTreeMap<NodeId, FileKey>) {
        let mut wanted: BTreeSet<FileKey> = self
            .looked
            .iter()
            .filter_map(|id| keys.get(id).copied())
            .collect();
        wanted.extend(self.scan.values().filter_map(|seen| match seen {
            Seen::Known { key, .. } | Seen::Ignored { key, .. } => Some(*key),
            Seen::Problem => None,
        }));
        for (&id, _) in keys.iter().filter(|(_, key)| wanted.contains(key)) {
            let mut at = id;
            while let Some(node) = base.get(at).filter(|_| self.looked.insert(at)) {
                let path = base.path(at);
                let entry = path.and_then(|path| scan.get(&path).map(|seen| (path, *seen)));
                self.scan.extend(entry);
                at = node.place.parent;
            }
        }
    }
}

fn below(base: &Tree, top: NodeId) -> Vec<NodeId> {
    let mut all = vec![top];
    let mut at = 0;
    while let Some(&id) = all.get(at) {
        all.extend(base.children(id).map(|(_, child)| child));
        at += 1;
    }
    all
}

/// What a look found, as a part.
pub(crate) struct Looked {
    pub(crate) part: Identified,
    looked: BTreeSet<NodeId>,
}

impl Looked {
    pub(crate) fn local<'a>(&'a self, base: &'a Tree) -> Local<'a, Tree> {
        Local {
            base,
            seen: &self.part.local,
            looked: &self.looked,
        }
    }
}

/// Identifies a part and checks it against the whole; returns what was looked at.
pub(crate) fn check_identify(
    scan: &Scan,
    [base, remote]: [&Tree; 2],
    keys: &BTreeMap<NodeId, FileKey>,
    whole: &Identified,
    new_id: &mut dyn FnMut() -> NodeId,
) -> Looked {
    let found = survey(scan, base, keys);
    let mut near = Tree::new();
    let mut near_keys = BTreeMap::new();
    for &id in &found.looked {
        near.insert(id, base.get(id).expect("in base").clone());
        near_keys.extend(keys.get(&id).map(|key| (id, *key)));
    }
    let mut remote_at = |place: &Place| {
        let ids = remote.namesakes(place.parent, &place.name).iter();
        let there = ids.map(|id| There {
            node: *id,
            content: remote.get(*id).expect("there").content,
            is_new: !base.contains(*id),
        });
        Ok::<_, Infallible>(there.collect())
    };
    let part = match identify_part(&found.scan, &near, &near_keys, &mut remote_at, new_id) {
        Ok(part) => part,
        Err(never) => match never {},
    };
    assert_eq!(part.blocked, whole.blocked);
    for id in &part.frozen {
        assert!(whole.frozen.contains(id), "{id} is not frozen");
    }
    let local = Local {
        base,
        seen: &part.local,
        looked: &found.looked,
    };
    for id in ids([base, &whole.local, &part.local]) {
        let key = |node: Option<Node>| node.map(|node| (node.place, node.content));
        let (Ok(one), other) = (local.node(id), whole.local.get(id).cloned());
        assert_eq!(key(one), key(other), "{id} in {scan:?}");
        let kept = if found.looked.contains(&id) {
            part.keys.get(&id)
        } else {
            keys.get(&id)
        };
        // A frozen node's object cannot be seen, nor whether another one has it.
        let is_frozen = whole.frozen.contains(&id);
        assert!(is_frozen || kept == whole.keys.get(&id), "key of {id}");
    }
    let looked = found.looked;
    Looked { part, looked }
}

fn ids(trees: [&Tree; 3]) -> BTreeSet<NodeId> {
    trees
        .into_iter()
        .flat_map(|tree| tree.iter().map(|(id, _)| id))
        .collect()
}

/// Plans from the nodes that differ, and compares with the plan of the whole.
pub(crate) fn check_plan(
    inputs: &Inputs<'_>,
    local: &dyn Replica<Error = Infallible>,
    naming: fn(&Part) -> Box<dyn ConflictNaming + '_>,
    seen: Option<(&Rules, Identified, &BTreeSet<NodeId>)>,
    whole: &Plan,
) {
    let remote = Remote {
        tree: inputs.remote,
        tombstones: inputs.tombstones,
    };
    let sides = Sides {
        base: inputs.base,
        local,
        remote: &remote,
    };
    let differs = |id: &NodeId| {
        let key = |node: &Node| (node.place.clone(), node.content);
        let (base, remote) = (inputs.base.get(*id), inputs.remote.get(*id));
        base != remote || base.map(key) != inputs.local.get(*id).map(key)
    };
    let all = ids([inputs.base, inputs.local, inputs.remote]);
    let differing = all.into_iter().filter(differs);
    let dirty = differing.chain(inputs.frozen.iter().copied());
    let Ok(mut part) = Part::read(&sides, dirty);
    let (mut frozen, mut ignored) = (inputs.frozen.clone(), inputs.ignored.clone());
    if let Some((rules, mut seen, failing)) = seen {
        hide_part(rules, &mut part, &mut seen);
        frozen = seen.frozen.union(failing).copied().collect();
        ignored = seen.ignored;
    }
    let mut is_more = true;
    for _ in 0..ASKS_MAX {
        let blocked = part.blocked(inputs.blocked);
        let naming = naming(&part);
        let (plan, asked) = plan_part(&Inputs {
            base: &part.base,
            local: &part.local,
            remote: &part.remote,
            tombstones: &part.tombstones,
            frozen: &frozen,
            ignored: &ignored,
            blocked: &blocked,
            folds_names: inputs.folds_names,
            naming: naming.as_ref(),
            merged: inputs.merged,
            policy: inputs.policy,
        });
        drop(naming);
        let Ok(has_grown) = part.add(&sides, asked);
        is_more = has_grown;
        if !is_more {
            assert_eq!(plan, *whole);
            break;
        }
    }
    assert!(!is_more, "a plan asks for ever more");
}
