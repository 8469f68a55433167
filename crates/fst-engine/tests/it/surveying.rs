//! What a name turns out to be, compared with base.

use fst_engine::identify::{FileKey, Seen};
use fst_engine::survey::{Finding, Row, compare};
use fst_proto::entry::{Content, Kind};
use fst_proto::ids::NodeId;

use crate::lang::{id, leaf};

fn key(ino: u64) -> FileKey {
    FileKey { dev: 1, ino }
}

fn row(node: &str, content: Content, ino: Option<u64>) -> Row {
    Row {
        id: id(node),
        content,
        key: ino.map(key),
    }
}

fn seen(content: Content, ino: u64) -> Seen {
    Seen::Known {
        content,
        mtime_ns: 0,
        size: 1,
        key: key(ino),
    }
}

#[test]
fn an_entry_is_compared_with_the_one_node_of_its_name() {
    let (one, two) = (leaf(Kind::File, "1", false), leaf(Kind::File, "2", false));
    let link = leaf(Kind::Symlink, "1", false);
    let a: NodeId = id("a");
    let base = [row("a", one, Some(7))];
    let unknown = [row("a", one, None)];
    let two_rows = [row("a", one, Some(7)), row("b", one, Some(7))];
    let rows: [(&str, Option<Seen>, &[Row], Finding); 9] = [
        ("the same", Some(seen(one, 7)), &base, Finding::Same(a)),
        (
            "other bytes",
            Some(seen(two, 7)),
            &base,
            Finding::Changed(a),
        ),
        (
            "another object",
            Some(seen(one, 8)),
            &base,
            Finding::Changed(a),
        ),
        (
            "of unknown identity",
            Some(seen(one, 7)),
            &unknown,
            Finding::Changed(a),
        ),
        ("another kind", Some(seen(link, 7)), &base, Finding::New),
        ("nothing", None, &base, Finding::Gone),
        ("a new name", Some(seen(one, 7)), &[], Finding::New),
        (
            "two nodes at the name",
            Some(seen(one, 7)),
            &two_rows,
            Finding::New,
        ),
        (
            "not to be seen",
            Some(Seen::Problem),
            &base,
            Finding::Hidden(a),
        ),
    ];
    for (case, entry, base, expected) in rows {
        assert_eq!(compare(entry.as_ref(), base), expected, "{case}");
    }
}
