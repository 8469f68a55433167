//! `fst schedule`: limits at some hours of the week.
//!
//! Rules are items of `schedules:` in the configuration. Invariant: a rule is stored as its flags say, and the daemon
//! is told at once. Not here: which rule holds (`fst-engine`). Source: docs/design/commands.md §11.

use fst_client::config::keys::{self, Effect};
use fst_client::config::{Config, Schedule};
use fst_proto::error::ErrorCode;
use fst_proto::value::BitRate;
use serde_json::{Value as Json, json};

use super::account::reload_daemon;
use crate::args::{ScheduleAdd, ScheduleCommand};
use crate::context::Context;
use crate::noted::{self, Name};
use crate::render::status::Pausing;
use crate::render::table::{Side, Table};
use crate::render::{Page, Symbol, quote};
use crate::report::{Answer, Failure};

mod pausing;

/// Days as rows of the chart.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Minutes of a column of the chart.
const HOUR: u16 = 60;

pub(super) fn run(context: &Context, command: &ScheduleCommand) -> Result<Answer, Failure> {
    match command {
        ScheduleCommand::Add(args) => add(context, args),
        ScheduleCommand::List => list(context),
        ScheduleCommand::Remove { name } => remove(context, name),
        ScheduleCommand::Show { name, week } => show(context, name.as_deref(), *week),
    }
}

fn add(context: &Context, args: &ScheduleAdd) -> Result<Answer, Failure> {
    let schedule = Schedule {
        name: args.name.clone(),
        window: args.time,
        days: args.weekdays,
        max_upload: args.limit.max_upload,
        max_download: args.limit.max_download,
        pause: args.limit.pause,
    };
    let config = Config::load(&context.dirs)?;
    if find(&config, &schedule.name).is_some() {
        let failure = Failure::new(ErrorCode::ScheduleExists, ErrorCode::ScheduleExists.title());
        let remove = format!("fst schedule remove {}", quote(&schedule.name));
        return Err(failure.hint(remove));
    }
    let draft = || Config::draft_schedule(&context.dirs, &schedule);
    let operation = noted::write(context, Name::new("schedule add", &schedule.name), draft)?;
    let is_running = reload_daemon(context)?;
    let (look, name) = (&context.look, quote(&schedule.name));
    let now = if is_running && waits().is_none() {
        ", active now"
    } else {
        ""
    };
    let text = format!(
        "{} {name}: {}{now}\n",
        look.symbol(Symbol::Good),
        words(&schedule)
    );
    let answer = Answer::new("fst.schedule.add/1", data(&schedule), text).warn(waits());
    Ok(answer
        .then("fst schedule show --week")
        .undone_by(operation.as_ref()))
}

/// What a rule waits for in this version, if it does.
fn waits() -> Option<String> {
    match keys::at("schedules[].max_upload")?.effect {
        Effect::Later(part) => Some(format!("rules are kept; they take effect with {part}")),
        Effect::Now | Effect::NewSpaces | Effect::Restart => None,
    }
}

fn find<'c>(config: &'c Config, name: &str) -> Option<&'c Schedule> {
    let mut all = config.performance.schedules.iter();
    all.find(|schedule| schedule.name == name)
}

fn none(name: &str) -> Failure {
    let failure = Failure::new(ErrorCode::NotFound, "no schedule has this name");
    failure.because(name).hint("fst schedule list")
}

fn words(schedule: &Schedule) -> String {
    let rate = |word: &str, rate: Option<BitRate>| rate.map(|rate| format!("{word} {rate}"));
    let limits = [
        schedule.pause.then(|| "pause".to_owned()),
        rate("upload", schedule.max_upload),
        rate("download", schedule.max_download),
    ];
    let limits: Vec<String> = limits.into_iter().flatten().collect();
    let (days, window) = (schedule.days, schedule.window);
    format!("{days} {window}, {}", limits.join(", "))
}

fn data(schedule: &Schedule) -> Json {
    json!({
        "name": schedule.name,
        "time": schedule.window.to_string(),
        "weekdays": schedule.days.to_string(),
        "max_upload": schedule.max_upload.map(|rate| rate.0),
        "max_download": schedule.max_download.map(|rate| rate.0),
        "pause": schedule.pause,
        "active": is_active(schedule),
    })
}

fn is_active(schedule: &Schedule) -> bool {
    this_minute().is_some_and(|(day, minute)| schedule.covers(day, minute))
}

/// The rule that pauses now, if one does.
pub(super) fn pausing(config: &Config) -> Option<Pausing> {
    let (day, minute) = this_minute()?;
    pausing::at(&config.performance.schedules, day, minute)
}

/// The rule that limits speed now, if one does.
pub(super) fn limiting(config: &Config) -> Option<String> {
    let limits = |rule: &&Schedule| rule.max_upload.or(rule.max_download).is_some();
    let mut rules = config.performance.schedules.iter().filter(limits);
    Some(rules.find(|rule| is_active(rule))?.name.clone())
}

/// Day from Monday and minute, by the clock on the wall.
fn this_minute() -> Option<(u8, u16)> {
    let now = i64::try_from(Context::now().0).ok()?;
    let now = jiff::Timestamp::from_millisecond(now).ok()?;
    let now = now.to_zoned(jiff::tz::TimeZone::system());
    let minute = i16::from(now.hour()) * 60 + i16::from(now.minute());
    let day = u8::try_from(now.weekday().to_monday_zero_offset()).ok()?;
    Some((day, u16::try_from(minute).ok()?))
}

