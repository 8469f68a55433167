//! Compares a tree with the table of keys: known names, values that fit; every mistake is found in one go.
//!
//! Takes the tree of the file and the variables of the environment, gives [`Setting`]s and [`Finding`]s. Invariant: a
//! setting has a value of its key's kind; a value from the environment replaces the one in the file.
//! Not here: what settings mean together ([`super::build`]). Source: docs/design/configuration.md §§1–3.

use fst_proto::error::ErrorCode;
use fst_proto::pin::KeyPin;
use fst_proto::value::{BitRate, ByteSize, TimeWindow, ValueError, Weekdays, parse_limit};

use super::keys::{self, Effect, KEYS, Key, Kind, PLACEHOLDERS};
use super::report::{Finding, Severity};
use super::tree::{Node, Place, Shape};
use crate::dirs::Variables;

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its path, items of lists by number: `sync_folders[0].path`.
    pub path: String,
    /// Its key.
    pub key: &'static Key,
    /// Its value.
    pub value: Value,
    /// As it was written.
    pub written: String,
    /// Where it was written.
    pub origin: Origin,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The file.
    File(Place),
    /// A variable of the environment.
    Variable(String),
}

/// A value of the kind of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text, path, address, word or secret.
    Text(String),
    /// Yes or no.
    Bool(bool),
    /// A number.
    Number(u64),
    /// A size, `None` for unlimited.
    Size(Option<ByteSize>),
    /// A rate, `None` for unlimited.
    Rate(Option<BitRate>),
    /// Texts in their order.
    Texts(Vec<String>),
    /// Two times of the day.
    Window(TimeWindow),
    /// Days of the week.
    Days(Weekdays),
}

/// Keys without which an item of a list is nothing.
const REQUIRED: [(&str, &str); 2] = [("sync_folders[]", "path"), ("schedules[]", "name")];

/// Variables with names of their own.
const SHORT_VARIABLES: [(&str, &str); 2] = [
    ("FST_SERVER", "server.url"),
    ("FST_API_KEY", "server.api_key"),
];

/// Finds every setting and every mistake.
pub(super) fn check(root: &Node, variables: &Variables) -> (Vec<Setting>, Vec<Finding>) {
    let mut checker = Checker {
        variables,
        settings: Vec::new(),
        findings: Vec::new(),
    };
    checker.section(root, "", "");
    checker.environment();
    checker.strange_variables();
    (checker.settings, checker.findings)
}

/// Reads one value as if it stood in the file.
///
/// # Errors
/// Says what would fit.
pub fn parse_value(key: &Key, text: &str) -> Result<Value, ValueError> {
    Scalar { key, text }.parse()
}

struct Checker<'v> {
    variables: &'v Variables,
    settings: Vec<Setting>,
    findings: Vec<Finding>,
}

