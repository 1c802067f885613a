//! The walls: which room may import which, where each outside crate lives, how long a file may be.
//! Reads `src` as text. A wall is a row of data here; to move one is a decision that shows in a
//! change of this file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room with the rooms it may import. `cli` and `app` are at the top and may see what stands.
const WALLS: &[(&str, &[&str])] = &[
    ("mail", &["fault"]),
    ("fault", &["mail"]),
    ("query", &["mail", "fault"]),
    ("keys", &[]),
    ("theme", &[]),
    ("job", &["mail", "query", "fault"]),
    ("config", &["mail", "fault"]),
    ("login", &["mail", "fault", "config"]),
    ("store", &["mail", "fault", "job"]),
    ("ledger", &["mail", "fault"]),
    ("index", &["mail", "query", "fault", "job"]),
    ("remote", &["mail", "fault", "config", "login"]),
    ("sync", &["mail", "fault", "config", "remote", "store", "ledger", "job", "login"]),
    ("outbox", &["mail", "fault", "config", "login", "store", "job"]),
    ("rules", &["mail", "query", "fault", "job", "config", "store", "ledger", "index", "sync", "state"]),
    ("state", &["mail", "query", "fault", "keys", "job", "config"]),
    ("ui", &["mail", "fault", "keys", "theme", "state", "job"]),
    (
        "app",
        &[
            "mail", "query", "fault", "keys", "theme", "job", "config", "login", "store", "ledger", "index", "remote",
            "sync", "outbox", "rules", "state", "ui",
        ],
    ),
    (
        "cli",
        &[
            "mail", "query", "fault", "keys", "theme", "job", "config", "login", "store", "ledger", "index", "remote",
            "sync", "outbox", "rules", "state", "ui", "app",
        ],
    ),
];

/// Files that must be purer than their room.
const PURE: &[(&str, &[&str])] = &[
    ("sync/changes.rs", &["mail", "sync"]),
    ("sync/plan.rs", &["mail", "sync"]),
    ("sync/moves.rs", &["mail", "sync"]),
    ("sync/guard.rs", &["mail", "sync"]),
    ("outbox/policy.rs", &["mail", "fault"]),
    ("remote/imap/tokens.rs", &["mail", "fault"]),
    ("remote/pop3/protocol.rs", &["mail", "fault"]),
    ("store/name.rs", &["mail", "fault"]),
];

/// Rooms and files in which nothing may touch files, sockets, threads or the clock.
const NO_WORLD: &[&str] = &[
    "mail/",
    "query/",
    "keys/",
    "fault.rs",
    "job/",
    "state/",
    "ui/",
    "sync/changes.rs",
    "sync/plan.rs",
    "sync/moves.rs",
    "sync/guard.rs",
    "outbox/policy.rs",
    "remote/imap/tokens.rs",
    "remote/pop3/protocol.rs",
    "store/name.rs",
];

/// What the world is made of, as it is written in code.
const WORLD: &[&str] = &[
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::env",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "tokio::",
];

/// Each outside crate with the places that may name it.
const HOMES: &[(&str, &[&str])] = &[
    ("imap", &["remote/imap/"]),
    ("lettre", &["outbox/smtp.rs", "outbox/smtp/", "mail/build.rs", "mail/build/"]),
    ("notmuch", &["index/notmuch.rs"]),
    ("regex", &["index/ignore.rs"]),
    ("rusqlite", &["ledger/", "index/"]),
    ("mailparse", &["mail/"]),
    ("crossterm", &["app/"]),
    ("ratatui", &["ui/", "theme/", "app/terminal.rs", "app/paint.rs", "app/headless.rs"]),
    ("toml", &["config/", "theme/"]),
    ("directories", &["config/paths.rs"]),
    ("tokio", &["app/", "outbox/smtp.rs", "outbox/smtp/"]),
    ("flate2", &["remote/imap/extensions/compress.rs"]),
    ("html2text", &["mail/html.rs", "mail/html/"]),
    ("rustls", &["login/", "remote/link.rs", "outbox/smtp.rs", "outbox/smtp/"]),
    ("clap", &["cli/"]),
    ("rust_stemmers", &["query/forms.rs"]),
];

/// Files over 600 lines, with the reason.
const LONG: &[(&str, &str)] = &[];

const LONGEST: usize = 600;

fn source() -> Vec<(String, String)> {
    files_of("src")
}

