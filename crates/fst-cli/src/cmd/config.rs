//! `fst config`: read, change and check the configuration.
//!
//! What keys exist and what fits them is `fst_client::config`'s. Invariant: a file is changed only when the outcome is
//! good; no secret is printed; whoever sets something without an effect is told. Source: docs/design/configuration.md.

use std::path::Path;

use fst_client::config::keys::{Effect, KEYS, Key};
use fst_client::config::{
    Config, Draft, Finding, Origin, Setting, Value, keys, parse_value, schema, unknown,
};
use fst_proto::error::ErrorCode;
use fst_proto::value::ByteSize;
use serde_json::{Value as Json, json};

use super::account::reload_daemon;
use super::editor;
use crate::args::ConfigCommand;
use crate::context::{Context, absolute, shown};
use crate::noted::{self, Name};
use crate::render::table::{Side, Table};
use crate::render::{Symbol, amounts, json as drawn, quote};
use crate::report::{Answer, Failure, exit_of};

pub(super) fn run(context: &Context, command: &ConfigCommand) -> Result<Answer, Failure> {
    match command {
        ConfigCommand::Get { key, origin } => get(context, key, *origin),
        ConfigCommand::Set { key, value } => set(context, key, value),
        ConfigCommand::Unset { key } => unset(context, key),
        ConfigCommand::List { origin, changed } => list(context, *origin, *changed),
        ConfigCommand::Edit { editor } => edit(context, editor.as_deref()),
        ConfigCommand::Validate { file } => validate(context, file.as_deref()),
        ConfigCommand::Path => Ok(path(context)),
        ConfigCommand::Reload => reload(context),
        ConfigCommand::Schema => Ok(print_schema()),
    }
}

/// A key and what holds for it.
struct Held<'c> {
    path: String,
    key: &'static Key,
    setting: Option<&'c Setting>,
}

impl<'c> Held<'c> {
    fn find(config: &'c Config, typed: &str) -> Result<Self, Failure> {
        let path = keys::resolve(typed).ok_or_else(|| unknown(typed))?;
        let key = keys::at(&path).ok_or_else(|| unknown(typed))?;
        let setting = config.settings.iter().find(|one| one.path == path);
        Ok(Self { path, key, setting })
    }

    /// As people write it; empty for none.
    fn shown(&self) -> String {
        match (self.setting, self.key.kind) {
            (Some(_), keys::Kind::Secret) => "…".to_owned(),
            (Some(setting), _) => fst_proto::text::printable(setting.written.as_bytes()),
            (None, _) => self.key.default.to_owned(),
        }
    }

    fn origin(&self, context: &Context) -> String {
        match self.setting.map(|setting| &setting.origin) {
            Some(Origin::File(place)) => {
                let file = context.dirs.config_file();
                let name = file.file_name().unwrap_or_default();
                format!("{}:{}", shown(Path::new(name)), place.line)
            },
            Some(Origin::Variable(name)) => format!("env {name}"),
            None => "default".to_owned(),
        }
    }

    fn data(&self, context: &Context) -> Json {
        let default = parse_value(self.key, self.key.default).ok();
        let value = match (self.setting, self.key.kind) {
            (Some(_), keys::Kind::Secret) => json!("…"),
            (Some(setting), _) => typed(&setting.value),
            (None, _) => default.as_ref().map_or(Json::Null, typed),
        };
        json!({
            "key": self.path,
            "value": value,
            "written": self.shown(),
            "origin": self.origin(context),
            "default": self.key.default,
            "effect": effect_word(self.key.effect),
        })
    }
}

/// Sizes in bytes, rates in bits per second, `null` for no limit.
pub(super) fn typed(value: &Value) -> Json {
    match value {
        Value::Text(text) => json!(text),
        Value::Bool(value) => json!(value),
        Value::Number(n) => json!(n),
        Value::Size(size) => json!(size.map(|size| size.0)),
        Value::Rate(rate) => json!(rate.map(|rate| rate.0)),
        Value::Texts(texts) => json!(texts),
        Value::Window(window) => json!(window.to_string()),
        Value::Days(days) => json!(days.to_string()),
    }
}

