//! What `--help` says, as a snapshot.

use crate::world::Home;

#[test]
fn help_starts_with_examples() {
    let help = Home::new().fst(["--help"]).ok().out;
    let (start, _) = help.split_once("\nOptions:\n").expect("flags");
    insta::assert_snapshot!(start, @"
    Examples:
      fst up ~/Documents                        everything: server, account, folder, daemon
      fst up ~/Documents --server URL --join S  the same folder on a second device
      fst status                                what is going on, and what to do next
      fst wait --synced && echo done            for scripts
      fst conflicts list                        files that two devices changed at once
      fst demo                                  see it work, in one minute

    Two-way, end-to-end encrypted file synchronisation

    Usage: fst [OPTIONS] [COMMAND]

    Commands:
      up           Set everything up and sync a folder, in one command
      init         Make this a device of an account
      add          Sync a folder
      remove       Stop syncing a folder; its files stay
      daemon       The sync daemon
      status       What is going on, and what to do next
      wait         Wait until everything that exists now is synced
      sync         Sync now, with or without a daemon
      pause        Stand still until told to resume
      resume       Go on
      resync       Compare everything anew, trusting no cache; never deletes
      history      What was changed, when, and by which device
      why          Why a file is as it is: synced, waiting, ignored, held, deleted
      ignore       What is not synced
      select       Which sub-folders this device syncs
      versions     Earlier versions of a file
      restore      Bring back an earlier version, a deleted file or a whole folder as it was
      trash        Deleted files
      diff         What changed between two versions of a file, or in a folder since a time
      ls           What lies in a directory at the server; all spaces without a path
      tree         Everything below a directory at the server
      find         Files at the server whose path fits a pattern
      du           How many bytes lie below a directory at the server
      cat          The bytes of a file at the server
      get          Copy a file or directory from the server to a free place
      put          Copy a local file to the server
      mkdir        Make a directory at the server, with those above it
      mv           Move or rename at the server, within a space
      rm           Remove at the server; it stays in the versions
      undo         Take back what a command changed
      op           What commands of this device changed
      conflicts    Files that two devices changed at once
      devices      The devices of the account
      config       Settings of this device
      schedule     Limits at some hours of the week
      demo         See it work: a private server and two devices in a temporary folder
      doctor       Look for what keeps this device from syncing well
      log          What the daemon has logged
      events       What the daemon did lately, or does: one JSON document a line unless at a terminal
      bench        How fast this machine is, and which part of it limits syncing
      verify       Check the server's log and data, and the files here, from end to end
      help         Help for a command, or on a topic; all of them without one
      explain      What an error code means and what to do
      completions  Completions for a shell
      man          Manual pages: that of fst, or all of them into a directory
      schema       JSON Schemas of what --json prints; all names without one
      version      The version
    ");
}

#[test]
fn help_ends_with_flags_and_topics() {
    let help = Home::new().fst(["--help"]).ok().out;
    let (_, end) = help.split_once("\nOptions:\n").expect("flags");
    insta::assert_snapshot!(end, @"
      -h, --help     Print help
      -V, --version  Print version

    Global flags:
      -v, --verbose...                 Say more (repeatable)
      -q, --quiet                      Say nothing but the result
          --json                       Print one JSON document
          --plain                      No drawing, fields separated by tabs
          --color <auto|always|never>  When to use colours
          --config <FILE>              Another configuration file
          --no-input                   Never ask: fail instead
      -y, --yes                        Answer every question with yes

    More: fst help times|remote|ignore|schedules|configuration|exit-codes, fst explain FST-nnnn
    ");
}

#[test]
fn help_of_up() {
    let help = Home::new().fst(["up", "--help"]).ok().out;
    insta::assert_snapshot!(help, @"
    Set everything up and sync a folder, in one command

    Usage: fst up [OPTIONS] <PATH>

    Arguments:
      <PATH>  The folder; it is made when it does not exist

    Options:
          --server <URL>         Server of an account that exists already
          --join <STRING>        One-time string from 'fst up' or 'fst devices invite' on another device
          --remote-path </NAME>  Folder on the server; by default the last part of PATH [alias:
                                 --remote]
          --name <NAME>          Name of this device; by default the name of the machine
          --timeout <TIMEOUT>    Longest time to wait for the first sync [default: 10m]
          --pin <SHA256>         TLS key of the server, as 'fst-server start' prints it
          --insecure-http        Allow plain http to a server that is not on this machine
      -h, --help                 Print help

    Global flags:
      -v, --verbose...                 Say more (repeatable)
      -q, --quiet                      Say nothing but the result
          --json                       Print one JSON document
          --plain                      No drawing, fields separated by tabs
          --color <auto|always|never>  When to use colours
          --config <FILE>              Another configuration file
          --no-input                   Never ask: fail instead
      -y, --yes                        Answer every question with yes

    Running it again changes nothing that is there: it adds the folder if it is missing, makes sure that
    the daemon runs, waits until everything is synced and prints a fresh line for the next device.
    ");
}

#[test]
fn fst_alone_names_the_first_commands() {
    let help = Home::new().fst([""; 0]).ok().out;
    insta::assert_snapshot!(help, @"
    FileSyncTool: two-way, end-to-end encrypted file synchronisation

      fst up ~/Documents       set everything up and sync a folder
      fst status               what is going on, and what to do next
      fst add PATH             sync one more folder
      fst devices invite       let a further device in
      fst conflicts list       files that two devices changed at once
      fst --help               everything else
    ");
}

#[test]
fn an_error_is_explained_offline() {
    let text = Home::new().fst(["explain", "FST-1103"]).ok().out;
    insta::assert_snapshot!(text, @"
    FST-1103   the join string is not valid any more

      About      account, keys and files
      Next       make a new one on another device: fst devices invite
      Exit code  4 (sign-in or permission needed)
    ");
}

#[test]
fn every_command_has_a_manual_page() {
    let home = Home::new();
    let page = home.fst(["man"]).ok().out;
    assert!(page.contains(".TH fst 1"), "{page}");
    let dir = home.path("man1").to_string_lossy().into_owned();
    let told = home.fst(["man", &dir, "--json"]).ok().json();
    let pages = told["data"]["pages"].as_array().expect("a list").len();
    let files: Vec<_> = std::fs::read_dir(&dir).expect("a directory").collect();
    assert!(files.len() > 60 && files.len() == pages, "{told}");
    let restore = home.read("man1/fst-restore.1");
    assert!(restore.contains("As it was at this time"), "{restore}");
    assert!(!home.path("man1/fst-daemon-start-help.1").exists());
    assert!(home.path("man1/fst-config-get.1").exists());
}

#[test]
fn help_knows_commands_topics_and_slips() {
    let home = Home::new();
    let merge = home.fst(["help", "conflicts", "merge"]).ok().out;
    assert_eq!(merge, home.fst(["conflicts", "merge", "--help"]).ok().out);
    let all = home.fst(["help"]).ok().out;
    for topic in ["times", "remote", "ignore", "schedules", "configuration"] {
        let text = home.fst(["help", "topic", topic]).ok().out;
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        assert!(text.len() > 200 && all.contains(topic), "{text}");
    }
    let run = home.fst(["help", "confilcts"]);
    run.failed("FST-1201", 5);
    assert!(run.err.contains("fst help conflicts"), "{}", run.err);
    let run = home.fst(["help", "conflicts", "mrege"]);
    assert!(run.err.contains("fst help conflicts merge"), "{}", run.err);
}
