//! Makes texts that others may read: what is not known to be harmless becomes a pseudonym.
//!
//! Used by `fst doctor --bundle`. Invariant: only words of our own messages, small numbers, codes, versions and times pass;
//! so a name that nobody thought of is hidden, and a message that is not in `redact_words.txt` is merely harder to read.
//! Equal names have equal pseudonyms in one archive and different ones in another. Not here: what goes into an archive.
//! Source: ADR 0045.

use std::collections::HashSet;

use serde_json::Value;

/// Words of log lines, errors and findings, one a line.
const WORDS: &str = include_str!("redact_words.txt");

/// Digits of a number that passes: counts and process ids do, telephone numbers and dates of birth do not.
const DIGITS_MAX: usize = 6;

/// Letters of a pseudonym: enough that a handful of thousand names hardly ever meet.
const PSEUDONYM_HEX: usize = 10;

/// Characters between words.
const BETWEEN: &str = " \t\n\"'`()[]{}<>=,;|";

/// Hides names.
pub(crate) struct Redactor {
    key: [u8; 32],
    words: HashSet<String>,
    /// Names and what they are, the longest first, so that a path is not hidden by halves.
    names: Vec<(String, &'static str)>,
}

impl Redactor {
    /// One whose pseudonyms nobody can guess without the key; `words` pass beside those of our messages.
    pub(crate) fn new<'w>(key: [u8; 32], words: impl IntoIterator<Item = &'w str>) -> Self {
        let own = WORDS.lines();
        let more = words.into_iter().flat_map(str::split_whitespace);
        let more = more.map(|word| word.trim_end_matches(['.', ':', ',', ';']));
        let is_word = |word: &&str| word.chars().all(|c| c.is_ascii_alphabetic() || c == '-');
        Self {
            key,
            words: own.chain(more.filter(is_word)).map(str::to_owned).collect(),
            names: Vec::new(),
        }
    }

    /// Tells what a name is that may appear in texts, with spaces in it and all.
    pub(crate) fn know(&mut self, kind: &'static str, name: &str) {
        if !name.is_empty() {
            self.names.push((name.to_owned(), kind));
            self.names
                .sort_by(|a, b| b.0.len().cmp(&a.0.len()).then(a.cmp(b)));
        }
    }

    /// What stands for a name.
    pub(crate) fn name(&self, kind: &str, name: &str) -> String {
        let known = self.names.iter().find(|(known, _)| known == name);
        let kind = known.map_or(kind, |(_, kind)| kind);
        let hash = blake3::keyed_hash(&self.key, name.as_bytes()).to_hex();
        format!("{kind}-{}", &hash[..PSEUDONYM_HEX])
    }

    /// A text for others.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let (mut begun, mut at) = (0, 0);
        while at < text.len() {
            match self.known_at(text, at) {
                Some((name, kind)) => {
                    self.unknown(&text[begun..at], &mut out);
                    out.push_str(&self.name(kind, name));
                    at += name.len();
                    begun = at;
                },
                None => at += text[at..].chars().next().map_or(1, char::len_utf8),
            }
        }
        self.unknown(&text[begun..], &mut out);
        out
    }

    /// A document for others: its fields are ours, its texts may not be.
    pub(crate) fn json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.json(item)).collect(),
            Value::Object(fields) => {
                let fields = fields.iter();
                Value::Object(
                    fields
                        .map(|(name, it)| (name.clone(), self.json(it)))
                        .collect(),
                )
            },
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// The longest known name that begins here and is no part of a longer word.
    fn known_at(&self, text: &str, at: usize) -> Option<(&str, &'static str)> {
        let before = text[..at].chars().next_back();
        if before.is_some_and(char::is_alphanumeric) {
            return None;
        }
        let rest = &text[at..];
        let fits = |name: &str| {
            let behind = rest.strip_prefix(name).map(|rest| rest.chars().next());
            behind.is_some_and(|next| !next.is_some_and(char::is_alphanumeric))
        };
        let found = self.names.iter().find(|(name, _)| fits(name));
        found.map(|(name, kind)| (name.as_str(), *kind))
    }

    /// Text without known names: word by word.
    fn unknown(&self, text: &str, out: &mut String) {
        for part in text.split_inclusive(|c| BETWEEN.contains(c)) {
            let word = part.trim_end_matches(|c| BETWEEN.contains(c));
            let core = word.trim_end_matches(['.', ':', '!', '?']);
            if core.is_empty() || self.is_harmless(core) {
                out.push_str(part);
            } else {
                out.push_str(&self.name("name", core));
                out.push_str(&part[core.len()..]);
            }
        }
    }

    fn is_harmless(&self, word: &str) -> bool {
        let is_number = |text: &str| {
            !text.is_empty()
                && text.len() <= DIGITS_MAX
                && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        let is_code = || {
            word.strip_prefix("FST-")
                .is_some_and(|n| n.len() == 4 && is_number(n))
        };
        // Four numbers are an address.
        let is_version =
            || word.split('.').count() == 3 && word.split('.').all(|n| n.len() < 4 && is_number(n));
        self.words.contains(word)
            || is_number(word)
            || is_code()
            || is_version()
            || is_module(word)
            || is_time(word)
            || word.chars().all(|c| !c.is_alphanumeric() && c.is_ascii())
    }
}