impl Checker<'_> {
    /// A map whose names go on from `path`; `general` is the same with `[]` for every item.
    fn section(&mut self, node: &Node, path: &str, general: &str) {
        let entries = match &node.shape {
            Shape::Nothing => return,
            Shape::Map(entries) => entries,
            Shape::Text(_) | Shape::List(_) => {
                return self.misshaped(node, "names with values are wanted here");
            },
        };
        for (name, value) in entries {
            let join = |before: &str| match before {
                "" => name.name.clone(),
                _ => format!("{before}.{}", name.name),
            };
            let (path, general) = (join(path), join(general));
            let items = format!("{general}[]");
            if let Some(key) = keys::at(&general) {
                self.value(key, path, value);
            } else if keys::is_section(&general) {
                self.section(value, &path, &general);
            } else if keys::is_section(&items) {
                self.items(value, &path, &items);
            } else {
                self.unknown(&general, &name.name, name.place);
            }
        }
    }

    fn items(&mut self, node: &Node, path: &str, general: &str) {
        let items = match &node.shape {
            Shape::Nothing => return,
            Shape::List(items) => items,
            Shape::Text(_) | Shape::Map(_) => {
                return self.misshaped(node, "a list is wanted here: lines that begin with `- `");
            },
        };
        let required = REQUIRED.iter().find(|(list, _)| *list == general);
        for (index, item) in items.iter().enumerate() {
            self.section(item, &format!("{path}[{index}]"), general);
            let missing = required.filter(|(_, name)| item.child(name).is_none());
            if let Some((_, name)) = missing {
                let message = format!("{name} is missing");
                let finding = Finding::error(ErrorCode::BadValue, message, item.place);
                self.findings.push(finding);
            }
        }
    }

    fn misshaped(&mut self, node: &Node, message: &str) {
        let finding = Finding::error(ErrorCode::BadValue, message, node.place);
        self.findings.push(finding);
    }

    fn unknown(&mut self, general: &str, name: &str, place: Place) {
        let section = general.rsplit_once('.').map_or("", |(section, _)| section);
        let valid = keys::names_in(section);
        let message = format!("unknown setting {name:?}");
        let mut finding = Finding::error(ErrorCode::UnknownSetting, message, place)
            .with(Severity::Unknown)
            .help(format!("valid here: {}", valid.join(", ")));
        if let Some(near) = keys::similar(name, valid) {
            finding = finding.note(format!("did you mean {near}?"));
        }
        self.findings.push(finding);
    }

    fn value(&mut self, key: &'static Key, path: String, node: &Node) {
        let read = match (&node.shape, key.kind) {
            (Shape::Nothing, _) => return,
            (Shape::List(items), Kind::Texts) => Some(self.texts(items)),
            (Shape::Text(text), _) => self.scalar(key, text, node.place),
            (Shape::List(_) | Shape::Map(_), _) => {
                return self.misshaped(node, "one value is wanted here");
            },
        };
        if let Some((value, written)) = read {
            let origin = Origin::File(node.place);
            self.put(path, key, (value, written), origin);
        }
    }

    fn put(
        &mut self,
        path: String,
        key: &'static Key,
        (value, written): (Value, String),
        origin: Origin,
    ) {
        self.settings.retain(|known| known.path != path);
        self.settings.push(Setting {
            path,
            key,
            value,
            written,
            origin,
        });
    }

    fn texts(&mut self, items: &[Node]) -> (Value, String) {
        let mut texts = Vec::new();
        for item in items {
            match &item.shape {
                Shape::Text(text) => texts.extend(self.expand(text, Some(item.place))),
                Shape::Nothing | Shape::Map(_) | Shape::List(_) => {
                    self.misshaped(item, "a text is wanted here");
                },
            }
        }
        let written = texts.join(", ");
        (Value::Texts(texts), written)
    }

    fn scalar(&mut self, key: &'static Key, text: &str, place: Place) -> Option<(Value, String)> {
        let text = self.expand(text, Some(place))?;
        if key.kind == Kind::Secret && PLACEHOLDERS.contains(&text.as_str()) {
            let message = "this looks like the example key from the documentation";
            let finding = Finding::error(ErrorCode::ExampleSecret, message, place)
                .with(Severity::Warning)
                .note("ignored");
            self.findings.push(finding);
            return None;
        }
        let scalar = Scalar { key, text: &text };
        match scalar.parse() {
            Ok(value) => {
                self.comment_on(key, &value, &text, place);
                Some((value, text))
            },
            Err(error) => {
                let shown = if key.kind == Kind::Secret {
                    "…"
                } else {
                    &text
                };
                let message = format!("{} cannot be {shown:?}", key.leaf());
                let finding = Finding::error(ErrorCode::BadValue, message, place);
                self.findings.push(finding.note(format!("wanted: {error}")));
                None
            },
        }
    }

    /// What is accepted but not as people may expect.
    fn comment_on(&mut self, key: &'static Key, value: &Value, text: &str, place: Place) {
        let warning =
            |code, message: String| Finding::error(code, message, place).with(Severity::Warning);
        if matches!(value, Value::Bool(_)) && !matches!(text, "true" | "false") {
            let message = format!("{text:?} is read as a yes or no");
            let finding = warning(ErrorCode::BadValue, message);
            self.findings.push(finding.note("write true or false"));
        }
        if key.path == "encryption.enabled" && *value == Value::Bool(false) {
            let message = "folders stay end-to-end encrypted".to_owned();
            let note = "managed folders come with the gateway";
            self.findings
                .push(warning(ErrorCode::NoEffectYet, message).note(note));
        }
        let is_default = parse_value(key, key.default).is_ok_and(|usual| usual == *value);
        if let (Effect::Later(part), false) = (key.effect, is_default) {
            let message = format!("{} has no effect in this version", key.leaf());
            let note = format!("kept; takes effect with {part}");
            self.findings
                .push(warning(ErrorCode::NoEffectYet, message).note(note));
        }
    }

    fn environment(&mut self) {
        let long = KEYS.iter().filter_map(|key| Some((key.variable()?, key)));
        let short = SHORT_VARIABLES.iter().filter_map(|(name, path)| {
            let key = keys::at(path)?;
            Some(((*name).to_owned(), key))
        });
        // The long name wins: it comes last.
        for (name, key) in short.chain(long) {
            let Some(text) = self.variables.get(&name).map(str::to_owned) else {
                continue;
            };
            match parse_value(key, &text) {
                Ok(value) => {
                    let origin = Origin::Variable(name);
                    self.put(key.path.to_owned(), key, (value, text), origin);
                },
                Err(error) => self.findings.push(Finding {
                    code: ErrorCode::BadValue,
                    severity: Severity::Error,
                    message: format!("the variable {name} does not fit"),
                    place: None,
                    note: format!("wanted: {error}"),
                    help: None,
                }),
            }
        }
    }

    /// Names with the form of a key's variable that are none.
    fn strange_variables(&mut self) {
        let known: Vec<String> = KEYS.iter().filter_map(Key::variable).collect();
        let ours = |name: &&str| name.starts_with("FST_") && name.contains("__");
        let strange = self.variables.names().filter(ours);
        for name in strange.filter(|name| !known.iter().any(|one| one == name)) {
            let near = keys::similar(name, known.iter().map(String::as_str));
            self.findings.push(Finding {
                code: ErrorCode::UnknownSetting,
                severity: Severity::Warning,
                message: format!("the variable {name} names no setting"),
                place: None,
                note: near.map_or_else(String::new, |near| format!("did you mean {near}?")),
                help: None,
            });
        }
    }

    /// Replaces `${NAME}` and `${NAME:-default}`; `$$` is a dollar.
    fn expand(&mut self, text: &str, place: Option<Place>) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                out.push('$');
                rest = after;
            } else if let Some((inner, after)) = braces(after) {
                let (name, usual) = match inner.split_once(":-") {
                    Some((name, usual)) => (name, Some(usual)),
                    None => (inner, None),
                };
                let Some(value) = self.variables.get(name).or(usual) else {
                    self.findings.push(Finding {
                        place,
                        ..unset(name)
                    });
                    return None;
                };
                out.push_str(value);
                rest = after;
            } else {
                out.push('$');
                rest = after;
            }
        }
        out.push_str(rest);
        Some(out)
    }
}

