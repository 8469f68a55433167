//! A day of two people at their terminals, kept as a text: what they type and what they see.
//!
//! Each line runs in a shell on a pseudo-terminal of 80 columns, against a real server. Ids, times, ports and secrets are
//! replaced; `INSTA_UPDATE=always` writes `testdata/cli/recorded-run.snap` anew.

use std::process::Command;

use crate::world::{FST, Home};

/// What differs from run to run, and what stands for it.
const CHANGING: [(&str, &str); 12] = [
    (r"\(pid \d+\)", "(pid N)"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"fst-join:v1:[a-z0-9]+", "fst-join:v1:SECRET"),
    (
        r"(?m)^( +\d+)(?:  ?[a-z]+){6}$",
        "$1  word word word word word word",
    ),
    (r"fst undo [0-9a-f]{4,}", "fst undo 8f2c"),
    (r"✓ [0-9a-f]{4,} is undone", "✓ 8f2c is undone"),
    (r"\b[0-9a-f]{6}(  |\n| --| )", "c7f0a1$1"),
    (
        r"\d{4}-\d\d-\d\d \d{6}-[0-9a-f]{4}",
        "2024-03-04 091402-77ab",
    ),
    (r"\(c….*\)\.md", "(c…3-04 091402-77ab).md"),
    (r"--time @\d+", "--time @1709546400000"),
    (
        r" {5,}last change (?:just now|\d+ min ago)",
        "                                               last change just now",
    ),
    (r"\d+ min ago", "just now"),
];

/// What was typed and seen so far.
struct Recording {
    text: String,
}

impl Recording {
    fn say(&mut self, line: &str) {
        self.text.extend(["# ", line, "\n"]);
    }

    /// Types a line in the terminal of somebody and returns what it showed.
    fn types(&mut self, (name, home): (&str, &Home), line: &str) -> String {
        let shown = terminal(home, line);
        self.text.extend([name, "$ ", line, "\n", &shown, "\n"]);
        shown
    }
}

/// Runs a line in a shell on a terminal of 80 columns.
fn terminal(home: &Home, line: &str) -> String {
    let bin = std::path::Path::new(FST).parent().expect("a directory");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut script = home.command("script");
    let line = format!("stty cols 80 rows 40; {line}");
    script
        .args([
            "--quiet",
            "--return",
            "--flush",
            "--command",
            &line,
            "/dev/null",
        ])
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm")
        .env("NO_COLOR", "1")
        .current_dir(home.path(""));
    let output = script.output().expect("the terminal runs");
    let shown = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    assert!(output.status.success(), "{line}\n{shown}");
    shown
}

/// The first line that holds a text, without what is around it.
fn line_with<'t>(text: &'t str, part: &str) -> &'t str {
    let line = text.lines().find(|line| line.contains(part));
    line.unwrap_or_default().trim()
}

#[test]
fn a_day_of_two_people() {
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("SKIPPED a_day_of_two_people: there is no script(1)");
        return;
    }
    let (anna_home, bo_home) = (Home::new(), Home::new());
    let (anna, bo) = (("anna", &anna_home), ("bo", &bo_home));
    anna_home.make_dir("Documents");
    anna_home.write("Documents/plan.md", "milk\neggs\nbread\n");
    let mut day = Recording {
        text: String::new(),
    };
    day.say("The program is one file; it is there.");
    day.types(anna, "fst version");
    day.say("Everything is set up by one command.");
    let up = day.types(anna, "fst up ~/Documents --name anna");
    day.say("The line that it printed lets the second device in.");
    let line = line_with(&up, "fst up ~/Documents --server").to_owned();
    day.types(bo, &format!("{line} --name bo"));
    day.say("An edit is on the other device.");
    day.types(
        anna,
        r"printf 'oat milk\neggs\nbread\n' > Documents/plan.md",
    );
    day.types(anna, "fst wait --synced");
    day.types(bo, "fst wait --synced; cat Documents/plan.md");
    day.say("Both change the same file while neither knows of the other.");
    for who in [anna, bo] {
        day.types(who, "fst pause");
    }
    day.types(
        anna,
        r"printf 'oat milk\neggs\nbread\ntea\n' > Documents/plan.md",
    );
    day.types(bo, r"printf 'soy milk\neggs\nbread\n' > Documents/plan.md");
    for who in [anna, bo] {
        day.types(who, "fst resume; fst wait --synced");
    }
    day.say("It is a conflict, and both edits can be had.");
    day.types(bo, "fst status");
    let list = day.types(bo, "fst conflicts list");
    let merge = line_with(&list, "fst conflicts merge");
    let merge = merge.trim_start_matches("→ ").to_owned();
    day.types(bo, &merge);
    day.types(bo, "fst wait --synced; cat Documents/plan.md");
    day.say("What was there at a time comes back, and goes again.");
    day.types(anna, "fst wait --synced; fst versions ~/Documents/plan.md");
    let file = anna_home.path("Documents/plan.md");
    let versions = anna_home
        .fst(["versions", "--json", &file.to_string_lossy()])
        .ok()
        .json();
    let second = versions["data"]["versions"][3]["time"].clone();
    day.types(
        anna,
        &format!("fst restore ~/Documents/plan.md --time @{second}"),
    );
    day.types(anna, "fst wait --synced; cat Documents/plan.md");
    day.types(anna, "fst undo; fst wait --synced; cat Documents/plan.md");
    day.types(anna, "fst history --limit 4");
    day.types(anna, "fst status");
    insta::with_settings!({
        filters => CHANGING,
        snapshot_path => "../../../../testdata/cli",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!("recorded-run", day.text);
    });
}
