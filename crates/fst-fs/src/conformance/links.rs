//! No symbolic link is followed, wherever it lies.
//!
//! Called by [`super::all`].

use super::{World, cases, is_stage_empty, path, refused, stage, staged_bytes, stat, tag};
use crate::vault::{AttrChange, FileKind};

cases![
    a_parent_that_became_a_link_is_refused_by_every_call,
    a_parent_swapped_for_a_link_during_a_replacement_is_refused,
    a_link_at_the_end_is_not_followed,
    links_are_kept_as_text,
];

fn a_parent_that_became_a_link_is_refused_by_every_call(world: &dyn World) {
    let vault = world.vault();
    world.mkdir(&path("d"));
    world.write(&path("d/file"), b"inside");
    world.mkdir(&path("d/sub"));
    world.write(&path("other"), b"other");
    stage(world, "t", b"new");
    world.rename(&path("d"), &path("moved"));
    world.link_outside(&path("d"));
    let (file, sub, new) = (path("d/file"), path("d/sub"), path("d/new"));
    refused!(vault.stat(&file), SymlinkInPath);
    refused!(vault.list(&path("d")), SymlinkInPath);
    refused!(vault.list(&sub), SymlinkInPath);
    refused!(vault.read_link(&file), SymlinkInPath);
    refused!(vault.open_read(&file), SymlinkInPath);
    refused!(vault.copy_to_stage(&file, &tag("u")), SymlinkInPath);
    refused!(vault.place_new(&tag("t"), &new), SymlinkInPath);
    refused!(vault.unstage_move(&tag("t"), &new), SymlinkInPath);
    refused!(vault.exchange(&tag("t"), &file), SymlinkInPath);
    refused!(vault.stage_move(&file, &tag("u")), SymlinkInPath);
    refused!(vault.rename_new(&file, &path("taken")), SymlinkInPath);
    refused!(vault.rename_new(&path("other"), &new), SymlinkInPath);
    refused!(vault.make_dir(&new), SymlinkInPath);
    refused!(vault.remove_dir(&sub), SymlinkInPath);
    let change = AttrChange {
        exec: Some(true),
        mtime_ns: Some(0),
    };
    refused!(
        vault.set_attributes(&file, change, &mut |_| Ok(true)),
        SymlinkInPath
    );
    refused!(vault.stat(&path("d/sub/deeper/still")), SymlinkInPath);
    assert!(world.is_outside_untouched());
    assert_eq!(
        world.read(&path("moved/file")).as_deref(),
        Some(b"inside".as_slice())
    );
    assert_eq!(staged_bytes(world, "t").as_deref(), Some(b"new".as_slice()));
}

fn a_parent_swapped_for_a_link_during_a_replacement_is_refused(world: &dyn World) {
    use crate::commit::{Outcome, remove_if};
    world.mkdir(&path("d"));
    world.write(&path("d/file"), b"edit");
    let mut judge = |_: &crate::vault::Stat| {
        world.rename(&path("d"), &path("moved"));
        world.link_outside(&path("d"));
        Ok(false)
    };
    let done = remove_if(world.vault(), &path("d/file"), &tag("t"), &mut judge);
    assert!(
        matches!(done, Ok(Outcome::Displaced { cause: Some(_), .. })),
        "{done:?}"
    );
    assert_eq!(
        staged_bytes(world, "t").as_deref(),
        Some(b"edit".as_slice())
    );
    assert!(world.is_outside_untouched());
}

fn a_link_at_the_end_is_not_followed(world: &dyn World) {
    let vault = world.vault();
    world.link_outside(&path("dir"));
    world.write(&path("target"), b"target");
    world.symlink(&path("link"), b"target");
    for at in ["dir", "link"] {
        assert_eq!(stat(world, at).kind, FileKind::Symlink);
        refused!(vault.open_read(&path(at)), Special);
        refused!(vault.copy_to_stage(&path(at), &tag("u")), Special);
        refused!(vault.list(&path(at)), SymlinkInPath);
        let change = AttrChange {
            exec: Some(true),
            mtime_ns: None,
        };
        refused!(
            vault.set_attributes(&path(at), change, &mut |_| Ok(true)),
            Special
        );
    }
    refused!(vault.remove_dir(&path("dir")), NotADirectory);
    vault
        .rename_new(&path("dir"), &path("dir2"))
        .expect("rename the link itself");
    vault
        .stage_move(&path("dir2"), &tag("t"))
        .expect("take the link itself");
    vault.discard(&tag("t")).expect("discard the link itself");
    assert!(world.is_outside_untouched());
    assert!(!stat(world, "target").exec);
    assert!(is_stage_empty(world));
}

fn links_are_kept_as_text(world: &dyn World) {
    let vault = world.vault();
    let text = b"../out/\xff weird\ntext";
    let made = vault.stage_link(&tag("t"), text).expect("stage a link");
    assert_eq!(
        (made.kind, made.size),
        (FileKind::Symlink, text.len() as u64)
    );
    vault.place_new(&tag("t"), &path("l")).expect("place");
    assert_eq!(vault.read_link(&path("l")).expect("read"), text);
    world.write(&path("f"), b"x");
    refused!(vault.read_link(&path("f")), Special);
    refused!(vault.read_link(&path("none")), NotFound);
}
