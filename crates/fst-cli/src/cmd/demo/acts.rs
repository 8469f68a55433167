//! The acts of the demo, in their order, and the figures they leave.

use std::time::Duration;

use fst_proto::error::ErrorCode;
use serde::Serialize;

use super::patience::{Stopwatch, notice_signals, or_interrupted, wait_until};
use super::stage::{Device, Stage, io};
use super::view;
use crate::context::Context;
use crate::render::{Symbol, amounts, json as drawn};
use crate::report::{Answer, Failure};
use crate::screen;

/// Name and text that must not occur at the server.
const SECRET_NAME: &str = "merger-plan.txt";
const SECRET_LINE: &str = "Do not tell anybody about the merger with Initech.\n";

/// Size of the file that is renamed.
const RENAMED_BYTES: usize = 8 << 20;

/// Size of the file whose upload is killed.
const KILLED_BYTES: usize = 48 << 20;

/// Bytes of it that have been sent when the daemon is killed.
const KILLED_AT_BYTES: u64 = 8 << 20;

/// Bytes of a pack that are shown.
const DUMP_BYTES: usize = 64;

/// Everything that was measured.
#[derive(Debug, Default, Serialize)]
struct Figures {
    setup_ms: u64,
    arrival_ms: u64,
    rename_ms: u64,
    rename_sent_bytes: u64,
    rename_file_bytes: u64,
    conflict_files: Vec<String>,
    killed_after_bytes: u64,
    recovered_ms: u64,
    recovered_bytes: u64,
    content_hash: String,
    server_files: u64,
    server_bytes: u64,
    server_found: u64,
    total_ms: u64,
}

/// Runs all acts and removes everything they left.
pub(super) fn run(context: &Context) -> Result<Answer, Failure> {
    notice_signals().map_err(io)?;
    or_interrupted(play(context))
}

fn play(context: &Context) -> Result<Answer, Failure> {
    let watch = Stopwatch::start();
    let show = Show { context };
    let mut figures = Figures::default();
    let mut stage = set_up(&show, &mut figures)?;
    arrive(&show, &stage, &mut figures)?;
    rename(&show, &stage, &mut figures)?;
    conflict(&show, &stage, &mut figures)?;
    kill(&show, &mut stage, &mut figures)?;
    look_at_server(&show, &stage, &mut figures)?;
    stage.strike()?;
    figures.total_ms = watch.ms();
    let text = format!(
        "\n{} Done in {}.{} s: nothing was lost, nothing was left behind.\n{}",
        context.look.symbol(Symbol::Good),
        figures.total_ms / 1000,
        figures.total_ms % 1000 / 100,
        context.look.next("fst up ~/Documents")
    );
    Ok(Answer::new("fst.demo/1", drawn::value(&figures), text).then("fst up ~/Documents"))
}

/// Tells the acts as they happen: they are the result, but nobody wants to wait for them.
struct Show<'a> {
    context: &'a Context,
}

impl Show<'_> {
    fn act(&self, title: &str) {
        self.print(&format!("\n{title}\n"));
    }

    fn line(&self, line: impl AsRef<str>) {
        self.print(&format!("  {}\n", line.as_ref()));
    }

    fn print(&self, text: &str) {
        if !self.context.global.json && !self.context.global.quiet {
            screen::print(text);
        }
    }
}

fn set_up(show: &Show<'_>, figures: &mut Figures) -> Result<Stage, Failure> {
    show.act("A private server and two devices, anna and bo, in a temporary folder");
    let watch = Stopwatch::start();
    let stage = Stage::set()?;
    stage.sync()?;
    figures.setup_ms = watch.ms();
    let ms = figures.setup_ms;
    show.line(format!(
        "ready in {ms} ms; the keys are on the devices, none is at the server"
    ));
    Ok(stage)
}

fn arrive(show: &Show<'_>, stage: &Stage, figures: &mut Figures) -> Result<(), Failure> {
    show.act("anna saves a file");
    let content = SECRET_LINE.repeat(200);
    let there = stage.bo.path(SECRET_NAME);
    std::fs::write(stage.anna.path(SECRET_NAME), &content).map_err(io)?;
    figures.arrival_ms = wait_until("the file arrives", || {
        std::fs::read(&there).is_ok_and(|bytes| bytes == content.as_bytes())
    })?;
    show.line(format!(
        "{SECRET_NAME} is at bo after {} ms",
        figures.arrival_ms
    ));
    Ok(())
}

fn rename(show: &Show<'_>, stage: &Stage, figures: &mut Figures) -> Result<(), Failure> {
    show.act("anna renames a file of 8 MiB");
    std::fs::write(stage.anna.path("holiday.mov"), noise(1, RENAMED_BYTES)).map_err(io)?;
    stage.sync()?;
    let before = stage.anna.gate.sent();
    std::fs::rename(
        stage.anna.path("holiday.mov"),
        stage.anna.path("Iceland 2024.mov"),
    )
    .map_err(io)?;
    let (old, new) = (
        stage.bo.path("holiday.mov"),
        stage.bo.path("Iceland 2024.mov"),
    );
    figures.rename_ms = wait_until("the rename arrives", || new.exists() && !old.exists())?;
    figures.rename_sent_bytes = stage.anna.gate.sent() - before;
    figures.rename_file_bytes = RENAMED_BYTES as u64;
    show.line(format!(
        "renamed at bo after {} ms; anna sent {} instead of {}",
        figures.rename_ms,
        amounts::size(figures.rename_sent_bytes),
        amounts::size(figures.rename_file_bytes)
    ));
    Ok(())
}

