//! `fst daemon install | uninstall`: whether the daemon starts at login.
//!
//! Invariant: without a user manager of systemd the lines are printed that have to be typed where there is one, and that is
//! no failure. Source: docs/design/commands.md §5.

use fst_daemon::DaemonError;
use fst_daemon::login::{self, Changed, Foreign, Manager};
use fst_proto::error::ErrorCode;
use serde_json::json;

use crate::context::{Context, shown};
use crate::render::{Page, Symbol};
use crate::report::{Answer, Failure};

/// What a user manager is told when it can be reached.
const ENABLE: &str = "systemctl --user enable --now fst";

/// What makes a user manager run without a login, which only the user can decide.
const LINGER: &str = "loginctl enable-linger";

pub(super) fn install(context: &Context, is_forced: bool) -> Result<Answer, Failure> {
    check_system()?;
    let foreign = match is_forced {
        true => Foreign::Replace,
        false => Foreign::Refuse,
    };
    let program = Context::program()?;
    let is_running = context.daemon_if_any()?.is_some();
    let (changed, manager) = login::install(&context.dirs, &program, foreign, is_running)
        .map_err(|error| explained(error, "fst daemon install --force (the other unit is kept)"))?;
    let next: &[&str] = match manager {
        Manager::Silent => &["systemctl --user daemon-reload", ENABLE, LINGER],
        Manager::Enabled => &["fst daemon stop", "systemctl --user start fst", LINGER],
        Manager::Started | Manager::Disabled => &[LINGER],
    };
    let unit = login::unit_path(&context.dirs);
    let mut page = Page::default();
    let words = match changed {
        Changed::No => "is there already",
        Changed::Yes | Changed::SetAside => "written",
    };
    let look = &context.look;
    let good = look.symbol(Symbol::Good);
    page.line(format!("{good} {} {words}", look.tilde(&unit)));
    if changed == Changed::SetAside {
        let aside = look.tilde(&login::aside(&unit));
        page.line(format!("  what was there before is kept as {aside}"));
    }
    page.line(match manager {
        Manager::Silent => "  No user manager of systemd answers here. Where one does, type:",
        Manager::Enabled => {
            "  The daemon starts at login. The one that runs now was started by hand; to have it looked after now:"
        },
        Manager::Started | Manager::Disabled => {
            "  The daemon runs and starts at login. To have it run without a login too:"
        },
    });
    next.iter().for_each(|line| page.block(look.next(line)));
    let mut answer = answer(context, changed, manager, page);
    answer.next = next.iter().map(|&line| line.to_owned()).collect();
    answer.undo = (changed == Changed::Yes).then(|| "fst daemon uninstall".to_owned());
    Ok(answer)
}

pub(super) fn uninstall(context: &Context) -> Result<Answer, Failure> {
    check_system()?;
    let unit = login::unit_path(&context.dirs);
    let by_hand = format!("remove it yourself: {}", shown(&unit));
    let (changed, manager) =
        login::uninstall(&context.dirs).map_err(|error| explained(error, &by_hand))?;
    let look = &context.look;
    let mut page = Page::default();
    let words = match (changed, manager) {
        (Changed::No, _) => "The daemon was not started at login",
        (_, Manager::Disabled) => "The daemon has stopped and is not started at login any more",
        (_, Manager::Silent | Manager::Enabled | Manager::Started) => {
            "The daemon is not started at login any more"
        },
    };
    page.line(format!("{} {words}", look.symbol(Symbol::Good)));
    let mut answer = answer(context, changed, manager, page);
    answer.undo = (changed == Changed::Yes).then(|| "fst daemon install".to_owned());
    Ok(answer)
}

fn answer(context: &Context, changed: Changed, manager: Manager, page: Page) -> Answer {
    let data = json!({
        "installed": login::is_installed(&context.dirs),
        "unit": shown(&login::unit_path(&context.dirs)),
        "changed": changed != Changed::No,
        "manager": match manager {
            Manager::Silent => None,
            Manager::Enabled => Some("enabled"),
            Manager::Started => Some("started"),
            Manager::Disabled => Some("disabled"),
        },
    });
    Answer::new("fst.daemon.install/1", data, page.into_text())
}

fn explained(error: DaemonError, hint: &str) -> Failure {
    let hint = match error.code() {
        ErrorCode::InTheWay => hint,
        ErrorCode::Io => "systemctl --user status fst",
        _ => "move fst to another place, such as /usr/local/bin",
    };
    Failure::from(error).hint(hint)
}

fn check_system() -> Result<(), Failure> {
    if cfg!(target_os = "linux") {
        return Ok(());
    }
    let failure = Failure::new(ErrorCode::Usage, "only systemd is known here yet");
    Err(failure.hint("fst daemon start"))
}