fn effect_word(effect: Effect) -> &'static str {
    match effect {
        Effect::Now => "now",
        Effect::NewSpaces => "new-folders",
        Effect::Restart => "restart",
        Effect::Later(_) => "later",
    }
}

fn get(context: &Context, typed: &str, with_origin: bool) -> Result<Answer, Failure> {
    let config = Config::load(&context.dirs)?;
    let held = Held::find(&config, typed)?;
    let mut text = held.shown();
    if with_origin {
        text.extend(["\t", &held.origin(context)]);
    }
    text.push('\n');
    Ok(Answer::new("fst.config.get/1", held.data(context), text))
}

fn set(context: &Context, typed: &str, value: &str) -> Result<Answer, Failure> {
    let path = keys::resolve(typed).ok_or_else(|| unknown(typed))?;
    let key = keys::at(&path).ok_or_else(|| unknown(typed))?;
    let before = Config::inspect(&context.dirs)?;
    let draft = || Config::draft_set(&context.dirs, &path, value);
    let subject = match key.kind {
        keys::Kind::Secret => path.clone(),
        _ => format!("{path} {}", quote(value)),
    };
    let operation = noted::write(context, Name::new("config set", &subject), draft)?;
    let config = Config::load(&context.dirs)?;
    let is_running = reload_daemon(context)?;
    let (was, now) = (Held::find(&before, &path)?, Held::find(&config, &path)?);
    let good = context.look.symbol(Symbol::Good);
    let text = format!(
        "{good} {path} = {}{} (was {}){}\n",
        now.shown(),
        in_full(&now),
        or_nothing(&was),
        when(key.effect, is_running)
    );
    let mut data = now.data(context);
    data["was"] = json!(was.shown());
    let answer = Answer::new("fst.config.set/1", data, text).warn(warnings(&config, &now));
    Ok(answer.undone_by(operation.as_ref()))
}

fn or_nothing(held: &Held<'_>) -> String {
    match held.shown() {
        empty if empty.is_empty() => "not set".to_owned(),
        shown => shown,
    }
}

/// A size in the other reading too: `4mb` is 4.0 MiB.
fn in_full(held: &Held<'_>) -> String {
    match held.setting.map(|setting| &setting.value) {
        Some(Value::Size(Some(ByteSize(bytes)))) => format!(" = {}", amounts::size(*bytes)),
        _ => String::new(),
    }
}

fn when(effect: Effect, is_running: bool) -> String {
    match effect {
        Effect::Now if is_running => ", active now".to_owned(),
        Effect::Now => String::new(),
        Effect::NewSpaces => ", for folders that are new on the server from now on".to_owned(),
        Effect::Restart if is_running => ", after: fst daemon restart".to_owned(),
        Effect::Restart => String::new(),
        Effect::Later(part) => format!(", kept until this version has {part}"),
    }
}

/// What the file says about this setting that its writer may not expect.
fn warnings(config: &Config, held: &Held<'_>) -> Vec<String> {
    let place = match held.setting.map(|setting| &setting.origin) {
        Some(Origin::File(place)) => Some(*place),
        Some(Origin::Variable(name)) => {
            return vec![format!("the variable {name} comes before the file")];
        },
        None => None,
    };
    let mut found = config.report.findings.iter();
    let found = found.find(|finding| finding.place.is_some() && finding.place == place);
    found.map(Finding::brief).into_iter().collect()
}

