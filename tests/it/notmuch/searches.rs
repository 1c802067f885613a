//! The same searches find the same messages.

use tern::index::{AT_ONCE, Index, Notmuch};
use tern::job::index::{Grouping, ListSpec, SearchScope, Source};
use tern::mail::ids::Timestamp;
use tern::query::{Dialect, parse_in};

use super::world::{Home, id, message};

const WORDS: [&str; 8] = ["budget", "purple", "engine", "loom", "brass", "wheels", "numbers", "tea"];
const PEOPLE: [&str; 4] = ["grace@example.net", "lin.wei@example.com", "o.hara@example.org", "ada@example.org"];

/// Sixty messages of every kind, some of them in two folders, and tags.
fn filled(settings: &str) -> Home {
    let home = Home::new(settings);
    for n in 0..60 {
        let (a, b) = (WORDS[n % 8], WORDS[n * 5 % 7]);
        let title = format!("number {n} {a}");
        let body = format!("the {b} of {a} and {}", if n % 3 == 0 { "running costs" } else { "Runs" });
        let mut text = message(n, PEOPLE[n % 4], &title, &body);
        if n % 10 == 7 {
            text = text.replace("\n\n", "\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n");
            text.push_str("--b\nContent-Disposition: attachment; filename=\"plan.pdf\"\n\nx\n--b--\n");
        }
        if n % 15 == 4 {
            text = text.replace(&format!("Message-ID: <{}>\n", id(n)), "");
        }
        match n {
            54 => text = text.replace("Date: ", "X-Date: "),
            46 => text = text.replace(" 2025 ", " 2098 "),
            _ => {}
        }
        let folder = ["ada/INBOX", "ada/Archive", "bob/INBOX", "ada/junk"][n % 4];
        let flags = ["", "S", "FS", "RS", "PS"][n % 5];
        home.put(&format!("{folder}/cur/{}.n{n}:2,{flags}", 1000 + n), &text);
        if n % 12 == 5 {
            home.put(&format!("ada/INBOX/cur/{}.twin:2,S", 2000 + n), &text);
        }
    }
    home.notmuch_new();
    for (tag, query) in [
        ("+todo", "subject:budget"),
        ("+für später", "from:grace and tag:unread"),
        ("+say \"so\"", "subject:loom"),
        ("-inbox", "folder:ada/Archive"),
        ("+spam", "folder:ada/junk"),
    ] {
        home.notmuch(&["tag", tag, "--", query]);
    }
    home
}

#[test]
fn the_same_searches_find_the_same_messages() {
    let home = filled("[search]\nexclude_tags=spam\n");
    let mut hits = 0;
    for query in [
        "budget",
        "purple loom",
        "purple or tea",
        "run",
        "\"running costs\"",
        "bud*",
        "engine -brass",
        "not engine",
        "from:grace",
        "from:lin.wei@example.com",
        "from:\"/^(grace|lin)/\"",
        "to:ada subject:loom",
        "subject:\"number 7\"",
        "subject:/budget$/ and not from:grace",
        "body:wheels",
        "attachment:plan.pdf",
        "tag:attachment",
        "is:unread",
        "tag:unread and not tag:todo",
        "is:flagged or is:replied",
        "tag:passed",
        "tag:inbox",
        "tag:spam",
        "is:todo",
        "tag:\"für später\"",
        "folder:ada/INBOX",
        "folder:ada/INBOX -is:unread",
        "path:bob/**",
        "path:ada/** from:grace",
        "date:2025-01..2025-02",
        "date:2025-01 budget",
        "id:m3@example.net",
        "mid:/m1.@example/",
        "thread:\"{from:grace and subject:budget}\"",
        "(purple and (loom or brass)) or date:2025-02-03",
        "mimetype:multipart/mixed",
        "lastmod:1..1000000",
        "*",
        "nothing of that kind",
    ] {
        let (theirs, ours) = (home.found_by_notmuch(query), home.found(query));
        assert_eq!(ours, theirs, "{query}");
        hits += theirs.len();
    }
    assert!(hits > 300, "{hits}");
    // Quotes in quotes are written otherwise there.
    assert_eq!(home.found("tag:\"say \\\"so\\\"\""), home.found_by_notmuch("tag:\"say \"\"so\"\"\""));
    assert_eq!(home.found("notmuch:\"tag:\\\"für später\\\" or from:ada\""), {
        home.found_by_notmuch("tag:\"für später\" or from:ada")
    });
    let count = home.succeed(&["search", "--count", "budget"]);
    assert_eq!(count.trim().parse::<usize>().unwrap(), home.found("budget").len());
    home.assert_nothing_new();
}

