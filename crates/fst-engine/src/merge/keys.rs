//! The three-way merge of mappings by their keys, with every byte of the text kept.
//!
//! Used where lines will not do in JSON, YAML and TOML. A splitter cuts a text into members; members are chosen three-way
//! as the pieces of text they are, so comments and layout stay. Invariant: the result parses, and its value is the
//! three-way merge of the three parsed values, worked out apart from the text; the splitters need not be trusted.
//! Lists are one value. Source: ADR 0013; docs/design/sync-semantics.md, rows S-310 to S-316.

mod json;
mod toml;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use fst_proto::path::Name;
use serde_json::Value;

use super::{Triple, Unclean};
use crate::limits::{MERGE_DEPTH_MAX, MERGE_KEYS_MAX};

/// A format whose keys are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Toml,
    Yaml,
}

impl Format {
    /// What the ending of a name says.
    pub(super) fn of(name: &Name) -> Option<Self> {
        let dot = name.as_bytes().iter().rposition(|&byte| byte == b'.')?;
        let ending = name.as_bytes()[dot..].to_ascii_lowercase();
        match ending.as_slice() {
            b".json" => Some(Self::Json),
            b".toml" => Some(Self::Toml),
            b".yaml" | b".yml" => Some(Self::Yaml),
            _ => None,
        }
    }

    fn split(self, text: &str) -> Option<Map<'_>> {
        match self {
            Self::Json => json::split(text),
            Self::Toml => toml::split(text),
            Self::Yaml => yaml::split(text),
        }
    }

    fn parse(self, text: &str) -> Option<Value> {
        match self {
            Self::Json => serde_json::from_str(text).ok(),
            Self::Toml => ::toml::from_str(text).ok(),
            Self::Yaml => serde_saphyr::from_str(text).ok(),
        }
    }

    /// What stands between two members.
    fn separator(self) -> &'static str {
        match self {
            Self::Json => ",",
            Self::Toml | Self::Yaml => "",
        }
    }
}

/// A mapping as it stands in a text: `head`, members, `tail`.
#[derive(Debug, Clone, Default)]
struct Map<'a> {
    head: &'a str,
    members: Vec<Member<'a>>,
    tail: &'a str,
}

/// One key with all the text that goes with it.
#[derive(Debug, Clone)]
struct Member<'a> {
    key: &'a str,
    /// Blanks before it, which say nothing.
    space: &'a str,
    /// Comments and key, up to the value.
    lead: &'a str,
    value: Part<'a>,
}

#[derive(Debug, Clone)]
enum Part<'a> {
    Text(&'a str),
    Map(Map<'a>),
}

/// Merges by keys.
pub(super) fn merge(format: Format, triple: Triple<'_>) -> Result<Vec<u8>, Unclean> {
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Unclean::Overlap);
    let (base, local, remote) = (
        text(triple.base)?,
        text(triple.local)?,
        text(triple.remote)?,
    );
    let split = |text| format.split(text).ok_or(Unclean::Overlap);
    let sides = [&split(base)?, &split(local)?, &split(remote)?];
    let mut out = String::with_capacity(local.len().max(remote.len()));
    Merger {
        format,
        out: &mut out,
    }
    .map(sides)?;
    let parse = |text| format.parse(text).ok_or(Unclean::Overlap);
    let wanted = value(
        Some(&parse(base)?),
        Some(&parse(local)?),
        Some(&parse(remote)?),
    )?;
    if Some(parse(&out)?) == wanted {
        Ok(out.into_bytes())
    } else {
        Err(Unclean::Overlap)
    }
}

/// Whether a merge by lines means what both sides mean: it parses, and where values merge it has that value.
///
/// Nothing is asked of texts that do not parse themselves.
pub(super) fn is_sound(format: Format, triple: Triple<'_>, merged: &[u8]) -> bool {
    let parse = |bytes| format.parse(std::str::from_utf8(bytes).ok()?);
    let sides = [triple.base, triple.local, triple.remote].map(parse);
    let [Some(base), Some(local), Some(remote)] = &sides else {
        return true;
    };
    match value(Some(base), Some(local), Some(remote)) {
        Ok(wanted) => parse(merged) == wanted,
        Err(_) => parse(merged).is_some(),
    }
}