fn unset(context: &Context, typed: &str) -> Result<Answer, Failure> {
    let before = Config::inspect(&context.dirs)?;
    // A name that is not in the table may be taken out too.
    let path = keys::resolve(typed).unwrap_or_else(|| typed.to_owned());
    let draft = || Config::draft_unset(&context.dirs, &path);
    let operation = noted::write(context, Name::new("config unset", &path), draft);
    let operation = operation.map_err(|failure| match failure.code {
        ErrorCode::NotFound => failure.hint("fst config list --changed"),
        _ => failure,
    })?;
    let is_running = reload_daemon(context)?;
    let good = context.look.symbol(Symbol::Good);
    let Ok(was) = Held::find(&before, &path) else {
        let text = format!("{good} {path} is gone\n");
        let answer = Answer::new("fst.config.unset/1", json!({ "key": path }), text);
        return Ok(answer.undone_by(operation.as_ref()));
    };
    let config = Config::load(&context.dirs)?;
    let now = Held::find(&config, &path)?;
    let text = format!(
        "{good} {path} = {} (was {}){}\n",
        or_nothing(&now),
        or_nothing(&was),
        when(was.key.effect, is_running)
    );
    let answer = Answer::new("fst.config.unset/1", now.data(context), text);
    Ok(answer.undone_by(operation.as_ref()))
}

fn list(context: &Context, with_origin: bool, only_changed: bool) -> Result<Answer, Failure> {
    let config = Config::load(&context.dirs)?;
    let mut held: Vec<Held<'_>> = Vec::new();
    for key in KEYS {
        let general = |setting: &&Setting| setting.key.path == key.path;
        let set = config.settings.iter().filter(general);
        held.extend(set.map(|setting| Held {
            path: setting.path.clone(),
            key,
            setting: Some(setting),
        }));
        let is_set = config
            .settings
            .iter()
            .any(|setting| setting.key.path == key.path);
        if !is_set && !only_changed && !key.path.contains("[]") {
            held.push(Held {
                path: key.path.to_owned(),
                key,
                setting: None,
            });
        }
    }
    let mut table = Table::new(&[
        ("Setting", Side::Left),
        ("Value", Side::Left),
        ("From", Side::Left),
    ]);
    let mut plain = String::new();
    for one in &held {
        let origin = if with_origin {
            one.origin(context)
        } else {
            String::new()
        };
        plain.extend([one.path.as_str(), "\t", &one.shown(), "\t", &origin, "\n"]);
        let value = context.look.clip(&or_nothing(one), VALUE_WIDTH_MAX);
        table.row(vec![one.path.clone(), value, origin]);
    }
    let text = if context.look.is_plain {
        plain
    } else {
        table.draw()
    };
    let data: Vec<Json> = held.iter().map(|one| one.data(context)).collect();
    let findings = config.report.findings.iter().map(Finding::brief);
    Ok(Answer::new("fst.config.list/1", json!({ "settings": data }), text).warn(findings))
}

/// Widest column of values: with the longest key and an origin a line has 80 columns.
const VALUE_WIDTH_MAX: usize = 22;

fn edit(context: &Context, named: Option<&str>) -> Result<Answer, Failure> {
    let editor = editor::choose(named).ok_or_else(|| {
        let failure = Failure::new(ErrorCode::Usage, "no editor is named");
        failure.hint("fst config edit --editor vim")
    })?;
    let failed = |error: std::io::Error| {
        Failure::new(ErrorCode::Io, ErrorCode::Io.title()).because(error.to_string())
    };
    let file = context.dirs.config_file();
    let before = std::fs::read_to_string(&file).unwrap_or_default();
    let dir = tempfile::tempdir().map_err(failed)?;
    let draft = dir.path().join("config.yaml");
    std::fs::write(&draft, &before).map_err(failed)?;
    if !editor::run(editor, &draft).map_err(failed)? {
        let failure = Failure::new(ErrorCode::Usage, "the editor failed");
        return Err(failure.because("the file stays as it was"));
    }
    let text = std::fs::read_to_string(&draft).map_err(failed)?;
    let config = Config::examine(&context.dirs, &file, &text);
    let (errors, _) = config.report.counts();
    if errors > 0 {
        let failure = rejected(context, &text)?.details(config.report.draw());
        return Err(failure);
    }
    let draft = Draft::new(before.as_str(), text.as_str());
    let mut is_written = true;
    let operation = noted::let_write(context, Name::new("config edit", ""), &draft, || {
        is_written = draft.write(&context.dirs)?;
        Ok(())
    })?;
    if !is_written {
        return Err(rejected(context, &text)?.because("the file was changed meanwhile"));
    }
    if operation.is_some() {
        reload_daemon(context)?;
    }
    let words = if text == before {
        "nothing changed"
    } else {
        "saved"
    };
    let text = format!("{} {words}\n", context.look.symbol(Symbol::Good));
    let warnings = config.report.findings.iter().map(Finding::brief);
    let data = json!({ "changed": words == "saved" });
    let answer = Answer::new("fst.config.edit/1", data, text).warn(warnings);
    Ok(answer.undone_by(operation.as_ref()))
}

