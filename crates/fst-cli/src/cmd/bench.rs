//! `fst bench [PART…]`: how fast this machine is, and which part of it limits syncing.
//!
//! Works without a daemon and without a server. Invariant: what cannot be measured comes with a next step; it is a
//! failure of the command only when nothing could. Not here: measuring ([`fst_client::measure`]).
//! Source: docs/design/commands.md §18.

use std::path::{Path, PathBuf};

use fst_client::measure::{self, Figure, Part, Slowest, slowest};
use fst_proto::error::ErrorCode;
use serde_json::{Value, json};

use crate::context::{Context, absolute};
use crate::render::amounts::size;
use crate::render::{Look, Page, Symbol};
use crate::report::{Answer, Failure, commands_in};

/// What became of one part.
type Measured = (Part, Result<Figure, Failure>);

pub(super) fn run(
    context: &Context,
    parts: &[Part],
    dir: Option<&Path>,
) -> Result<Answer, Failure> {
    let parts = if parts.is_empty() { &Part::ALL } else { parts };
    let dir = dir.map_or_else(|| Ok(default_dir(context)), absolute)?;
    let all: Vec<Measured> = parts
        .iter()
        .map(|&part| (part, measure_one(context, part, &dir)))
        .collect();
    let figures: Vec<(Part, Figure)> = all
        .iter()
        .filter_map(|(part, done)| Some((*part, *done.as_ref().ok()?)))
        .collect();
    if figures.is_empty() {
        let mut failures = all.into_iter().filter_map(|(_, done)| done.err());
        let none = || Failure::new(ErrorCode::Usage, "nothing was to be measured");
        return Err(failures.next().unwrap_or_else(none));
    }
    let found = slowest(&figures);
    let data = json!({
        "parts": all.iter().map(document).collect::<Vec<_>>(),
        "large_files": found.large.map(|(part, rate)| json!({ "part": part.as_str(), "bytes_per_s": rate })),
        "small_files": found.small.map(|(part, wait)| json!({ "part": part.as_str(), "wait_us": wait })),
        "text": sentence(&found),
    });
    let mut answer = Answer::new("fst.bench/1", data, text(&context.look, &all, &found));
    let failures = all.iter().filter_map(|(_, done)| done.as_ref().err());
    answer.next = failures.flat_map(|it| commands_in(&it.hint)).collect();
    Ok(answer)
}

/// Where the client's state lies, or will lie.
fn default_dir(context: &Context) -> PathBuf {
    let mut above = context.dirs.state.ancestors();
    let there = above.find(|dir| dir.is_dir());
    there.unwrap_or(&context.dirs.home).to_owned()
}

fn measure_one(context: &Context, part: Part, dir: &Path) -> Result<Figure, Failure> {
    context.say(format!("measuring: {}", part.as_str()));
    match part {
        Part::Network => Ok(context.client()?.round_trips()?),
        Part::Disk => measure::measure(part, dir).map_err(|error| {
            let is_full = error.code() == ErrorCode::NoSpace;
            let next = "choose another place: fst bench disk --dir PATH";
            let next = if is_full {
                "make room on this disk, or choose another place: fst bench disk --dir PATH"
            } else {
                next
            };
            Failure::from(error).hint(next)
        }),
        Part::Hash | Part::Cipher | Part::Chunker | Part::Compression => {
            Ok(measure::measure(part, dir)?)
        },
    }
}

fn document((part, done): &Measured) -> Value {
    let mut document = match done {
        Ok(Figure::Disk {
            write_bytes_per_s,
            read_bytes_per_s,
            save_p50_us,
            save_p95_us,
        }) => json!({
            "write_bytes_per_s": write_bytes_per_s,
            "read_bytes_per_s": read_bytes_per_s,
            "save_p50_us": save_p50_us,
            "save_p95_us": save_p95_us,
        }),
        Ok(Figure::Core { bytes_per_s }) => json!({ "bytes_per_s": bytes_per_s }),
        Ok(Figure::Network {
            first_us,
            round_trip_p50_us,
            round_trip_p95_us,
        }) => json!({
            "first_us": first_us,
            "round_trip_p50_us": round_trip_p50_us,
            "round_trip_p95_us": round_trip_p95_us,
        }),
        Err(failure) => json!({ "reason": reason(failure), "next": failure.hint }),
    };
    document["part"] = json!(part.as_str());
    document
}

