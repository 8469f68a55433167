//! Frames of sealed objects: what an upload carries and a pack stores. FROZEN v1.
//!
//! `frame = (object_id 32 ‖ length u32be ‖ envelope)*`. The server stores a frame as it came (a frame is a
//! pack) and remembers where each envelope lies. Invariant: a parsed frame tiles its bytes exactly.

use crate::ids::ObjectId;
use crate::limits;

/// Bytes before each envelope.
pub const ITEM_HEAD_LEN: usize = ObjectId::LEN + 4;

/// One object inside a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    /// Its id.
    pub id: ObjectId,
    /// Offset of the envelope in the frame.
    pub offset: usize,
    /// The sealed bytes.
    pub envelope: &'a [u8],
}

/// A frame that is not well formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// Ends inside an item.
    #[error("object frame is cut short")]
    Truncated,
    /// An envelope is larger than any object may be, or there are too many.
    #[error("object frame is larger than allowed")]
    TooLarge,
}

/// Appends one object to `frame`.
///
/// # Errors
/// [`BadFrame::TooLarge`] when the envelope exceeds [`limits::OBJECT_BYTES_MAX`].
pub fn push(frame: &mut Vec<u8>, id: ObjectId, envelope: &[u8]) -> Result<(), BadFrame> {
    let len = u32::try_from(envelope.len()).map_err(|_| BadFrame::TooLarge)?;
    if envelope.len() > limits::OBJECT_BYTES_MAX {
        return Err(BadFrame::TooLarge);
    }
    frame.extend_from_slice(id.as_bytes());
    frame.extend_from_slice(&len.to_be_bytes());
    frame.extend_from_slice(envelope);
    Ok(())
}

/// Reads all items of a frame.
///
/// # Errors
/// [`BadFrame`] when the bytes do not tile into items.
pub fn parse(frame: &[u8]) -> Result<Vec<Item<'_>>, BadFrame> {
    let mut items = Vec::new();
    let mut offset = 0;
    while offset < frame.len() {
        let head_end = offset + ITEM_HEAD_LEN;
        let head = frame.get(offset..head_end).ok_or(BadFrame::Truncated)?;
        let (id, len) = head.split_at(ObjectId::LEN);
        let id = ObjectId::from_slice(id).map_err(|_| BadFrame::Truncated)?;
        let len = u32::from_be_bytes(len.try_into().map_err(|_| BadFrame::Truncated)?) as usize;
        if len > limits::OBJECT_BYTES_MAX || items.len() == limits::IDS_PER_REQUEST_MAX {
            return Err(BadFrame::TooLarge);
        }
        let envelope = frame
            .get(head_end..head_end + len)
            .ok_or(BadFrame::Truncated)?;
        items.push(Item {
            id,
            offset: head_end,
            envelope,
        });
        offset = head_end + len;
    }
    Ok(items)
}