fn conflict(show: &Show<'_>, stage: &Stage, figures: &mut Figures) -> Result<(), Failure> {
    show.act("Both edit the same file while their networks are down");
    std::fs::write(stage.anna.path("budget.csv"), "rent,900\n").map_err(io)?;
    stage.sync()?;
    stage.anna.gate.shut();
    stage.bo.gate.shut();
    std::fs::write(stage.anna.path("budget.csv"), "rent,950\n").map_err(io)?;
    std::fs::write(stage.bo.path("budget.csv"), "rent,990\n").map_err(io)?;
    stage.anna.gate.reopen();
    stage.anna.sync()?;
    stage.bo.gate.reopen();
    stage.bo.sync()?;
    stage.sync()?;
    let (here, there) = (kept(&stage.anna)?, kept(&stage.bo)?);
    let texts: Vec<&str> = here.iter().map(|(_, text)| text.as_str()).collect();
    let is_kept = here == there && texts.contains(&"rent,950\n") && texts.contains(&"rent,990\n");
    ensure(
        is_kept,
        "both edits are kept on both devices",
        &format!("{here:?} and {there:?}"),
    )?;
    show.line("both edits are kept, the same files on both devices:");
    for (name, text) in here {
        show.line(format!("  {name}   {}", text.trim()));
        figures.conflict_files.push(name);
    }
    Ok(())
}

/// Names and texts of the files about the budget, sorted.
fn kept(device: &Device) -> Result<Vec<(String, String)>, Failure> {
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(&device.folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("budget") {
            kept.push((name, std::fs::read_to_string(entry.path()).map_err(io)?));
        }
    }
    kept.sort();
    Ok(kept)
}

fn kill(show: &Show<'_>, stage: &mut Stage, figures: &mut Figures) -> Result<(), Failure> {
    show.act("anna's daemon is killed (kill -9) in the middle of an upload");
    let content = noise(2, KILLED_BYTES);
    let hash = blake3::hash(&content);
    let before = stage.anna.gate.sent();
    // The line stalls there, so that the kill comes before the end on a fast machine too.
    stage.anna.gate.hold_after(KILLED_AT_BYTES);
    std::fs::write(stage.anna.path("disk-image.iso"), &content).map_err(io)?;
    let is_sending = stage
        .anna
        .gate
        .wait_sent(before + KILLED_AT_BYTES, Duration::from_secs(30));
    ensure(is_sending, "the upload begins", "nothing was sent for 30 s")?;
    stage.anna.kill()?;
    stage.anna.gate.reopen();
    figures.killed_after_bytes = stage.anna.gate.sent() - before;
    let there = stage.bo.path("disk-image.iso");
    ensure(
        !there.exists(),
        "an unfinished file is not shown",
        "bo has it already",
    )?;
    show.line(format!(
        "killed after {} of {}",
        amounts::size(figures.killed_after_bytes),
        amounts::size(KILLED_BYTES as u64)
    ));
    let watch = Stopwatch::start();
    stage.anna.start()?;
    stage.sync()?;
    figures.recovered_ms = watch.ms();
    figures.recovered_bytes = KILLED_BYTES as u64;
    let arrived = blake3::hash(&std::fs::read(&there).map_err(io)?);
    ensure(arrived == hash, "the file is whole", "the contents differ")?;
    figures.content_hash = hash.to_hex().to_string();
    show.line(format!(
        "started again: whole at bo after {} ms",
        figures.recovered_ms
    ));
    show.line(format!(
        "same content on both: {}…",
        &figures.content_hash[..16]
    ));
    Ok(())
}

fn look_at_server(show: &Show<'_>, stage: &Stage, figures: &mut Figures) -> Result<(), Failure> {
    show.act("What the server keeps");
    let pack = view::largest_pack(&stage.server_dir).map_err(io)?;
    let bytes = pack
        .map(std::fs::read)
        .transpose()
        .map_err(io)?
        .unwrap_or_default();
    show.print(&view::hexdump(&bytes[..bytes.len().min(DUMP_BYTES)]));
    let texts = [SECRET_NAME, SECRET_LINE.trim(), "rent,950", "disk-image"];
    let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
    let searched = view::search(&stage.server_dir, &texts).map_err(io)?;
    ensure(
        searched.found == 0,
        "the server knows nothing",
        "a name or a text was found",
    )?;
    (
        figures.server_files,
        figures.server_bytes,
        figures.server_found,
    ) = (searched.files, searched.bytes, searched.found);
    show.line(format!(
        "no name and no text of these files in any of its {} ({})",
        amounts::plural(searched.files, "file"),
        amounts::size(searched.bytes)
    ));
    Ok(())
}

/// A claim of the demo that must hold: it is the smoke test of a release too.
fn ensure(is_so: bool, claim: &str, found: &str) -> Result<(), Failure> {
    if is_so {
        return Ok(());
    }
    Err(Failure::new(ErrorCode::Internal, "the demo found a fault")
        .because(claim)
        .because(found))
}

/// Bytes that neither compress nor repeat, the same for every run.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    let mut bytes = vec![0; length];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}
