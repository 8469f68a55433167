//! Names that are not [`fst_proto::path::Name`]: tags in the stage, and bytes that cannot be a name.
//!
//! Invariant: a [`StageName`] is a plain file name on every file system, also after case folding.

/// Longest tag; leaves room for suffixes below the 255 bytes of a file name.
pub const STAGE_NAME_LEN_MAX: usize = 128;

/// Ends the tags that a vault makes itself while it moves something in several steps.
pub const ASIDE_SUFFIX: &str = "~aside";

/// Name of one object in the stage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageName(Box<str>);

/// Text that cannot be the name of a staged object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a stage name is 1 to 128 of a-z, 0-9, `-`, `_`, `~`")]
pub struct BadStageName;

impl StageName {
    /// Takes 1 to 128 characters of `a-z 0-9 - _ ~`.
    ///
    /// # Errors
    /// [`BadStageName`] for anything else.
    pub fn new(text: &str) -> Result<Self, BadStageName> {
        let is_good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_~".contains(&b);
        let is_sized = (1..=STAGE_NAME_LEN_MAX).contains(&text.len());
        if is_sized && text.bytes().all(is_good) {
            Ok(Self(text.into()))
        } else {
            Err(BadStageName)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Name under which what this tag displaced rests for a moment; still a stage name.
    pub(crate) fn aside(&self) -> Self {
        Self(format!("{}{ASIDE_SUFFIX}", self.0).into())
    }
}

impl std::fmt::Display for StageName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Bytes that a directory holds as a name and that [`fst_proto::path::Name`] refuses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawName(pub Box<[u8]>);