fn files_of(part: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(part);
    let mut files = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// The code of a file: without comments, and without its tests, which may see more.
fn code(text: &str) -> String {
    let before_tests = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    before_tests
        .lines()
        .map(|line| line.split_once("//").filter(|(head, _)| !head.contains('"')).map_or(line, |(head, _)| head))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The room that a file belongs to: `mail/date.rs` and `fault.rs` alike.
fn room(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

/// The rooms that code names after `crate::`, also in `use crate::{a, b}`.
fn imports(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let preceded = code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        if preceded {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0usize;
            let mut word = String::new();
            let mut first = true;
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        first = true;
                        rooms.insert(std::mem::take(&mut word));
                    }
                    c if depth == 0 && first && (c.is_alphanumeric() || c == '_') => word.push(c),
                    c if c.is_whitespace() => {}
                    _ if depth == 0 => first = false,
                    _ => {}
                }
            }
            rooms.insert(word);
        } else {
            rooms.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    rooms.retain(|room| WALLS.iter().any(|(known, _)| known == room));
    rooms
}

#[test]
fn every_room_imports_only_what_its_wall_lets_through() {
    let walls: BTreeMap<&str, &[&str]> = WALLS.iter().copied().collect();
    let mut broken = Vec::new();
    for (file, text) in source() {
        if file == "lib.rs" || file == "main.rs" {
            continue;
        }
        let own = room(&file);
        let allowed = walls.get(own).unwrap_or_else(|| panic!("{file}: a room without a wall"));
        for import in imports(&code(&text)) {
            if import != own && !allowed.contains(&import.as_str()) {
                broken.push(format!("{file} imports {import}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn pure_files_stay_pure() {
    let mut broken = Vec::new();
    for (file, text) in source() {
        let code = code(&text);
        if let Some((_, allowed)) = PURE.iter().find(|(name, _)| *name == file) {
            for import in imports(&code) {
                if !allowed.contains(&import.as_str()) {
                    broken.push(format!("{file} imports {import}"));
                }
            }
        }
        if NO_WORLD.iter().any(|place| file.starts_with(place)) {
            for word in WORLD {
                if code.contains(word) {
                    broken.push(format!("{file} touches the world: {word}"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn walls_have_no_cycle_but_the_two_foundations() {
    // `fault` names accounts and clean text, `mail` builds and says what failed: these two words
    // are the foundation together. Everything above must be a tree of layers.
    let mut left: BTreeMap<&str, BTreeSet<&str>> =
        WALLS.iter().map(|(room, rooms)| (*room, rooms.iter().copied().collect())).collect();
    left.entry("mail").or_default().remove("fault");
    while !left.is_empty() {
        let free: Vec<&str> = left.iter().filter(|(_, needs)| needs.is_empty()).map(|(room, _)| *room).collect();
        assert!(!free.is_empty(), "a cycle among {:?}", left.keys());
        for room in free {
            left.remove(room);
            for needs in left.values_mut() {
                needs.remove(room);
            }
        }
    }
}

#[test]
fn outside_crates_stay_at_home() {
    let mut broken = Vec::new();
    for (file, text) in source() {
        let code = code(&text);
        for (name, homes) in HOMES {
            let used = [
                format!("use {name}::"),
                format!(" {name}::"),
                format!("({name}::"),
                format!("<{name}::"),
                format!("&{name}::"),
            ]
            .iter()
            .any(|needle| code.contains(needle.as_str()));
            if used && !homes.iter().any(|home| file.starts_with(home)) {
                broken.push(format!("{file} names {name}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn threads_start_in_one_place() {
    let starters: Vec<String> = source()
        .into_iter()
        .filter(|(file, _)| file != "app/workers.rs")
        .filter(|(_, text)| {
            let code = code(text);
            code.contains("thread::spawn") || code.contains("thread::Builder") || code.contains("thread::scope")
        })
        .map(|(file, _)| file)
        .collect();
    assert!(starters.is_empty(), "threads start in {starters:?}");
}

#[test]
fn no_file_is_too_long() {
    for (file, text) in source().into_iter().chain(files_of("tests")) {
        let lines = text.lines().count();
        let excused = LONG.iter().any(|(name, why)| *name == file && !why.is_empty());
        assert!(lines <= LONGEST || excused, "{file} has {lines} lines: two rooms in one?");
    }
}

#[test]
fn every_file_says_what_it_is() {
    for (file, text) in source() {
        assert!(text.starts_with("//!") || text.starts_with("#!["), "{file} does not say what it is");
    }
}

#[test]
fn no_second_tls_or_sql_in_the_tree() {
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    for name in ["openssl-sys", "native-tls", "aws-lc-rs", "aws-lc-sys", "mail-parser"] {
        assert!(!lock.contains(&format!("name = \"{name}\"\n")), "{name} crept in");
    }
    for name in ["ratatui", "crossterm", "rusqlite", "rustls"] {
        let count = lock.matches(&format!("name = \"{name}\"\n")).count();
        assert_eq!(count, 1, "{name} is in the tree {count} times");
    }
}
