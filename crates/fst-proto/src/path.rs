//! Names and relative paths inside a space: byte-exact, validated once at the border.
//!
//! A [`Name`] is what lies between two slashes; a [`RelPath`] is zero or more of them. Invariant: no
//! empty name, no `.` or `..`, no `/`, no NUL, at most 255 bytes, never `.fst` at the top of a folder.
//! Order is by component, parents before children. Not here: what a file system can hold.

use crate::text;

/// Name of our own directory inside each synced folder; never synced.
pub const PRIVATE_DIR: &str = ".fst";

/// Longest name in bytes that common file systems hold.
pub const NAME_LEN_MAX: usize = 255;

/// A name or path that cannot be synced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// An empty component.
    #[error("empty name")]
    Empty,
    /// `.` or `..`.
    #[error("name is a dot directory")]
    Dots,
    /// A slash or NUL inside a name.
    #[error("name holds a slash or a NUL byte")]
    Separator,
    /// Over 255 bytes.
    #[error("name of {len} bytes is longer than 255")]
    TooLong {
        /// Length found.
        len: usize,
    },
    /// `.fst` at the top of the folder.
    #[error("name is reserved for the synchroniser")]
    Reserved,
}

/// One component of a path, kept byte for byte.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<[u8]>);

impl Name {
    /// Takes `bytes` as a name.
    ///
    /// # Errors
    /// [`BadPath`] says which rule it breaks.
    pub fn new(bytes: &[u8]) -> Result<Self, BadPath> {
        match bytes {
            [] => Err(BadPath::Empty),
            b"." | b".." => Err(BadPath::Dots),
            _ if bytes.contains(&b'/') || bytes.contains(&0) => Err(BadPath::Separator),
            _ if bytes.len() > NAME_LEN_MAX => Err(BadPath::TooLong { len: bytes.len() }),
            _ => Ok(Self(bytes.into())),
        }
    }

    /// The bytes as the user wrote them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&text::printable(&self.0))
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", text::printable(&self.0))
    }
}

impl<C> minicbor::Encode<C> for Name {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Name {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::new(d.bytes()?).map_err(minicbor::decode::Error::custom)
    }
}

/// A path inside a folder; the root is the empty path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RelPath(Vec<Name>);

impl RelPath {
    /// The folder itself.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Parses UTF-8 text with `/` between names.
    ///
    /// # Errors
    /// [`BadPath`] of the first bad component.
    pub fn parse(text: &str) -> Result<Self, BadPath> {
        Self::from_bytes(text.as_bytes())
    }

    /// Splits raw bytes at `/`; empty bytes are the root.
    ///
    /// # Errors
    /// [`BadPath`] of the first bad component.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadPath> {
        if bytes.is_empty() {
            return Ok(Self::root());
        }
        let mut path = Self::root();
        for part in bytes.split(|&b| b == b'/') {
            path = path.child(Name::new(part)?)?;
        }
        Ok(path)
    }

    /// Path of `name` inside this directory.
    ///
    /// # Errors
    /// [`BadPath::Reserved`] for `.fst` at the top.
    pub fn child(&self, name: Name) -> Result<Self, BadPath> {
        if self.0.is_empty() && name.as_bytes() == PRIVATE_DIR.as_bytes() {
            return Err(BadPath::Reserved);
        }
        let mut names = self.0.clone();
        names.push(name);
        Ok(Self(names))
    }

    /// The directory that holds this path; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.to_vec()))
    }

    /// Last component; `None` for the root.
    #[must_use]
    pub fn name(&self) -> Option<&Name> {
        self.0.last()
    }

    /// The components in order.
    #[must_use]
    pub fn names(&self) -> &[Name] {
        &self.0
    }

    /// True for the folder itself.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// True when this path is `other` or lies below it.
    #[must_use]
    pub fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// Bytes with `/` between names.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let parts: Vec<&[u8]> = self.0.iter().map(Name::as_bytes).collect();
        parts.join(&b'/')
    }
}

impl std::fmt::Display for RelPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&text::printable(&self.to_bytes()))
    }
}

impl std::fmt::Debug for RelPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", text::printable(&self.to_bytes()))
    }
}