#[test]
fn what_notmuch_cannot_say_the_index_answers_of_what_it_finds() {
    let home = filled("");
    let all = home.found("budget");
    let inbox = home.found("in:ada/inbox budget");
    assert_eq!(inbox, all.intersection(&home.found_by_notmuch("folder:ada/INBOX")).cloned().collect());
    assert!(!inbox.is_empty() && inbox.len() < all.len());
    assert_eq!(home.found("account:bob from:/o.hara/"), home.found_by_notmuch("path:bob/** from:o.hara@example.org"));
    assert_eq!(home.found("is:sent budget"), home.found_by_notmuch("from:ada budget"));
    assert!(home.found("larger:1M budget").is_empty());
    assert_eq!(home.found("budget smaller:1M"), all);
    let either = home.found("tag:todo (in:bob/inbox or tag:flagged)");
    assert_eq!(either, home.found_by_notmuch("tag:todo and (path:bob/** or tag:flagged)"));
    let scoped = home.succeed(&["search", "-A", "bob", "--paths", "--", "tag:todo or from:/hara/"]);
    assert!(scoped.lines().count() > 0 && scoped.lines().all(|line| line.contains("/mail/bob/")), "{scoped}");
}

#[test]
fn the_newest_come_first_however_many_there_are() {
    let home = filled("");
    let titles = |arguments: &[&str]| -> Vec<String> {
        let rows = home.succeed(arguments);
        let row =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["date"].as_str().unwrap().to_owned();
        rows.lines().map(row).collect()
    };
    let all = titles(&["search", "--json", "--limit", "1000", "--", "purple or budget"]);
    let mut sorted = all.clone();
    sorted.sort_by(|a, b| b.cmp(a));
    assert_eq!(all, sorted);
    assert_eq!(titles(&["search", "--json", "--limit", "3", "--", "purple or budget"]), all[..3]);
}

#[test]
fn by_stretches_of_time_all_is_found_and_who_waits_no_more_is_heard() {
    let home = filled("");
    home.succeed(&["index", "--quiet"]);
    let at = |at_once| Notmuch {
        config: Some(home.path("notmuch-config")),
        profile: None,
        queue: home.path("data/tern/notmuch.db"),
        at_once,
    };
    let open = |at_once| Index::open(&home.path("cache/tern/index.db")).unwrap().with_engine(Some(&at(at_once)));
    for text in ["purple or budget", "from:/./", "tag:unread", "not engine", "running larger:1", "nothing of that kind"]
    {
        let query = parse_in(Dialect::Notmuch, text, Timestamp::new(0), &jiff::tz::TimeZone::UTC).unwrap();
        let all = |at_once| {
            let rows = open(at_once).search(&query, &SearchScope::All, 0, 1000).unwrap().rows;
            let mut rows: Vec<_> = rows.into_iter().map(|row| row.message).collect();
            rows.sort();
            rows
        };
        let expected = all(AT_ONCE);
        assert_eq!(all(0), expected, "{text}");
        let list = ListSpec::new(Source::Search { query, scope: SearchScope::All }, Grouping::Flat);
        let mut index = open(0);
        // It asks after the first stretch, not before it, and goes on from there when it is asked again.
        assert!(!index.count(&list, &|| false).unwrap(), "{text}");
        assert!(index.count(&list, &|| true).unwrap());
        assert_eq!(index.rows(&list, 0, 0, None).unwrap().total, expected.len(), "{text}");
        // Where a message stands is found again, whatever the order of the rows.
        for message in &expected {
            let window = index.rows(&list, 0, 5, Some(*message)).unwrap();
            assert!(window.rows.iter().any(|row| row.message == *message) && window.anchor.is_some(), "{text}");
        }
    }
}

#[test]
fn saved_searches_are_counted_there_too() {
    let home = filled("");
    let config = std::fs::read_to_string(home.path("config/tern/config.toml")).unwrap();
    let searches =
        "[searches]\ninbox = \"tag:inbox\"\nmine = \"thread:{from:ada}\"\nboth = \"search:inbox -search:mine\"\n";
    home.configure(&format!("{searches}{config}"));
    assert!(home.run(&["config", "check"]).status.success());
    let counted = home.succeed(&["searches", "--json"]);
    let row = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let counted: Vec<(String, u64)> = counted
        .lines()
        .map(|line| (row(line)["name"].as_str().unwrap().to_owned(), row(line)["total"].as_u64().unwrap()))
        .collect();
    for ((name, total), query) in
        counted.iter().zip(["tag:inbox", "thread:{from:ada}", "tag:inbox and not thread:{from:ada}"])
    {
        let found = home.found(&format!("search:{name}"));
        assert_eq!(found, home.found_by_notmuch(query), "{name}");
        assert!(*total >= found.len() as u64 && !found.is_empty(), "{name}: {total}");
    }
    assert_eq!(counted.len(), 3);
}
