//! JSON Schemas of what `--json` prints: one for each document, published as `docs/schema/cli/NAME.json`.
//!
//! [`documents`] is the table, one entry for each document with the commands that print it; [`shapes`] has the words
//! that it is written in and the parts that several documents share. Printed by `fst schema`. Invariant: every command
//! that can be typed is named by an entry, and a field that the table does not know fails the tests of the command line.
//! Not here: the schema of the configuration ([`fst_client::config::schema`]). Source: docs/design/commands.md §§1, 15.

use serde_json::{Value, json};

pub(crate) mod documents;
mod shapes;

/// Where the schemas are published.
const HOME: &str = "https://docs.filesynctool.io/schema/cli/";

/// A document that `--json` prints.
pub(crate) struct Document {
    /// Its name with its version, such as `fst.status/1`.
    pub name: &'static str,
    /// Commands that print it, such as `config get`; empty for the one of every failure.
    pub commands: &'static [&'static str],
    /// What it tells.
    pub about: &'static str,
    /// Schema of `data`.
    data: fn() -> Value,
}

impl Document {
    /// The name without `fst.` and version, which is also that of its file.
    pub(crate) fn short(&self) -> &'static str {
        let name = self
            .name
            .split_once('/')
            .map_or(self.name, |(name, _)| name);
        name.trim_start_matches("fst.")
    }

    /// The whole schema: what every answer has, and the data of this one.
    pub(crate) fn schema(&self) -> Value {
        let whole = if self.is_failure() {
            (self.data)()
        } else {
            shapes::answer(self.name, (self.data)())
        };
        let mut schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": format!("{HOME}{}.json", self.short()),
            "title": self.name,
            "description": self.about,
        });
        if let (Some(schema), Value::Object(whole)) = (schema.as_object_mut(), whole) {
            schema.extend(whole);
        }
        schema
    }

    fn is_failure(&self) -> bool {
        self.commands.is_empty()
    }
}

/// The document of this name, with `fst.` and version or without.
pub(crate) fn named(name: &str) -> Option<&'static Document> {
    documents::all().find(|document| document.name == name || document.short() == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;
    use crate::args::Line;

    /// Every command that does something, as it is typed behind `fst`.
    fn typed(command: &clap::Command, before: &str, all: &mut BTreeSet<String>) {
        let inner: Vec<_> = command.get_subcommands().collect();
        if inner.is_empty() || !command.is_subcommand_required_set() {
            all.insert(before.to_owned());
        }
        for inner in inner {
            typed(inner, format!("{before} {}", inner.get_name()).trim(), all);
        }
    }

    #[test]
    fn every_command_has_a_schema_and_every_schema_a_command() {
        let mut line = Line::command();
        line.build();
        let mut wanted = BTreeSet::new();
        typed(&line, "", &mut wanted);
        assert!(wanted.len() > 50, "{wanted:?}");
        let told = documents::all().flat_map(|document| document.commands);
        let told: BTreeSet<String> = told.map(|&command| command.to_owned()).collect();
        let lacking: Vec<_> = wanted.difference(&told).collect();
        assert!(
            lacking.is_empty(),
            "add to crates/fst-cli/src/schema/documents.rs what these print: {lacking:?}"
        );
        let unknown: Vec<_> = told.difference(&wanted).collect();
        assert!(unknown.is_empty(), "no such commands: {unknown:?}");
    }

    #[test]
    fn names_are_unique_and_have_a_version() {
        let names: Vec<_> = documents::all().map(|document| document.name).collect();
        let unique: BTreeSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
        for document in documents::all() {
            assert!(document.name.starts_with("fst."), "{}", document.name);
            assert!(document.name.contains('/'), "{}", document.name);
            assert_eq!(
                named(document.short()).map(|found| found.name),
                Some(document.name)
            );
        }
    }
}
