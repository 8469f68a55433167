//! What the programs are given to do.
//!
//! Invariant: every program gets the same bytes. Source: the table of targets in docs/benchmarks/README.md.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::bench::edits::{PAGE, Random, insert, overwrite};

/// Small files, their size, and how many lie in a directory.
const FILES: u64 = 10_000;
const FILE: usize = 4096;
const FILES_PER_DIR: u64 = 100;

/// Files edited at each side when both sides edit.
const EDITS: u64 = 1000;

/// Small files whose arrival is timed.
pub(crate) const ARRIVALS: u64 = 50;

/// Words of the text, and how many different ones: about what prose has.
const WORDS: usize = 4000;

/// Work that begins with an empty tree and goes on with what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// One large file without pattern.
    Large,
    /// One large text.
    Text,
    /// Many small files.
    Small,
    /// One small file after the other.
    Arrival,
}

impl Group {
    pub(crate) const ALL: [Self; 4] = [Self::Large, Self::Text, Self::Small, Self::Arrival];

    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        Ok(match text {
            "large" => Self::Large,
            "text" => Self::Text,
            "small" => Self::Small,
            "arrival" => Self::Arrival,
            other => bail!("unknown group `{other}`"),
        })
    }

    /// Its work, in order; none for [`Group::Arrival`], which is timed file by file.
    pub(crate) fn works(self, size: u64) -> Vec<Work> {
        match self {
            Self::Large => large(size),
            Self::Text => vec![Work::new(&format!("{size} bytes of text"), move |sides| {
                sides.at_once(BIG, |file| write_text(file, size))
            })],
            Self::Small => small(),
            Self::Arrival => Vec::new(),
        }
    }
}

/// Where an edit is made.
pub(crate) struct Sides {
    pub(crate) a: PathBuf,
    pub(crate) b: PathBuf,
    /// Beside both: what is large is made here and appears in a tree at once, so that nobody has a start.
    pub(crate) aside: PathBuf,
}

impl Sides {
    /// Makes `name` aside and puts it into the tree of A.
    fn at_once(
        &self,
        name: &str,
        make: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let made = self.aside.join(name);
        make(&made)?;
        Ok(fs::rename(made, self.a.join(name))?)
    }
}

type Edit = Box<dyn Fn(&Sides) -> anyhow::Result<()>>;

/// One piece of work.
pub(crate) struct Work {
    pub(crate) name: String,
    /// Changes the tree at A; or both.
    pub(crate) edit: Edit,
    pub(crate) is_on_both_sides: bool,
}

impl Work {
    fn new(name: &str, edit: impl Fn(&Sides) -> anyhow::Result<()> + 'static) -> Self {
        Self {
            name: name.to_owned(),
            edit: Box::new(edit),
            is_on_both_sides: false,
        }
    }
}

const BIG: &str = "big.bin";

fn large(size: u64) -> Vec<Work> {
    vec![
        Work::new(&format!("{size} bytes without pattern"), move |sides| {
            sides.at_once(BIG, |file| Random(1).append(file, size))
        }),
        Work::new("1 byte of it changed", move |sides| {
            overwrite(&sides.a.join(BIG), size / 2, &[0x5a])
        }),
        Work::new("1 KiB inserted at its front", |sides| {
            sides.at_once(BIG, |file| {
                fs::copy(sides.a.join(BIG), file)?;
                insert(file, &Random(2).bytes(1024))
            })
        }),
        Work::new("1 MiB appended", |sides| {
            Random(3).append(&sides.a.join(BIG), 1 << 20)
        }),
        Work::new("1 000 random pages of 4 KiB overwritten", |sides| {
            Random(4).pages(&sides.a.join(BIG), 1000)
        }),
        Work::new("the file renamed", |sides| {
            Ok(fs::rename(sides.a.join(BIG), sides.a.join("large.bin"))?)
        }),
    ]
}

fn small() -> Vec<Work> {
    let mut works = vec![
        Work::new("10 000 files of 4 KiB", |sides| {
            sides.at_once("files", |files| {
                let mut random = Random(5);
                (0..FILES).try_for_each(|n| write_small(files, n, &random.bytes(FILE)))
            })
        }),
        Work::new("nothing changed", |_| Ok(())),
        Work::new("their directory renamed", |sides| {
            Ok(fs::rename(sides.a.join("files"), sides.a.join("renamed"))?)
        }),
        Work::new("and back", |sides| {
            Ok(fs::rename(sides.a.join("renamed"), sides.a.join("files"))?)
        }),
        Work::new("1 000 edits at each side", |sides| {
            let mut random = Random(6);
            (0..EDITS).try_for_each(|n| {
                write_small(&sides.a.join("files"), n * 2, &random.bytes(FILE))?;
                write_small(&sides.b.join("files"), n * 2 + 1, &random.bytes(FILE))
            })
        }),
    ];
    if let Some(last) = works.last_mut() {
        last.is_on_both_sides = true;
    }
    works
}

fn write_small(files: &Path, n: u64, bytes: &[u8]) -> anyhow::Result<()> {
    let dir = files.join(format!("d{:03}", n / FILES_PER_DIR));
    if n.is_multiple_of(FILES_PER_DIR) {
        fs::create_dir_all(&dir)?;
    }
    Ok(fs::write(dir.join(format!("f{n:05}")), bytes)?)
}

/// Name and bytes of the `n`th small file.
pub(crate) fn arrival(n: u64) -> (String, Vec<u8>) {
    (format!("note-{n}.txt"), Random(100 + n).bytes(1024))
}

/// Words with the frequencies of a language: the k-th most frequent is about k times rarer than the first.
fn write_text(path: &Path, size: u64) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut random = Random(7);
    let words: Vec<Vec<u8>> = (0..WORDS)
        .map(|_| {
            let len = 2 + usize::try_from(random.next() % 9).unwrap_or(0);
            random
                .bytes(len)
                .iter()
                .map(|byte| b'a' + byte % 26)
                .collect()
        })
        .collect();
    let mut file = std::io::BufWriter::new(fs::File::create(path)?);
    let mut left = size;
    while left > 0 {
        // A product of two even draws falls off like the frequencies of words.
        let (x, y) = (random.next() % PAGE, random.next() % PAGE);
        let word = &words[usize::try_from(x * y / PAGE)? % WORDS];
        let take = word.len().min(usize::try_from(left - 1)?);
        file.write_all(&word[..take])?;
        file.write_all(b" ")?;
        left -= take as u64 + 1;
    }
    Ok(file.flush()?)
}