/// What somebody typed is not thrown away.
fn rejected(context: &Context, text: &str) -> Result<Failure, Failure> {
    let kept = context.dirs.config_file().with_extension("rejected.yaml");
    let failed = |error: std::io::Error| {
        Failure::new(ErrorCode::Io, ErrorCode::Io.title()).because(error.to_string())
    };
    fst_client::dirs::write_durably(&kept, text.as_bytes()).map_err(failed)?;
    let failure = Failure::new(ErrorCode::BadConfig, "the file stays as it was");
    let at = context.look.quoted(&kept);
    Ok(failure
        .because(format!("what you wrote is in {at}"))
        .hint(format!("fst config validate {at}")))
}

fn validate(context: &Context, file: Option<&Path>) -> Result<Answer, Failure> {
    let is_ours = file.is_none();
    let file = match file {
        Some(file) => absolute(file)?,
        None => context.dirs.config_file(),
    };
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if is_ours && error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            let failure = Failure::new(ErrorCode::NotFound, ErrorCode::NotFound.title());
            let at = context.look.tilde(&file);
            return Err(failure
                .because(at)
                .because(error.to_string())
                .hint("fst config path"));
        },
    };
    let report = Config::examine(&context.dirs, &file, &text).report;
    let (errors, warnings) = report.counts();
    let mut text = report.draw();
    let (symbol, rest) = match errors {
        0 => (Symbol::Good, ""),
        _ => (Symbol::Bad, ". A daemon keeps using what was good last."),
    };
    if !text.is_empty() {
        text.push('\n');
    }
    text.extend([
        context.look.symbol(symbol).as_str(),
        &format!(" {}: ", report.file),
        &amounts::plural(errors as u64, "error"),
        &format!(", {}{rest}\n", amounts::plural(warnings as u64, "warning")),
    ]);
    let findings: Vec<Json> = report.findings.iter().map(finding).collect();
    let data = json!({
        "file": shown(&file),
        "errors": errors,
        "warnings": warnings,
        "findings": findings,
    });
    let answer = Answer::new("fst.config.validate/1", data, text);
    Ok(match errors {
        0 => answer,
        _ => answer
            .with_exit(exit_of(ErrorCode::BadConfig))
            .then("fst config edit"),
    })
}

fn finding(finding: &Finding) -> Json {
    json!({
        "code": finding.code.to_string(),
        "severity": if finding.is_error() { "error" } else { "warning" },
        "message": finding.message,
        "line": finding.place.map(|place| place.line),
        "column": finding.place.map(|place| place.column),
        "note": finding.note,
        "help": finding.help,
    })
}

fn path(context: &Context) -> Answer {
    let file = context.dirs.config_file();
    let data = json!({ "path": shown(&file), "exists": file.exists() });
    Answer::new("fst.config.path/1", data, format!("{}\n", shown(&file)))
}

fn reload(context: &Context) -> Result<Answer, Failure> {
    Config::load(&context.dirs)?;
    let is_running = reload_daemon(context)?;
    let words = if is_running {
        "The daemon has read the configuration"
    } else {
        "The configuration is good; no daemon runs"
    };
    let text = format!("{} {words}\n", context.look.symbol(Symbol::Good));
    Ok(Answer::new(
        "fst.config.reload/1",
        json!({ "running": is_running }),
        text,
    ))
}

fn print_schema() -> Answer {
    let schema = schema::json_schema();
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    Answer::new(
        "fst.config.schema/1",
        drawn::value(&schema),
        format!("{text}\n"),
    )
}
