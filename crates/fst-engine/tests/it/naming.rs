//! Rows S-140 to S-149: what conflict copies are called.

use fst_engine::naming::{Origin, conflict_name, device_of, is_device, original_of};
use fst_proto::path::{NAME_LEN_MAX, Name};
use fst_proto::time::UnixMillis;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::{prop_assert, proptest};

use crate::cases;
use crate::lang::name;

const AT: UnixMillis = UnixMillis(1_700_000_000_000);

fn origin(device: &str) -> Origin<'_> {
    Origin {
        device,
        at: AT,
        version_hex4: "9f2c",
    }
}

fn free(original: &str) -> String {
    conflict_name(&name(original), origin("laptop"), &|_| false).to_string()
}

#[test]
fn s140_a_copy_names_device_time_and_version() {
    assert_eq!(
        free("plan"),
        "plan (conflict laptop 2023-11-14 221320-9f2c)"
    );
}

#[test]
fn s141_the_extension_stays_at_the_end() {
    assert_eq!(
        free("plan.md"),
        "plan (conflict laptop 2023-11-14 221320-9f2c).md"
    );
    assert_eq!(
        free("a.tar.gz"),
        "a.tar (conflict laptop 2023-11-14 221320-9f2c).gz"
    );
    assert_eq!(
        free(".bashrc"),
        ".bashrc (conflict laptop 2023-11-14 221320-9f2c)"
    );
    let long = format!("a.{}", "x".repeat(40));
    assert_eq!(
        free(&long),
        format!("{long} (conflict laptop 2023-11-14 221320-9f2c)")
    );
}

#[test]
fn s142_a_conflict_of_a_copy_does_not_nest() {
    let copy = free("plan.md");
    assert_eq!(free(&copy), copy);
    assert_eq!(
        free("p (conflict old pc 2001-02-03 040506-00aa 12).md"),
        free("p.md")
    );
    for other in [
        "p (conflict).md",
        "p (conflict pc 2001-02-03 040506-zzzz).md",
        "p (conflict pc 2001-02-03).md",
    ] {
        assert!(
            free(other).starts_with(&other[..other.len() - 3]),
            "{other}"
        );
        assert_eq!(original_of(&name(other)), None);
    }
    assert_eq!(original_of(&name(&copy)), Some(name("plan.md")));
}

#[test]
fn s143_a_taken_name_gets_a_number() {
    let mut taken: Vec<Name> = Vec::new();
    for number in ["", " 2", " 3"] {
        let got = conflict_name(&name("a.md"), origin("pc"), &|name| taken.contains(name));
        assert_eq!(
            got.to_string(),
            format!("a (conflict pc 2023-11-14 221320-9f2c{number}).md")
        );
        taken.push(got);
    }
}

#[test]
fn s144_a_long_name_is_cut_at_a_character() {
    let got = conflict_name(
        &name(&format!("{}.md", "ü".repeat(126))),
        origin("pc"),
        &|_| false,
    );
    assert!(got.as_bytes().len() <= NAME_LEN_MAX && got.as_bytes().len() > NAME_LEN_MAX - 2);
    let text = std::str::from_utf8(got.as_bytes()).expect("no character is cut");
    assert!(text.starts_with("üü") && text.ends_with("9f2c).md"));
}

#[test]
fn s145_names_that_are_no_text_keep_their_bytes() {
    let odd = Name::new(b"a\xff\xfe.md").expect("a name");
    let got = conflict_name(&odd, origin("pc"), &|_| false);
    assert_eq!(
        got.as_bytes(),
        b"a\xff\xfe (conflict pc 2023-11-14 221320-9f2c).md"
    );
    let odd = Name::new(&[0x80; 255]).expect("a name");
    let got = conflict_name(&odd, origin("pc"), &|_| false);
    assert!(got.as_bytes().starts_with(&[0x80; 100]) && got.as_bytes().len() <= NAME_LEN_MAX);
}

#[test]
fn s146_a_device_name_cannot_break_the_name() {
    let part = |device: &str| {
        let text = conflict_name(&name("a"), origin(device), &|_| false);
        let text = text.to_string();
        let text = text
            .strip_prefix("a (conflict ")
            .expect("the start")
            .to_owned();
        text.strip_suffix(" 2023-11-14 221320-9f2c)")
            .expect("the end")
            .to_owned()
    };
    assert_eq!(part("../a\n(b)"), ".._a__b_");
    assert_eq!(part("  "), "device");
    assert_eq!(part(""), "device");
    assert_eq!(part(&"é".repeat(30)), "é".repeat(20));
    let copy = conflict_name(&name("a"), origin("my pc 2 (old)"), &|_| false);
    assert_eq!(original_of(&copy), Some(name("a")));
}

proptest! {
    #![proptest_config(cases(3_000))]

    /// Any name, any device: a valid free name, from which the same name is made again.
    #[test]
    fn any_name_has_a_copy_name(bytes in vec(any::<u8>(), 1..256), device in any::<String>(), at in any::<u32>()) {
        if let Ok(original) = Name::new(&bytes) {
            let origin = Origin { device: &device, at: UnixMillis(u64::from(at) * 1000), version_hex4: "00ff" };
            let first = conflict_name(&original, origin, &|_| false);
            prop_assert!(first.as_bytes().len() <= NAME_LEN_MAX && first != original);
            let second = conflict_name(&original, origin, &|name| *name == first);
            prop_assert!(second != first && second != original);
            prop_assert!(conflict_name(&first, origin, &|_| false) == first);
        }
    }
}

/// The device that a copy names, and whether a device of that name is meant.
#[test]
fn a_copy_tells_whose_it_is() {
    for (copy, device) in [
        (
            "p (conflict old pc 2001-02-03 040506-00aa).md",
            Some("old pc"),
        ),
        (" (conflict pc 2001-02-03 040506-00aa)", Some("pc")),
        ("p (conflict pc 2001-02-03 040506-00aa 12).md", Some("pc")),
        (
            "p (conflict 2001-02-03 2001-02-03 040506-00aa)",
            Some("2001-02-03"),
        ),
        ("p (conflict).md", None),
        ("p.md", None),
    ] {
        assert_eq!(device_of(&name(copy)).as_deref(), device, "{copy}");
    }
    assert!(is_device("old pc", "old pc") && is_device("a_b", "a/b"));
    assert!(!is_device("old pc", "new pc") && !is_device("a/b", "a/b"));
}