fn reason(failure: &Failure) -> String {
    let mut links = vec![failure.message.clone()];
    links.extend(failure.causes.iter().cloned());
    links.join(": ")
}

fn text(look: &Look, all: &[Measured], found: &Slowest) -> String {
    let mut page = Page::default();
    for (part, done) in all {
        let name = part.as_str();
        match done {
            Ok(figure) => page.line(format!("  {name:<12} {}", told(figure))),
            Err(failure) => {
                let symbol = look.symbol(Symbol::Look);
                page.line(format!("{symbol} {name:<12} {}", reason(failure)));
                page.block(look.next(&failure.hint));
            },
        }
    }
    page.line("");
    page.line(sentence(found));
    page.into_text()
}

fn told(figure: &Figure) -> String {
    match figure {
        Figure::Disk {
            write_bytes_per_s,
            read_bytes_per_s,
            save_p50_us,
            save_p95_us,
        } => format!(
            "writes {}/s, reads {}/s, saves a small file in {} (1 in 20: over {})",
            size(*write_bytes_per_s),
            size(*read_bytes_per_s),
            millis(*save_p50_us),
            millis(*save_p95_us)
        ),
        Figure::Core { bytes_per_s } => format!("{}/s on one core", size(*bytes_per_s)),
        Figure::Network {
            first_us,
            round_trip_p50_us,
            round_trip_p95_us,
        } => format!(
            "round trip {} (1 in 20: over {}), the first {}",
            millis(*round_trip_p50_us),
            millis(*round_trip_p95_us),
            millis(*first_us)
        ),
    }
}

/// `1.8 ms`.
fn millis(us: u64) -> String {
    format!("{}.{} ms", us / 1000, us % 1000 / 100)
}

/// What the figures mean.
fn sentence(found: &Slowest) -> String {
    let large = found
        .large
        .map(|(part, rate)| format!("{} limits large files ({}/s)", part.as_str(), size(rate)));
    let small = found.small.map(|(part, us)| {
        let (part, wait) = (part.as_str(), millis(us));
        format!("{part} is what small files wait for ({wait} each)")
    });
    let parts: Vec<String> = large.into_iter().chain(small).collect();
    format!("Of what was measured, {}.", parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `part=figure…`: one number for a core, two for the disk (bytes a second, microseconds), microseconds for the network.
    fn figures(row: &str) -> Vec<(Part, Figure)> {
        let one = |word: &str| {
            let (name, numbers) = word.split_once('=').expect("part=figure");
            let part = Part::ALL.into_iter().find(|part| part.as_str() == name);
            let part = part.expect("a part");
            let numbers: Vec<u64> = numbers
                .split('/')
                .map(|n| n.parse().expect("a number"))
                .collect();
            let figure = match part {
                Part::Disk => Figure::Disk {
                    write_bytes_per_s: numbers[0],
                    read_bytes_per_s: numbers[1],
                    save_p50_us: numbers[2],
                    save_p95_us: u64::MAX,
                },
                Part::Network => Figure::Network {
                    first_us: u64::MAX,
                    round_trip_p50_us: numbers[0],
                    round_trip_p95_us: u64::MAX,
                },
                Part::Hash | Part::Cipher | Part::Chunker | Part::Compression => Figure::Core {
                    bytes_per_s: numbers[0],
                },
            };
            (part, figure)
        };
        row.split_whitespace().map(one).collect()
    }

    #[test]
    fn figures_become_one_sentence() {
        let rows = "\
            disk=2048/9999/1800 hash=4096 network=900 | disk limits large files (2.0 KiB/s); disk is what small files wait for (1.8 ms each)
            disk=9999/1024/1800 hash=4096 network=900 | disk limits large files (1.0 KiB/s); disk is what small files wait for (1.8 ms each)
            disk=9999/9999/1800 cipher=4096 network=18040 | cipher limits large files (4.0 KiB/s); network is what small files wait for (18.0 ms each)
            disk=9999/9999/50 chunker=2048 compression=2048 | chunker limits large files (2.0 KiB/s); disk is what small files wait for (0.0 ms each)
            hash=4096 | hash limits large files (4.0 KiB/s)
            network=18040 | network is what small files wait for (18.0 ms each)";
        for row in rows.lines() {
            let (given, wanted) = row.split_once('|').expect("a row");
            let told = sentence(&slowest(&figures(given)));
            assert_eq!(
                told,
                format!("Of what was measured, {}.", wanted.trim()),
                "{given}"
            );
        }
    }
}
