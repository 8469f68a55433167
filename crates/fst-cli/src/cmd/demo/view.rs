//! What the server keeps: bytes of a pack as a hexdump, and whether a name or a text occurs anywhere.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Bytes per line of the dump.
const DUMP_LINE: usize = 16;

/// A search through everything below a directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Searched {
    /// Files read.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Places where one of the texts was found.
    pub found: u64,
}

/// Looks for `texts` in the names and contents of all files below `dir`.
pub(super) fn search(dir: &Path, texts: &[&[u8]]) -> std::io::Result<Searched> {
    let mut searched = Searched::default();
    for file in files_below(dir)? {
        let bytes = std::fs::read(&file)?;
        let name = file.as_os_str().as_encoded_bytes();
        searched.files += 1;
        searched.bytes += bytes.len() as u64;
        for text in texts {
            searched.found += u64::from(occurs(&bytes, text) || occurs(name, text));
        }
    }
    Ok(searched)
}

fn occurs(bytes: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(bytes, text).is_some()
}

/// The largest file below `dir`, apart from databases: the packs with sealed contents.
pub(super) fn largest_pack(dir: &Path) -> std::io::Result<Option<PathBuf>> {
    let is_pack = |path: &PathBuf| {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        !name.contains(".db") && !name.contains("sqlite")
    };
    let packs = files_below(dir)?.into_iter().filter(is_pack);
    Ok(packs.max_by_key(|path| std::fs::metadata(path).map_or(0, |meta| meta.len())))
}

fn files_below(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    Ok(files)
}

/// Bytes as `hexdump -C` shows them.
pub(super) fn hexdump(bytes: &[u8]) -> String {
    let mut out = String::new();
    for (line, chunk) in bytes.chunks(DUMP_LINE).enumerate() {
        let hex: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        let is_shown = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
        let text: String = chunk
            .iter()
            .map(|byte| {
                if is_shown(byte) {
                    char::from(*byte)
                } else {
                    '.'
                }
            })
            .collect();
        let width = DUMP_LINE * 3 - 1;
        // Writing to a String cannot fail.
        writeln!(
            out,
            "    {:06x}  {:width$}  |{text}|",
            line * DUMP_LINE,
            hex.join(" ")
        )
        .unwrap_or_default();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_reads_like_hexdump() {
        assert_eq!(
            hexdump(b"FST\x00secret text 16"),
            "    000000  46 53 54 00 73 65 63 72 65 74 20 74 65 78 74 20  |FST.secret text |\n\
             \x20   000010  31 36                                            |16|\n"
        );
    }

    #[test]
    fn a_text_is_found_in_names_and_contents() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::write(dir.path().join("sub/plan.md"), b"the quick fox").unwrap();
        let searched = search(dir.path(), &[b"plan.md", b"quick"]).unwrap();
        assert_eq!(
            searched,
            Searched {
                files: 1,
                bytes: 13,
                found: 2
            }
        );
        assert_eq!(search(dir.path(), &[b"slow"]).unwrap().found, 0);
        let pack = largest_pack(dir.path()).unwrap().unwrap();
        assert!(pack.ends_with("plan.md"));
    }
}