fn list(context: &Context) -> Result<Answer, Failure> {
    let config = Config::load(&context.dirs)?;
    let all = &config.performance.schedules;
    let rules: Vec<Json> = all.iter().map(data).collect();
    let data = json!({ "schedules": rules });
    if all.is_empty() {
        let text = "No limits at any hour\n".to_owned();
        return Ok(Answer::new("fst.schedule.list/1", data, text));
    }
    let shown = |rate: Option<BitRate>| rate.map_or("-".to_owned(), |rate| rate.to_string());
    let columns = ["Name", "Days", "Time", "Upload", "Download", "Now"];
    let mut table = Table::new(&columns.map(|title| (title, Side::Left)));
    for schedule in all {
        let limits = match schedule.pause {
            true => ["pause".to_owned(), "pause".to_owned()],
            false => [schedule.max_upload, schedule.max_download].map(shown),
        };
        let [upload, download] = limits;
        table.row(vec![
            context.look.clip(&schedule.name, NAME_WIDTH_MAX),
            schedule.days.to_string(),
            schedule.window.to_string(),
            upload,
            download,
            if is_active(schedule) { "holds" } else { "-" }.to_owned(),
        ]);
    }
    Ok(Answer::new("fst.schedule.list/1", data, table.draw()).warn(waits()))
}

/// Widest column of names: the table has 80 columns with the longest list of days.
const NAME_WIDTH_MAX: usize = 20;

fn remove(context: &Context, name: &str) -> Result<Answer, Failure> {
    let config = Config::load(&context.dirs)?;
    let schedule = find(&config, name).ok_or_else(|| none(name))?;
    let draft = || Config::draft_no_schedule(&context.dirs, name);
    let operation = noted::write(context, Name::new("schedule remove", name), draft)?;
    reload_daemon(context)?;
    let text = format!(
        "{} {} is removed\n",
        context.look.symbol(Symbol::Good),
        quote(name)
    );
    let answer = Answer::new("fst.schedule.remove/1", data(schedule), text);
    Ok(answer.undone_by(operation.as_ref()))
}

fn show(context: &Context, name: Option<&str>, week: bool) -> Result<Answer, Failure> {
    let config = Config::load(&context.dirs)?;
    let wanted: Vec<&Schedule> = match name {
        Some(name) => vec![find(&config, name).ok_or_else(|| none(name))?],
        None => config.performance.schedules.iter().collect(),
    };
    let mut page = Page::default();
    if week {
        page.block(chart(&wanted));
    }
    for (schedule, letter) in wanted.iter().zip(letters()) {
        let mark = if week {
            format!("{letter}  ")
        } else {
            String::new()
        };
        page.line(format!(
            "  {mark}{}: {}",
            quote(&schedule.name),
            words(schedule)
        ));
    }
    if wanted.is_empty() {
        page.line("  no limits at any hour");
    }
    let rules: Vec<Json> = wanted.iter().map(|schedule| data(schedule)).collect();
    let data = json!({ "schedules": rules });
    Ok(Answer::new("fst.schedule.show/1", data, page.into_text()).warn(waits()))
}

/// A letter for each rule; more than 26 begin anew.
fn letters() -> impl Iterator<Item = char> {
    ('a'..='z').cycle()
}

/// An hour a column: the letter of the rule that holds, `+` for several, `.` for none.
fn chart(schedules: &[&Schedule]) -> String {
    let mut page = Page::default();
    page.line("       0     6     12    18");
    for (day, name) in (0_u8..).zip(DAYS) {
        let hours = (0..24).map(|hour| mark(schedules, day, hour));
        page.line(format!("  {name}  {}", hours.collect::<String>()));
    }
    page.line("");
    page.into_text()
}

fn mark(schedules: &[&Schedule], day: u8, hour: u16) -> char {
    let holds = |schedule: &Schedule| {
        let mut minutes = (hour * HOUR)..((hour + 1) * HOUR);
        minutes.any(|minute| schedule.covers(day, minute))
    };
    let named = schedules.iter().zip(letters());
    let holding: Vec<char> = named
        .filter(|(schedule, _)| holds(schedule))
        .map(|(_, letter)| letter)
        .collect();
    match holding.as_slice() {
        [] => '.',
        [one] => *one,
        _ => '+',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(name: &str, time: &str, days: &str) -> Schedule {
        Schedule {
            name: name.to_owned(),
            window: time.parse().expect("a window"),
            days: days.parse().expect("days"),
            max_upload: Some(BitRate(1_000_000)),
            max_download: None,
            pause: false,
        }
    }

    #[test]
    fn the_week_is_a_chart() {
        let business = schedule("business-hours", "09:00-17:00", "mon-fri");
        let night = schedule("night", "22:30-02:00", "fri,sat");
        let lunch = schedule("lunch", "12:00-13:00", "mon");
        insta::assert_snapshot!(chart(&[&business, &night, &lunch]), @"
         0     6     12    18
    mon  .........aaa+aaaa.......
    tue  .........aaaaaaaa.......
    wed  .........aaaaaaaa.......
    thu  .........aaaaaaaa.......
    fri  .........aaaaaaaa.....bb
    sat  bb....................bb
    sun  bb......................
    ");
    }

    #[test]
    fn a_rule_is_said_in_words() {
        let rule = schedule("business hours", "09:00-17:00", "mon-fri");
        assert_eq!(words(&rule), "mon-fri 09:00-17:00, upload 1mbps");
    }
}