/// What stands between braces at the start, and what comes after them.
fn braces(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('{')?.split_once('}')
}

fn unset(name: &str) -> Finding {
    Finding {
        code: ErrorCode::BadValue,
        severity: Severity::Error,
        message: format!("the variable {name} is not set"),
        place: None,
        note: format!("${{{name}:-VALUE}} has a value for that case"),
        help: None,
    }
}

/// The text as it has to be written so that nothing in it is taken for a variable.
pub(super) fn escaped(text: &str) -> String {
    text.replace("$$", "$$$$").replace("${", "$${")
}

/// A text that is to become a value.
struct Scalar<'s> {
    key: &'s Key,
    text: &'s str,
}

impl Scalar<'_> {
    fn parse(&self) -> Result<Value, ValueError> {
        let text = self.text;
        Ok(match self.key.kind {
            Kind::Text | Kind::Secret => Value::Text(text.to_owned()),
            Kind::Path if text.starts_with('/') || is_from_home(text) => {
                Value::Text(text.to_owned())
            },
            Kind::Path => return wanted("a path from / or from ~"),
            Kind::Url if is_url(text) => Value::Text(text.to_owned()),
            Kind::Url => return wanted("an address that begins with https:// or http://"),
            Kind::Pin => match text.parse::<KeyPin>() {
                Ok(pin) => Value::Text(pin.to_string()),
                Err(error) => return wanted(error.to_string()),
            },
            Kind::Remote if is_remote(text) => Value::Text(text.to_owned()),
            Kind::Remote => return wanted("a name with a slash before it, such as /Documents"),
            Kind::Word(words) if words.contains(&text) => Value::Text(text.to_owned()),
            Kind::Word(words) => return wanted(one_of(words, text)),
            Kind::Bool => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" => Value::Bool(true),
                "false" | "no" | "off" => Value::Bool(false),
                _ => return wanted("true or false"),
            },
            Kind::Number { min, max } => match text.parse::<u64>() {
                Ok(n) if (min..=max).contains(&n) => Value::Number(n),
                Ok(_) | Err(_) => return wanted(format!("a number from {min} to {max}")),
            },
            Kind::Size { min, max } => Value::Size(size(text, min, max)?),
            Kind::Rate => Value::Rate(parse_limit(text)?),
            Kind::Window => Value::Window(text.parse()?),
            Kind::Days => Value::Days(text.parse()?),
            Kind::Texts => Value::Texts(vec![text.to_owned()]),
        })
    }
}

fn wanted<T>(what: impl Into<String>) -> Result<T, ValueError> {
    Err(ValueError::new(what))
}

fn one_of(words: &[&str], typed: &str) -> String {
    let all = words.join(", ");
    match keys::similar(typed, words.iter().copied()) {
        Some(near) => format!("{all}; did you mean {near}?"),
        None => all,
    }
}

fn size(text: &str, min: u64, max: u64) -> Result<Option<ByteSize>, ValueError> {
    let may_be_unlimited = max == u64::MAX;
    let size: Option<ByteSize> = if may_be_unlimited {
        parse_limit(text)?
    } else {
        Some(text.parse()?)
    };
    match size {
        Some(size) if !(min..=max).contains(&size.0) && may_be_unlimited => {
            wanted(format!("at least {}, or unlimited", ByteSize(min)))
        },
        Some(size) if !(min..=max).contains(&size.0) => wanted(format!(
            "a size from {} to {}",
            ByteSize(min),
            ByteSize(max)
        )),
        Some(_) | None => Ok(size),
    }
}

fn is_from_home(text: &str) -> bool {
    text == "~" || text.starts_with("~/")
}

fn is_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or(text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
}

/// Whether a text is a remote path such as `/Documents`: names after slashes, none of them special.
pub(crate) fn is_remote(text: &str) -> bool {
    let is_good =
        |name: &str| !matches!(name, "" | "." | "..") && !name.chars().any(char::is_control);
    text.strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(is_good))
}