struct Merger<'o> {
    format: Format,
    out: &'o mut String,
}

impl<'a> Merger<'_> {
    fn map(&mut self, sides: [&Map<'a>; 3]) -> Result<(), Unclean> {
        let [base, local, remote] = sides;
        self.out
            .push_str(choose([base.head, local.head, remote.head])?);
        let mut is_first = true;
        for key in order([base, local, remote])? {
            let members = [base, local, remote].map(|side| side.member(key));
            is_first &= !self.member(members, is_first)?;
        }
        self.out
            .push_str(choose([base.tail, local.tail, remote.tail])?);
        Ok(())
    }

    /// Writes what becomes of a key; false when it is deleted.
    fn member(
        &mut self,
        members: [Option<&Member<'a>>; 3],
        is_first: bool,
    ) -> Result<bool, Unclean> {
        let texts = members.map(|member| member.map(|member| self.text(member)));
        let [base, local, remote] = &texts;
        let chosen = if local == remote || remote == base {
            members[1]
        } else if local == base {
            members[2]
        } else {
            return self.both(members, is_first);
        };
        let Some(chosen) = chosen else {
            return Ok(false);
        };
        self.begin(chosen, is_first);
        let text = self.text(chosen);
        self.out.push_str(&text);
        Ok(true)
    }

    /// Both sides changed it: its own keys may still be apart.
    fn both(&mut self, members: [Option<&Member<'a>>; 3], is_first: bool) -> Result<bool, Unclean> {
        let [base, Some(local), Some(remote)] = members else {
            return Err(Unclean::Overlap);
        };
        let (Part::Map(here), Part::Map(there)) = (&local.value, &remote.value) else {
            return Err(Unclean::Overlap);
        };
        let none;
        let (lead, was) = match base.map(|base| (base.lead, &base.value)) {
            Some((lead, Part::Map(was))) => (lead, was),
            Some((_, Part::Text(_))) => return Err(Unclean::Overlap),
            None => {
                none = Map {
                    head: equal(here.head, there.head)?,
                    members: Vec::new(),
                    tail: equal(here.tail, there.tail)?,
                };
                (equal(local.lead, remote.lead)?, &none)
            },
        };
        self.begin(local, is_first);
        self.out.push_str(choose([lead, local.lead, remote.lead])?);
        self.map([was, here, there])?;
        Ok(true)
    }

    fn begin(&mut self, member: &Member<'_>, is_first: bool) {
        if !is_first {
            self.out.push_str(self.format.separator());
        }
        self.out.push_str(member.space);
    }

    /// A member as it stands, without the blanks before it.
    fn text(&self, member: &Member<'_>) -> String {
        let mut text = member.lead.to_owned();
        match &member.value {
            Part::Text(value) => text.push_str(value),
            Part::Map(map) => map.write(self.format.separator(), &mut text),
        }
        text
    }
}

impl<'a> Map<'a> {
    fn member(&self, key: &str) -> Option<&Member<'a>> {
        self.members.iter().find(|member| member.key == key)
    }

    fn write(&self, separator: &str, out: &mut String) {
        out.push_str(self.head);
        for (nth, member) in self.members.iter().enumerate() {
            out.push_str(if nth == 0 { "" } else { separator });
            out.push_str(member.space);
            out.push_str(member.lead);
            match &member.value {
                Part::Text(value) => out.push_str(value),
                Part::Map(map) => map.write(separator, out),
            }
        }
        out.push_str(self.tail);
    }
}

/// What both sides say alike where base says nothing.
fn equal<'a>(local: &'a str, remote: &str) -> Result<&'a str, Unclean> {
    (local == remote).then_some(local).ok_or(Unclean::Overlap)
}

fn choose<T: PartialEq + Copy>([base, local, remote]: [T; 3]) -> Result<T, Unclean> {
    if local == remote || remote == base {
        Ok(local)
    } else if local == base {
        Ok(remote)
    } else {
        Err(Unclean::Overlap)
    }
}

