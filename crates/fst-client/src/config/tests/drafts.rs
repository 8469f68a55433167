//! Changes that are noted before they are written, and taken back.

use super::*;

/// What a draft changes is put back, whatever else was changed meanwhile, or nothing is.
#[test]
fn a_draft_is_taken_back_and_nothing_else() {
    let sample = "# mine\nperformance:\n  max_upload_speed: 10mbps # at home\n  parallel_transfers: 4\n\n\
                  sync_folders:\n  - path: ~/A\n    remote_path: /A\n    ignore: ['*.tmp'] # noise\n  \
                  - path: ~/B\n    remote_path: /B\n";
    // The first text, the text of the operation, what others made of it, what is wanted after the undo.
    let other = |text: &str| text.replace("parallel_transfers: 4", "parallel_transfers: 8");
    let set = sample.replace("10mbps", "5mbps");
    let without_a = sample.replace(
        "  - path: ~/A\n    remote_path: /A\n    ignore: ['*.tmp'] # noise\n",
        "",
    );
    let paused = sample.replace(
        "    remote_path: /B\n",
        "    remote_path: /B\n    paused: true\n",
    );
    let pause_a = |text: &str| text.replace(" # noise\n", " # noise\n    paused: true\n");
    let swapped = |text: &str| {
        let a = "  - path: ~/A\n    remote_path: /A\n    ignore: ['*.tmp'] # noise\n";
        format!("{}{a}", text.replace(a, ""))
    };
    let rows = [
        (sample, &set, set.clone(), sample.to_owned()),
        (sample, &set, other(&set), other(sample)),
        (
            sample,
            &set,
            format!("# new\n\n{set}"),
            format!("# new\n\n{sample}"),
        ),
        (sample, &without_a, without_a.clone(), sample.to_owned()),
        (sample, &without_a, other(&without_a), other(sample)),
        (
            &without_a,
            &sample.to_owned(),
            other(sample),
            other(&without_a),
        ),
        (sample, &paused, paused.clone(), sample.to_owned()),
        // Another folder was paused too, and its line stands where that of the operation stood.
        (
            sample,
            &paused,
            format!("# 1\n# 2\n{}", pause_a(&paused)),
            format!("# 1\n# 2\n{}", pause_a(sample)),
        ),
        // The item has another number by now, and its neighbours are others.
        (sample, &paused, swapped(&paused), swapped(sample)),
        (
            sample,
            &sample.replace("# at home", ""),
            sample.replace("# at home", ""),
            sample.to_owned(),
        ),
    ];
    for (was, left, now, wanted) in rows {
        let draft = Draft::new(was, left.as_str());
        let changes = draft.changes().expect("no secrets");
        let (_home, dirs) = on_disk(&now);
        let names: Vec<&str> = changes.iter().map(|change| change.name.as_str()).collect();
        let things: Vec<_> = changes
            .iter()
            .map(|change| (change.name.as_str(), change.was.as_deref()))
            .collect();
        assert_eq!(
            Config::things(&dirs, &names).expect("a file"),
            changes
                .iter()
                .map(|change| change.left.clone())
                .collect::<Vec<_>>()
        );
        let back = Config::draft_back(&dirs, &things, draft.lines().as_ref()).expect("a way back");
        assert_eq!(back, Draft::new(now, wanted));
    }
}

/// The lines are not there any more, the values are.
#[test]
fn values_go_back_without_their_lines() {
    let sample = "performance:\n  max_upload_speed: 10mbps\nsync_folders:\n  - path: ~/A\n    remote_path: /A\n    \
                  ignore: ['*.tmp']\n  - path: ~/B\n    remote_path: /B\n";
    let drafts = [
        sample.replace("10mbps", "5mbps"),
        sample.replace("performance:\n  max_upload_speed: 10mbps\n", ""),
        sample.replace("  - path: ~/B\n    remote_path: /B\n", ""),
        sample.replace(
            "  - path: ~/A\n    remote_path: /A\n    ignore: ['*.tmp']\n",
            "",
        ),
        sample.replace(
            "    remote_path: /B\n",
            "    remote_path: /B\n    paused: true\n",
        ),
    ];
    for left in drafts {
        let draft = Draft::new(sample, left.as_str());
        let changes = draft.changes().expect("no secrets");
        let things: Vec<_> = changes
            .iter()
            .map(|change| (change.name.as_str(), change.was.as_deref()))
            .collect();
        let (_home, dirs) = on_disk(&left);
        let back = Config::draft_back(&dirs, &things, None).expect("a way back");
        let rest = Draft::new(sample, back.after.as_str())
            .changes()
            .expect("no secrets");
        // At most the order, or how it is written, is another one.
        assert!(
            rest.iter().all(|change| change.was.is_some()
                && change.left.is_some()
                && change.name.starts_with("the text")),
            "{rest:?}"
        );
    }
}

#[test]
fn secrets_are_not_handed_out() {
    let text = "server:\n  url: https://a.example\n  api_key: fst_at_0123\n";
    let draft = Draft::new(text, text.replace("0123", "4567"));
    assert_eq!(draft.changes().unwrap_err().code(), ErrorCode::NotUndoable);
    assert_eq!(draft.lines(), None);
    // A line that is replaced beside others, and one that was commented out.
    let both = text.replace(
        "url: https://a.example\n  api_key",
        "url: https://b.example\n  # api_key",
    );
    assert_eq!(Draft::new(text, both.as_str()).lines(), None);
    let url = Draft::new(text, text.replace("a.example", "b.example"));
    let changed = url.changes().expect("no secret");
    assert_eq!(changed.len(), 1);
    assert!(!format!("{:?}", url.lines()).contains("0123"));
}
