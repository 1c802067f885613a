//! Names of folders, whatever a server sends: each finds its way to a directory of its own and back, and
//! through modified UTF-7 and back.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use tern::mail::mailbox::{MailboxName, from_modified_utf7, to_modified_utf7};
use tern::mail::place::Layout;
use tern::store::folders::Root;

/// Names out of what is hard about names, so that many are nearly the same.
fn names() -> impl Strategy<Value = MailboxName> {
    let piece = prop::sample::select(vec![
        "a",
        "A",
        "b",
        "/",
        ".",
        "..",
        "%",
        "%41",
        "%c3",
        "%C3",
        "+",
        "%+",
        "&",
        "&-",
        "&APw-",
        "cur",
        "NEW",
        "tmp",
        "inbox",
        "INBOX",
        "\u{fc}",
        "\u{dc}",
        "\u{df}",
        "\u{212a}",
        "\u{1f4e7}",
        " ",
        "~",
        "\\",
        "$(x)",
        "`",
        "*",
        "?",
        "-",
        "\u{202e}",
        "\u{feff}",
        "\u{53f0}\u{5317}",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ]);
    let text = prop_oneof![
        8 => prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat()),
        1 => "\\PC{1,60}".prop_map(|text| text),
    ];
    text.prop_filter_map("no name", |text| MailboxName::new(&text))
}

/// How a path looks where case says nothing.
fn folded(path: &Path) -> String {
    path.to_str().unwrap().chars().flat_map(char::to_uppercase).collect::<String>().to_lowercase()
}

#[test]
fn a_name_is_not_taken_for_the_spelling_of_another() {
    let home = tempfile::tempdir().unwrap();
    let root = Root { path: home.path().to_path_buf(), layout: Layout::MaildirPlusPlus };
    let made = ["&-", "&--", "R&-D", "R&D"].map(|name| root.create(&MailboxName::new(name).unwrap()).unwrap());
    assert_eq!(made.iter().collect::<BTreeSet<_>>().len(), 4, "{made:?}");
    assert_eq!(root.list().found.into_values().collect::<BTreeSet<_>>(), made.into());
}

#[test]
fn every_name_has_a_directory_of_its_own_and_comes_back() {
    let shm = Path::new("/dev/shm");
    let home = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.unwrap();
    let layouts = [Layout::Nested, Layout::MaildirPlusPlus];
    let round = Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    runner
        .run(&(prop::collection::btree_set(names(), 1..12), 0..2_usize, any::<bool>()), |(names, layout, backwards)| {
            round.set(round.get() + 1);
            let root = Root { path: home.path().join(round.get().to_string()), layout: layouts[layout] };
            let mut order: Vec<&MailboxName> = names.iter().collect();
            if backwards {
                order.reverse();
            }
            let mut made = BTreeMap::new();
            for name in order {
                match root.create(name) {
                    Ok(path) => {
                        prop_assert!(path.starts_with(&root.path) && !path.components().any(|c| c.as_os_str() == ".."));
                        made.insert(name.clone(), path);
                    }
                    // A level of a flat tree cannot be cut in two.
                    Err(_) => prop_assert!(layout == 1 && name.as_str().len() > 40, "{name:?}"),
                }
            }
            let paths: BTreeSet<String> = made.values().map(|path| folded(path)).collect();
            prop_assert_eq!(paths.len(), made.len(), "two names in one directory: {:?}", made);
            let listed = root.list();
            prop_assert_eq!(&listed.faults, &vec![]);
            prop_assert_eq!(&listed.found, &made);
            for (name, path) in &made {
                prop_assert_eq!(&root.directory(name).unwrap(), path);
            }
            std::fs::remove_dir_all(&root.path).unwrap_or_default();
            Ok(())
        })
        .unwrap();
}

#[test]
fn modified_utf7_is_ascii_and_comes_back() {
    proptest!(Config { cases: 2000, failure_persistence: None, ..Config::default() }, |(text in any::<String>())| {
        let wire = to_modified_utf7(&text);
        prop_assert!(wire.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{wire}");
        prop_assert_eq!(from_modified_utf7(&wire), Some(text));
    });
    proptest!(Config { cases: 2000, failure_persistence: None, ..Config::default() }, |(wire in "[ -~]{0,30}")| {
        // What is read at all is written the same way again.
        if let Some(text) = from_modified_utf7(&wire) {
            prop_assert_eq!(to_modified_utf7(&text), wire);
        }
    });
}
