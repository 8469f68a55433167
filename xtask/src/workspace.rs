//! The workspace as data: its text files and its crates.
//!
//! Read once, then every check of [`crate::tidy`] is a pure function of it. Invariant: files are sorted by path,
//! paths are relative with `/`. Not here: the working copy's state in version control.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::process;

/// Names that hold nothing of ours; `.git` is a file in a linked working copy.
const FOREIGN: &[&str] = &[".git", "target", "node_modules"];

/// A text file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A crate of the workspace and the crates of the workspace it names in its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest: String,
    pub(crate) deps: Vec<Dep>,
}

/// A dependency inside the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dep {
    pub(crate) name: String,
    pub(crate) is_dev: bool,
}

/// Everything that the checks look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Workspace {
    pub(crate) files: Vec<TextFile>,
    pub(crate) packages: Vec<Package>,
}

impl Workspace {
    /// Reads the workspace at `root`.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Self> {
        let mut files = Vec::new();
        collect(root, root, &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let metadata = metadata(root)?;
        Ok(Self {
            files,
            packages: packages(&metadata, root)?,
        })
    }

    /// The file at `path`.
    pub(crate) fn file(&self, path: &str) -> Option<&TextFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// True when there is a file or directory at `path`.
    pub(crate) fn has(&self, path: &str) -> bool {
        let dir = format!("{}/", path.trim_end_matches('/'));
        self.files
            .iter()
            .any(|file| file.path == path || file.path.starts_with(&dir))
    }

    /// All Rust files.
    pub(crate) fn rust_files(&self) -> impl Iterator<Item = &TextFile> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// All Markdown files.
    pub(crate) fn markdown_files(&self) -> impl Iterator<Item = &TextFile> {
        self.files.iter().filter(|file| file.path.ends_with(".md"))
    }
}

/// Top directory of the workspace, found from where cargo says this crate is.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    let Some(dir) = std::env::var_os("CARGO_MANIFEST_DIR") else {
        bail!("run it through cargo: cargo xtask");
    };
    let dir = PathBuf::from(dir);
    dir.parent()
        .map(Path::to_owned)
        .context("xtask is not inside a workspace")
}

/// What cargo says about the workspace.
pub(crate) fn metadata(root: &Path) -> anyhow::Result<Value> {
    let output = process::cargo(root)
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .output()
        .context("start cargo metadata")?;
    if !output.status.success() {
        bail!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    serde_json::from_slice(&output.stdout).context("read cargo metadata")
}

fn packages(metadata: &Value, root: &Path) -> anyhow::Result<Vec<Package>> {
    let list = metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    let name_of = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    let names: Vec<String> = list.iter().map(name_of).collect();
    let mut packages = Vec::new();
    for package in list {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let deps = package["dependencies"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        packages.push(Package {
            name: name_of(package),
            manifest: relative(manifest, root),
            deps: deps
                .iter()
                .filter(|dep| names.contains(&name_of(dep)))
                .map(|dep| Dep {
                    name: name_of(dep),
                    is_dev: dep["kind"] == "dev",
                })
                .collect(),
        });
    }
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

fn collect(root: &Path, dir: &Path, files: &mut Vec<TextFile>) -> anyhow::Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name();
        if FOREIGN.iter().any(|foreign| name == *foreign) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(root, &path, files)?;
        } else if kind.is_file() {
            // What is not text has no lines to check.
            let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(TextFile {
                    path: relative(&path, root),
                    text,
                });
            }
        }
    }
    Ok(())
}

fn relative(path: &Path, root: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.to_string_lossy().replace('\\', "/")
}
