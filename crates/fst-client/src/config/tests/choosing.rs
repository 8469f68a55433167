use super::*;

const FILE: &str = "sync_folders:\n  - path: ~/A\n    only: [Photos/2024/, /Work] # little room\n    cleared: [Work/old]\n";

fn chosen(config: &Config) -> &Chosen {
    &config.folders[0].chosen
}

#[test]
fn slashes_at_the_ends_of_a_sub_folder_do_not_matter() {
    let config = Config::parse(&dirs(), FILE).expect("a good file");
    assert_eq!(chosen(&config).only, ["Photos/2024", "Work"]);
    let selection = chosen(&config).selection().expect("good paths");
    let leaves_out = |path: &str| {
        let path = RelPath::parse(path).expect("a path");
        selection.leaves_out(&path, false)
    };
    assert!(!leaves_out("Photos/2024/a") && !leaves_out("Work/a"));
    assert!(leaves_out("Photos/a") && leaves_out("Work/old/a") && leaves_out("a"));
}

#[test]
fn a_name_that_is_no_sub_folder_is_a_mistake() {
    for name in ["/", "..", "a/../b", "./a", "a//b", ""] {
        let text = format!("sync_folders:\n  - path: ~/A\n    only: [\"{name}\"]\n");
        let error = Config::parse(&dirs(), &text).expect_err(name);
        assert_eq!(error.code(), ErrorCode::BadConfig, "{name}");
    }
    let both = "sync_folders:\n  - path: ~/A\n    only: [a]\n    except: [a/]\n";
    let error = Config::parse(&dirs(), both).expect_err("both");
    let told = crate::error::chain(&error);
    assert!(told.contains("chosen and taken out"), "{told}");
}

#[test]
fn choosing_changes_its_own_lists_only() {
    let (_home, dirs) = on_disk(FILE);
    let change =
        |edit: &dyn Fn(&mut Chosen)| saved(&dirs, &|config| edit(&mut config.folders[0].chosen));
    assert_eq!(
        change(&|chosen| chosen.only.push("Music".to_owned())),
        [
            "-    only: [Photos/2024/, /Work] # little room",
            "+    only: [Photos/2024/, /Work, Music] # little room"
        ]
    );
    assert_eq!(
        change(&|chosen| chosen.cleared.clear()),
        ["-    cleared: [Work/old]"]
    );
    let added = change(&|chosen| chosen.except.push("Work/old".to_owned()));
    assert_eq!(added, ["+    except:", "+      - Work/old"]);
    let moved = change(&|chosen| {
        chosen.only.retain(|name| name != "Work");
        chosen.cleared.push("Work".to_owned());
        chosen.except.clear();
    });
    assert!(
        moved
            .iter()
            .any(|line| line.contains("[Photos/2024/, Music]")),
        "{moved:?}"
    );
}
