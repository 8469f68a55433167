//! `fst help [COMMAND | TOPIC]`: what `--help` says of a command, and texts about what several commands share.
//!
//! A word that is both a command and a topic means the command; `fst help topic WORD` means the topic.

use clap::CommandFactory as _;
use fst_client::config::keys::similar;
use fst_proto::error::ErrorCode;
use fst_proto::text::printable;
use serde_json::json;

use super::explain;
use crate::args::Line;
use crate::report::{Answer, Failure};

/// Topics with a text of their own; `exit-codes` is a table.
const TOPICS: [(&str, &str); 5] = [
    ("times", TIMES),
    ("remote", REMOTE),
    ("ignore", IGNORE),
    ("schedules", SCHEDULES),
    ("configuration", CONFIGURATION),
];

/// The topic that [`explain`] has.
const EXIT_CODES: &str = "exit-codes";

/// Says that a topic is meant where a command has the same name.
const TOPIC: &str = "topic";

const TIMES: &str = "\
Times that have passed, as in --time and behind @

  2024-03-01 14:30        local time; seconds may be added
  2024-03-01              the first moment of that day
  14:30                   today
  2024-03-01T14:30:00Z    with an offset, as other programs write it
  10 min ago, 2 days ago  s, min, h, days, weeks, months, years
  @1709303400000          Unix milliseconds, as --json prints them

Versions go by the time of the server. A time to come is refused.
";

const REMOTE: &str = "\
Paths at the server, for ls, tree, find, du, cat, get, put, mkdir, mv and rm

  /Documents/a.txt                  a file of the space /Documents
  Documents:/a.txt                  the same
  remote:/Documents/a.txt           the same
  '/Documents/a.txt@10 min ago'     as it was then; see: fst help times
  /Documents/me@14:30@now           a name that looks like a time

These commands need no folder of the space on this device.
";

const IGNORE: &str = "\
What is not synced, in the syntax of .gitignore

  *.tmp        every file of that name
  build/       directories only
  /notes       at the top of the folder only
  docs/**/*.o  at any depth below docs
  !keep.log    not ignored after all

.fstignore at the top of a folder holds on every device (fst ignore add), the
list of a device on that device alone (--device), the policy of a space
everywhere, and no other rule lifts it (--space). The last rule that fits
decides. What becomes ignored stays where it is and is not synced any more.
Which rule decides about a path: fst ignore check PATH, fst why PATH
";

const SCHEDULES: &str = "\
Limits at some hours of the week

  fst schedule add --name business-hours --time 09:00-17:00 \\
      --weekdays mon-fri --max-upload 1mbps
  fst schedule add --name night --time 22:00-06:00 --pause

Of several rules that hold at once the strictest limit counts, also against
max_upload and max_download of the configuration. Hours are those of the clock
on the wall, over midnight too. A transfer that is under way obeys as well.
The whole week at a glance: fst schedule show --week
";

const CONFIGURATION: &str = "\
Settings lie in ~/.config/filesynctool/config.yaml; --config FILE takes another

  fst config list             all settings that hold, and where they come from
  fst config set KEY VALUE    comments and order stay; undone by fst undo
  fst config edit             in an editor; a mistake never takes effect
  fst config validate         all mistakes at once, with line and column
  fst config schema           for editors that complete and check YAML

A variable such as FST_PERFORMANCE__MAX_UPLOAD_SPEED=5mbps comes before the
file, and ${VAR} in the file is replaced. Sizes: 500kb, 4mb, 1.5 MiB. Rates:
10mbps is bits, 2MB/s is bytes, unlimited is no limit. A running daemon follows
the file, and keeps to the last good one.
";

pub(super) fn run(words: &[String]) -> Result<Answer, Failure> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => Ok(overview()),
        [TOPIC, word] => topic(word).ok_or_else(|| unknown(&[TOPIC], word, &topic_names())),
        [word] if !is_command(word) => {
            topic(word).ok_or_else(|| unknown(&[], word, &[names(&tree()), topic_names()].concat()))
        },
        path => command(path),
    }
}

fn tree() -> clap::Command {
    let mut tree = Line::command();
    tree.build();
    tree
}

fn is_command(word: &str) -> bool {
    tree().find_subcommand(word).is_some()
}

fn names(command: &clap::Command) -> Vec<String> {
    let below = command.get_subcommands();
    below.map(|command| command.get_name().to_owned()).collect()
}

/// Topics that have a text.
pub(crate) fn topic_names() -> Vec<String> {
    let names = TOPICS.iter().map(|(name, _)| *name);
    names.chain([EXIT_CODES]).map(str::to_owned).collect()
}

fn topic(name: &str) -> Option<Answer> {
    if name == EXIT_CODES {
        return Some(explain::exit_codes());
    }
    let (_, text) = TOPICS.iter().find(|(topic, _)| *topic == name)?;
    Some(answer((*text).to_owned()))
}

fn answer(text: String) -> Answer {
    Answer::new("fst.help/1", json!({ "help": text }), text)
}

fn overview() -> Answer {
    answer(tree().render_help().to_string())
}

fn command(path: &[&str]) -> Result<Answer, Failure> {
    let mut at = tree();
    for (n, word) in path.iter().enumerate() {
        let Some(below) = at.find_subcommand(word) else {
            return Err(unknown(&path[..n], word, &names(&at)));
        };
        at = below.clone();
    }
    Ok(answer(at.render_help().to_string()))
}

fn unknown(before: &[&str], word: &str, names: &[String]) -> Failure {
    let failure = Failure::new(ErrorCode::NotFound, "there is no such command or topic");
    let failure = failure.because(printable(word.as_bytes()));
    let near = similar(word, names.iter().map(String::as_str));
    let line = ["fst", "help"].into_iter().chain(before.iter().copied());
    let line: Vec<&str> = line.chain(near).collect();
    failure.hint(line.join(" "))
}
