//! Open files of the vault in memory.
//!
//! Handed out by [`super::FakeVault`].
//! Invariant: a reader sees each change of the file as it happens, as a real one does; an unfinished staged
//! file goes when dropped, unless the process has crashed.

use std::io::{self, Read, Write};
use std::sync::Arc;

use super::FakeVault;
use super::tree::{Data, Ino, Node, STAGE, Spot};
use crate::error::{Result, VaultError};
use crate::name::StageName;
use crate::vault::{FileAttrs, Permissions, ReadFile, StagedFile, Stat};

/// Permissions of new files.
const NEW_FILE: u32 = 0o644;
const NEW_EXEC: u32 = 0o755;

#[derive(Debug)]
pub(super) struct FakeRead {
    vault: FakeVault,
    ino: Ino,
    at: u64,
}

impl FakeRead {
    /// Takes over one count of `n_open`.
    pub(super) fn new(vault: FakeVault, ino: Ino) -> Self {
        Self { vault, ino, at: 0 }
    }

    fn data(&self, op: &'static str) -> Result<Data> {
        self.vault
            .look(op, |tree| match &tree.inode(self.ino).node {
                Node::File(data) => Ok(data.clone()),
                Node::Dir(_) | Node::Symlink(_) | Node::Special => Err(VaultError::Special { op }),
            })
    }
}

impl Read for FakeRead {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.read_at(self.at, buf)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl ReadFile for FakeRead {
    fn stat(&self) -> Result<Stat> {
        self.vault
            .look("look at open file", |tree| Ok(tree.stat(self.ino)))
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let data = self.data("read file")?;
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(data.bytes.len());
        let rest = &data.bytes[start..];
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn next_data(&self, offset: u64) -> Result<Option<(u64, u64)>> {
        let data = self.data("look for data")?;
        let len = data.bytes.len() as u64;
        let mut start = offset;
        for (from, to) in &data.holes {
            if start < *from {
                return Ok(Some((start, (*from).min(len))));
            }
            start = start.max(*to);
        }
        Ok((start < len).then_some((start, len)))
    }
}

impl Drop for FakeRead {
    fn drop(&mut self) {
        self.vault.close(self.ino);
    }
}

#[derive(Debug)]
pub(super) struct FakeStaged {
    vault: FakeVault,
    tag: StageName,
    ino: Ino,
    is_finished: bool,
}

impl FakeStaged {
    /// Takes over one count of `n_open`.
    pub(super) fn new(vault: FakeVault, tag: StageName, ino: Ino) -> Self {
        Self {
            vault,
            tag,
            ino,
            is_finished: false,
        }
    }

    fn change(&self, op: &'static str, change: impl FnOnce(&mut Data)) -> Result<()> {
        self.vault.mutate(op, |tree| {
            tree.write(self.ino, change);
            tree.inode_mut(self.ino).is_unsynced = true;
            Ok(())
        })
    }
}

impl Write for FakeStaged {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.change("write staged file", |data| {
            Arc::make_mut(&mut data.bytes).extend_from_slice(buf);
        })?;
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl StagedFile for FakeStaged {
    fn skip(&mut self, len: u64) -> Result<()> {
        const OP: &str = "leave a hole";
        let too_long = |_| VaultError::io(OP, io::ErrorKind::FileTooLarge);
        let n = usize::try_from(len).map_err(too_long)?;
        self.change(OP, |data| {
            let start = data.bytes.len() as u64;
            data.holes.extend((len > 0).then_some((start, start + len)));
            Arc::make_mut(&mut data.bytes).extend(std::iter::repeat_n(0, n));
        })
    }

    fn finish(mut self: Box<Self>, attrs: FileAttrs) -> Result<Stat> {
        let stat = self.vault.mutate("finish staged file", |tree| {
            tree.set(self.ino, permissions(attrs), Some(attrs.mtime_ns));
            Ok(tree.stat(self.ino))
        })?;
        self.is_finished = true;
        Ok(stat)
    }
}

impl Drop for FakeStaged {
    fn drop(&mut self) {
        if !self.is_finished {
            let spot = Spot {
                dir: STAGE,
                name: self.tag.as_str().as_bytes().to_vec(),
            };
            self.vault.remove_unfinished(&spot, self.ino);
        }
        self.vault.close(self.ino);
    }
}

fn permissions(attrs: FileAttrs) -> Permissions {
    match attrs.like {
        Some(like) if like.is_exec() == attrs.exec => like,
        Some(like) => like.with_exec(attrs.exec),
        None => Permissions::from_mode(if attrs.exec { NEW_EXEC } else { NEW_FILE }),
    }
}
