//! The three-way merge of lines.
//!
//! Both sides are compared with base; changes that neither overlap nor touch are put together, equal changes once.
//! Invariant: a line keeps its own ending; nothing is put between or into lines. Same verdict as `git merge-file`
//! wherever the result is clean. Source: ADR 0013; docs/design/sync-semantics.md, rows S-300 to S-308.

use std::ops::Range;

use gix_imara_diff::{Algorithm, Diff, InternedInput};

use super::{Triple, Unclean};

/// Both sides in one text, with markers around what a person has to decide.
pub(super) fn marked(triple: Triple<'_>) -> Vec<u8> {
    let base = lines_of(triple.base);
    let (local, remote) = (lines_of(triple.local), lines_of(triple.remote));
    let (here, there) = (changes(&base, &local), changes(&base, &remote));
    let (mut i, mut j, mut at) = (0, 0, 0);
    let mut out = Vec::new();
    while i < here.len() || j < there.len() {
        let first = [here.get(i), there.get(j)].into_iter().flatten();
        let start = first.map(|change| change.base.start).min().unwrap_or(at);
        let (from, mut end) = ((i, j), start);
        loop {
            let touches = |change: &&Change<'_>| change.base.start <= end;
            if let Some(change) = here.get(i).filter(touches) {
                (i, end) = (i + 1, end.max(change.base.end));
            } else if let Some(change) = there.get(j).filter(touches) {
                (j, end) = (j + 1, end.max(change.base.end));
            } else {
                break;
            }
        }
        extend(&mut out, &base[at..start]);
        let sides = [&here[from.0..i], &there[from.1..j]];
        let [local, remote] = sides.map(|changes| applied(&base, start..end, changes));
        let was: Vec<u8> = base[start..end].concat();
        if local == remote || remote == was {
            out.extend(local);
        } else if local == was {
            out.extend(remote);
        } else {
            mark(&mut out, [&was, &local, &remote]);
        }
        at = end;
    }
    extend(&mut out, &base[at..]);
    out
}

/// What a side has instead of a stretch of base.
fn applied(base: &[&[u8]], stretch: Range<usize>, changes: &[Change<'_>]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), stretch.start);
    for change in changes {
        extend(&mut out, &base[at..change.base.start]);
        extend(&mut out, change.lines);
        at = change.base.end;
    }
    extend(&mut out, &base[at..stretch.end]);
    out
}

fn mark(out: &mut Vec<u8>, [base, local, remote]: [&[u8]; 3]) {
    let parts = [
        ("<<<<<<< local", local),
        ("||||||| base", base),
        ("=======", remote),
        (">>>>>>> remote", &[]),
    ];
    for (marker, text) in parts {
        if !matches!(out.last(), None | Some(b'\n')) {
            out.push(b'\n');
        }
        out.extend_from_slice(marker.as_bytes());
        out.push(b'\n');
        out.extend_from_slice(text);
    }
}

/// Lines with their endings.
type Lines<'a> = Vec<&'a [u8]>;

/// A stretch of base lines and what one side has instead.
struct Change<'a> {
    base: Range<usize>,
    lines: &'a [&'a [u8]],
}

pub(super) fn merge(triple: Triple<'_>) -> Result<Vec<u8>, Unclean> {
    let base = lines_of(triple.base);
    let (local, remote) = (lines_of(triple.local), lines_of(triple.remote));
    let here = changes(&base, &local);
    let there = changes(&base, &remote);
    let (mut here, mut there) = (here.iter().peekable(), there.iter().peekable());
    let mut out = Vec::with_capacity(triple.local.len().max(triple.remote.len()));
    let mut at = 0;
    loop {
        let next = match (here.peek(), there.peek()) {
            (None, None) => break,
            (Some(one), Some(other)) if one.base.end < other.base.start => here.next(),
            (Some(one), Some(other)) if other.base.end < one.base.start => there.next(),
            (Some(one), Some(other)) => {
                if one.base != other.base || one.lines != other.lines {
                    return Err(Unclean::Overlap);
                }
                there.next();
                here.next()
            },
            (Some(_), None) => here.next(),
            (None, Some(_)) => there.next(),
        };
        if let Some(change) = next {
            extend(&mut out, &base[at..change.base.start]);
            extend(&mut out, change.lines);
            at = change.base.end;
        }
    }
    extend(&mut out, &base[at..]);
    Ok(out)
}

fn lines_of(bytes: &[u8]) -> Lines<'_> {
    bytes.split_inclusive(|&byte| byte == b'\n').collect()
}

fn changes<'a>(base: &[&'a [u8]], side: &'a [&'a [u8]]) -> Vec<Change<'a>> {
    let mut input = InternedInput::default();
    input.update_before(base.iter().copied());
    input.update_after(side.iter().copied());
    let mut diff = Diff::compute(Algorithm::Myers, &input);
    diff.postprocess_no_heuristic(&input);
    let range = |range: Range<u32>| range.start as usize..range.end as usize;
    let change = |hunk: gix_imara_diff::Hunk| Change {
        base: range(hunk.before),
        lines: &side[range(hunk.after)],
    };
    diff.hunks().map(change).collect()
}

fn extend(out: &mut Vec<u8>, lines: &[&[u8]]) {
    lines.iter().for_each(|line| out.extend_from_slice(line));
}
