//! Bends frames of objects.
//!
//! Invariant: objects that the lie does not concern arrive as they are.

use fst_proto::frame::{self, Item};
use fst_proto::ids::ObjectId;
use fst_proto::limits;

use super::ObjectAttack;

/// Smaller objects are left alone, so that a test can tell what goes on.
const SMALL: usize = 64 << 10;

/// The frame after the lie.
pub(super) fn bend(attack: &ObjectAttack, honest: &[u8]) -> Vec<u8> {
    let Ok(items) = frame::parse(honest) else {
        return honest.to_vec();
    };
    let mut out: Vec<(ObjectId, Vec<u8>)> = items
        .iter()
        .map(|item| (item.id, item.envelope.to_vec()))
        .collect();
    let Some((first, second)) = largest(&items) else {
        return honest.to_vec();
    };
    match attack {
        ObjectAttack::SwapTwoObjects => {
            let other = std::mem::take(&mut out[first].1);
            out[first].1 = std::mem::replace(&mut out[second].1, other);
        },
        ObjectAttack::TruncateObject => drop(out[first].1.pop()),
        ObjectAttack::TruncateFrame => {
            let mut frame = join(&out);
            frame.pop();
            return frame;
        },
        ObjectAttack::Replace(envelope) => out[first].1.clone_from(envelope),
        ObjectAttack::UnknownObjectInjected => {
            let envelope = out[first].1.clone();
            out.insert(0, (ObjectId([66; 32]), envelope.clone()));
            out.push((out[first + 1].0, envelope));
            out.push((ObjectId([67; 32]), vec![0; 1 << 20]));
        },
        ObjectAttack::MissingObject => drop(out.remove(first)),
        ObjectAttack::OversizedFrame => {
            let len = u32::try_from(limits::OBJECT_BYTES_MAX + 1).unwrap_or(u32::MAX);
            let mut frame = join(&out);
            frame.extend_from_slice(&[66; ObjectId::LEN]);
            frame.extend_from_slice(&len.to_be_bytes());
            frame.resize(frame.len() + limits::OBJECT_BYTES_MAX + 1, 0);
            return frame;
        },
        ObjectAttack::CrowdedFrame => {
            let extra = (0..limits::IDS_PER_REQUEST_MAX).map(|_| (ObjectId([66; 32]), Vec::new()));
            out.extend(extra);
        },
    }
    join(&out)
}

/// Places of the largest and the second largest object.
fn largest(items: &[Item<'_>]) -> Option<(usize, usize)> {
    let mut places: Vec<usize> = (0..items.len()).collect();
    places.sort_by_key(|&at| std::cmp::Reverse(items[at].envelope.len()));
    let first = *places.first()?;
    let second = *places.get(1).unwrap_or(&first);
    (items[first].envelope.len() > SMALL).then_some((first, second))
}

fn join(items: &[(ObjectId, Vec<u8>)]) -> Vec<u8> {
    let mut frame = Vec::new();
    for (id, envelope) in items {
        // Envelopes come from a frame or are small, so they fit.
        frame::push(&mut frame, *id, envelope).unwrap_or_default();
    }
    frame
}