/// All keys, each once: those of base in their order, new ones behind the key that they follow.
fn order<'a>([base, local, remote]: [&Map<'a>; 3]) -> Result<Vec<&'a str>, Unclean> {
    let is_large = |side: &Map<'_>| side.members.len() > MERGE_KEYS_MAX;
    if [base, local, remote].into_iter().any(is_large) {
        return Err(Unclean::TooLarge);
    }
    let places: BTreeMap<&str, usize> = base.members.iter().map(|m| m.key).zip(0..).collect();
    if places.len() < base.members.len() {
        return Err(Unclean::Overlap);
    }
    let (mut here, mut there) = (gaps(&places, local)?, gaps(&places, remote)?);
    keep_later(&mut here, &there);
    keep_later(&mut there, &here);
    let mut keys = Vec::new();
    for place in 0..=base.members.len() {
        let new = [&mut here, &mut there].map(|gaps| gaps.remove(&place).unwrap_or_default());
        keys.extend(join(new)?);
        keys.extend(base.members.get(place).map(|member| member.key));
    }
    let distinct: BTreeSet<&str> = keys.iter().copied().collect();
    if distinct.len() == keys.len() {
        Ok(keys)
    } else {
        Err(Unclean::Overlap)
    }
}

type Gaps<'a> = BTreeMap<usize, Vec<&'a str>>;

/// New keys of a side by the number of base keys before them; keys that changed places are not understood.
fn gaps<'a>(places: &BTreeMap<&str, usize>, side: &Map<'a>) -> Result<Gaps<'a>, Unclean> {
    let mut gaps = Gaps::new();
    let mut at = 0;
    for member in &side.members {
        match places.get(member.key) {
            Some(&place) if place < at => return Err(Unclean::Overlap),
            Some(&place) => at = place + 1,
            None => gaps.entry(at).or_default().push(member.key),
        }
    }
    Ok(gaps)
}

/// Drops the new keys that the other side has at a later place: base keys before it are gone there.
fn keep_later(gaps: &mut Gaps<'_>, others: &Gaps<'_>) {
    for (place, keys) in gaps {
        let later: Vec<&str> = others
            .range(place + 1..)
            .flat_map(|(_, keys)| keys)
            .copied()
            .collect();
        keys.retain(|key| !later.contains(key));
    }
}

/// New keys of both sides at one place, in an order that does not depend on which side is which.
fn join([local, remote]: [Vec<&str>; 2]) -> Result<Vec<&str>, Unclean> {
    if is_within(&local, &remote) {
        Ok(remote)
    } else if is_within(&remote, &local) {
        Ok(local)
    } else if local.iter().any(|key| remote.contains(key)) {
        Err(Unclean::Overlap)
    } else if local < remote {
        Ok([local, remote].concat())
    } else {
        Ok([remote, local].concat())
    }
}

/// Whether all of `few` stand in `many`, in the same order.
fn is_within(few: &[&str], many: &[&str]) -> bool {
    let mut many = many.iter();
    few.iter().all(|key| many.any(|other| other == key))
}

/// The three-way merge of values; `None` is absence.
fn value(
    base: Option<&Value>,
    local: Option<&Value>,
    remote: Option<&Value>,
) -> Result<Option<Value>, Unclean> {
    if let Ok(chosen) = choose([base, local, remote]) {
        return Ok(chosen.cloned());
    }
    let (Some(Value::Object(here)), Some(Value::Object(there))) = (local, remote) else {
        return Err(Unclean::Overlap);
    };
    let none = serde_json::Map::new();
    let was = base.and_then(Value::as_object).unwrap_or(&none);
    let mut merged = serde_json::Map::new();
    let keys: BTreeSet<&String> = was.keys().chain(here.keys()).chain(there.keys()).collect();
    for key in keys {
        if let Some(value) = value(was.get(key), here.get(key), there.get(key))? {
            merged.insert(key.clone(), value);
        }
    }
    Ok(Some(Value::Object(merged)))
}

/// Whether a mapping at this depth is still looked into.
fn is_looked_into(depth: usize) -> bool {
    depth < MERGE_DEPTH_MAX
}