/// A module of this program, as log lines name their origin.
fn is_module(word: &str) -> bool {
    let krate = word.split("::").next().unwrap_or_default();
    let is_ours = [
        "fst_cli",
        "fst_daemon",
        "fst_client",
        "fst_server",
        "fst_fs",
    ]
    .contains(&krate);
    let is_plain = |c: char| c.is_ascii_lowercase() || c == '_' || c == ':';
    is_ours && word.len() <= 60 && word.chars().all(is_plain)
}

/// The time at the start of a log line: `2024-03-04T09:14:02.123456Z`.
fn is_time(word: &str) -> bool {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let fits = |(byte, shape): (u8, u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    };
    let (bytes, n) = (word.as_bytes(), SHAPE.len());
    let Some(fraction) = bytes.get(n..).and_then(|rest| rest.strip_suffix(b"Z")) else {
        return false;
    };
    let is_fraction = |byte: &u8| *byte == b'.' || byte.is_ascii_digit();
    bytes.iter().copied().zip(SHAPE.iter().copied()).all(fits)
        && fraction.len() <= 10
        && fraction.iter().all(is_fraction)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    fn redactor(key: u8) -> Redactor {
        let mut redactor = Redactor::new([key; 32], []);
        redactor.know("folder", "/h/anna/My Letters");
        redactor.know("home", "/h/anna");
        redactor.know("device", "anna");
        redactor
    }

    /// The text with each pseudonym as `kind-…`.
    fn shown(text: &str) -> String {
        let out = redactor(1).text(text);
        let short = |part: &str| {
            let bare = part.trim_end_matches(|c| BETWEEN.contains(c) || c == '.' || c == ':');
            match bare.rsplit_once('-') {
                Some((kind, hex)) if hex.len() == PSEUDONYM_HEX => {
                    format!("{kind}-…{}", &part[bare.len()..])
                },
                _ => part.to_owned(),
            }
        };
        out.split_inclusive(|c| BETWEEN.contains(c))
            .map(short)
            .collect()
    }

    #[test]
    fn our_own_messages_stay_readable() {
        for line in [
            "2024-03-04T09:14:02.123456Z  INFO fst_daemon::supervisor: started pid=4711 version=\"3.2.0\"",
            "2024-03-04T09:14:02.123456Z  WARN fst_daemon::worker: cycle failed code=\"FST-4001\" retry=true",
            "No such file or directory (os error 2)",
        ] {
            assert_eq!(redactor(1).text(line), line);
        }
    }

    #[test]
    fn whatever_else_there_is_becomes_a_pseudonym() {
        for (text, wanted) in [
            (
                "open `/h/anna/My Letters`: failed",
                "open `folder-…`: failed",
            ),
            ("talk to 192.168.0.17: reset", "talk to name-…: reset"),
            (
                "talk to https://files.example: reset",
                "talk to name-…: reset",
            ),
            ("19840312 c0ffee Änne", "name-… name-… name-…"),
            ("fst-join:v1:abcdefgh", "name-…"),
            ("anna, annabel", "device-…, name-…"),
        ] {
            assert_eq!(shown(text), wanted, "{text}");
        }
    }

    #[test]
    fn pseudonyms_are_stable_in_one_archive_only() {
        let (one, other) = (redactor(1), redactor(2));
        assert_eq!(one.text("secret.txt"), one.text("secret.txt"));
        assert_ne!(one.text("secret.txt"), one.text("other.txt"));
        assert_ne!(one.text("secret.txt"), other.text("secret.txt"));
        assert_eq!(one.name("path", "anna"), one.text("anna"));
    }

    #[test]
    fn documents_keep_their_shape() {
        let found = redactor(1).json(&json!({ "path": "secret.txt", "n": [7, true, null] }));
        assert_eq!(found["n"], json!([7, true, null]));
        assert!(
            found["path"]
                .as_str()
                .is_some_and(|text| text.starts_with("name-"))
        );
    }

    fn sources(dir: &Path, all: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, all);
            } else {
                all.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }

    /// Texts in quotes of what a crate logs.
    fn logged(krate: &str) -> Vec<String> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut all = Vec::new();
        sources(&dir.join(krate).join("src"), &mut all);
        let calls = all.iter().flat_map(|text| text.split("tracing::").skip(1));
        let calls = calls.filter(|call| {
            let level = call.split('!').next().unwrap_or_default();
            ["info", "warn", "error"].contains(&level)
        });
        // Fields come before the message and hold no texts in quotes.
        let calls = calls.filter_map(|call| call.split('"').nth(1));
        calls.map(str::to_owned).collect()
    }

    #[test]
    fn every_message_of_the_log_is_in_the_list_of_words() {
        let messages: Vec<String> = ["fst-daemon", "fst-client"].map(logged).concat();
        assert!(messages.len() > 10, "{messages:?}");
        for message in messages {
            let told = redactor(1).text(&message);
            assert_eq!(told, message, "add its words to redact_words.txt");
        }
    }
}
