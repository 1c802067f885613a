//! Another program that writes, and databases that are no good: nothing on a screen waits, nothing is lost.

use std::fs;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use tern::config::{self, Paths};
use tern::index::{AT_ONCE, Ground, Notmuch, Sources, run_notmuch, run_reader};
use tern::job::Ticket;
use tern::job::index::{DatabaseState, Grouping, IndexJob, IndexReport, ListSpec, SearchScope, Source, Standing};
use tern::query::{Dialect, parse_in};

use super::world::{Home, message};
use crate::terminal::Session;

fn three() -> Home {
    let home = Home::new("");
    for (n, title) in ["one", "two", "three"].into_iter().enumerate() {
        home.put(&format!("ada/INBOX/cur/100{n}.x:2,S"), &message(n, "grace@example.net", title, "words of brass"));
    }
    home.notmuch_new();
    home.succeed(&["index", "--quiet"]);
    home
}

fn engine(home: &Home) -> Notmuch {
    Notmuch {
        config: Some(home.path("notmuch-config")),
        profile: None,
        queue: home.path("data/tern/notmuch.db"),
        at_once: AT_ONCE,
    }
}

/// A thread with its jobs and reports.
fn worker(
    run: impl FnOnce(&Receiver<IndexJob>, &dyn Fn(IndexReport)) + Send + 'static,
) -> (Sender<IndexJob>, Receiver<IndexReport>, thread::JoinHandle<()>) {
    let (jobs, queue) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || run(&queue, &|report| drop(tell.send(report))));
    (jobs, told, thread)
}

fn search(text: &str, ticket: u64) -> IndexJob {
    let zone = jiff::tz::TimeZone::UTC;
    let query = parse_in(Dialect::Notmuch, text, tern::mail::ids::Timestamp::new(0), &zone).unwrap();
    let list = ListSpec::new(Source::Search { query, scope: SearchScope::All }, Grouping::Flat);
    IndexJob::Rows { ticket: Ticket(ticket), list, first: 0, count: 20, anchor: None }
}

fn rows(told: &Receiver<IndexReport>) -> Vec<String> {
    match told.recv().unwrap() {
        IndexReport::Rows { rows, .. } => rows.iter().map(|row| row.subject.to_string()).collect(),
        other => panic!("{other:?}"),
    }
}

fn standing(told: &Receiver<IndexReport>) -> DatabaseState {
    loop {
        match told.recv().unwrap() {
            IndexReport::Database(state) => return state,
            IndexReport::Tagged(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn another_writer_keeps_nobody_from_searching_and_what_waits_is_written_after_it() {
    let home = three();
    let (at, index) = (engine(&home), home.path("cache/tern/index.db"));
    let hold = home.hold();
    home.put("ada/INBOX/cur/2000.y:2,S", &message(7, "lin@example.net", "seven", "late"));
    let told = home.run(&["index", "--quiet"]);
    let err = String::from_utf8_lossy(&told.stderr);
    assert!(err.contains("another program writes; what changed (1) waits"), "{err}");
    let (orders, met, meeting) = worker({
        let (at, index) = (at.clone(), index.clone());
        move |jobs, report| run_notmuch(&at, &index, jobs, report)
    });
    let (ask, told, finder) = worker(move |jobs, report| run_reader(&index, Some(&at), jobs, report));
    orders.send(IndexJob::Meet).unwrap();
    assert_eq!(standing(&met), DatabaseState { waiting: 1, standing: Standing::Busy });
    // All of this is answered while the other one still writes.
    for (ticket, (text, found)) in
        [("brass", 3), ("notmuch:\"subject:/^t/\"", 2), ("tag:inbox -one", 2)].into_iter().enumerate()
    {
        ask.send(search(text, ticket as u64)).unwrap();
        assert_eq!(rows(&told).len(), found, "{text}");
    }
    let minutes = std::env::var_os("TERN_LONG").is_some();
    if minutes {
        thread::sleep(std::time::Duration::from_mins(1));
        ask.send(search("brass", 9)).unwrap();
        assert_eq!(rows(&told).len(), 3);
    }
    assert!(met.try_iter().all(|report| matches!(report, IndexReport::Tagged(_))), "it still waits");
    hold.release();
    assert_eq!(standing(&met), DatabaseState { waiting: 0, standing: Standing::Ready }, "it is tried again by itself");
    ask.send(search("late", 10)).unwrap();
    assert_eq!(rows(&told), ["seven"], "the reader sees what was written since");
    drop((orders, ask));
    meeting.join().unwrap();
    finder.join().unwrap();
    assert_eq!(home.notmuch(&["count", "*"]).trim(), "4");
    home.assert_nothing_new();
}

#[test]
fn the_screen_goes_on_while_another_program_writes_and_says_so() {
    let home = three();
    let mut session = Session::start(&home, &[], 100, 24);
    session.expect("three");
    let hold = home.hold();
    session.press("+work\r");
    session.expect("[work]");
    session.expect("notmuch: busy, 1 wait");
    session.press("/brass");
    session.expect("3 found");
    session.press("\r");
    session.press("jk");
    session.expect("three");
    hold.release();
    session.expect_gone("notmuch: busy");
    home.notmuch(&["tag", "+elsewhere", "--", "subject:two"]);
    session.expect("[elsewhere]");
    assert_eq!(home.tags_there(2), ["inbox", "work"]);
    session.press("q");
}

#[test]
fn a_database_that_is_away_is_told_and_the_index_answers() {
    let home = three();
    let database = home.path("mail/.notmuch");
    fs::rename(&database, home.path("away")).unwrap();
    let output = home.run(&["search", "--count", "--", "brass"]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(out.trim(), "3");
    assert!(err.contains("notmuch") && err.contains("the index of tern answers instead"), "{err}");
    let output = home.run(&["search", "--count", "--", "tag:unread or is:starred"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0", "tags of flags are flags here");
    let output = home.run(&["search", "--count", "--", "from:/grace/"]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && err.contains("this query as one of notmuch's"), "{err}");
    // What is tagged meanwhile waits for it.
    let told = home.run(&["tag", "+meanwhile", "--", "subject:one"]);
    assert!(String::from_utf8_lossy(&told.stderr).contains("notmuch"));
    let told = home.run(&["doctor", "--offline"]);
    assert!(String::from_utf8_lossy(&told.stdout).contains("fail search.notmuch"), "{told:?}");
    fs::rename(home.path("away"), &database).unwrap();
    assert_eq!(home.found("from:/grace/").len(), 3);
    assert_eq!(home.tags_there(0), ["inbox", "meanwhile"]);
    assert_eq!(home.tags("INBOX", "one"), ["inbox", "meanwhile"]);
    let told = String::from_utf8_lossy(&home.run(&["doctor", "--offline"]).stdout).into_owned();
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("ok search.notmuch") && told.contains("answers searches and keeps the tags"), "{told}");
}

#[test]
fn a_database_of_a_later_version_is_left_alone() {
    let home = three();
    let table = home.path("mail/.notmuch/xapian/iamglass");
    let good = fs::read(&table).unwrap();
    let mut later = good.clone();
    // The version of the format stands behind the 14 bytes of its name.
    later[14] = later[14].wrapping_add(4);
    fs::write(&table, &later).unwrap();
    let output = home.run(&["search", "--count", "--", "brass"]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(out.trim(), "3", "{err}");
    assert!(err.contains("the index of tern answers instead"), "{err}");
    assert_eq!(fs::read(&table).unwrap(), later);
    fs::write(&table, good).unwrap();
    assert_eq!(home.found("notmuch:brass").len(), 3);
}

#[test]
fn a_query_that_notmuch_does_not_understand_is_told_and_costs_nothing_else() {
    let home = three();
    let output = home.run(&["search", "--", "from:/[/"]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && err.contains("this query as one of notmuch's"), "{err}");
    let mut session = Session::start(&home, &[], 100, 24);
    session.expect("three");
    session.press("/brass");
    session.expect("3 found");
    session.press(" from:/[/");
    session.expect("notmuch does not answer it");
    session.expect_gone("Looking");
    session.press("\u{15}one");
    session.expect("1 found");
    session.press("\u{1b}");
    session.press("q");
}

#[test]
fn a_name_that_would_steer_the_terminal_is_shown_and_not_obeyed() {
    let home = three();
    home.notmuch(&["tag", "+red\u{1b}[31m", "+ok", "--", "subject:one"]);
    let rows = home.succeed(&["list", "INBOX", "--json"]);
    assert!(!rows.contains('\u{1b}') && rows.contains("ok"), "{rows}");
}

#[test]
fn the_writer_of_the_index_takes_no_meeting_and_the_config_is_read() {
    let home = three();
    let config = config::load(&Paths::under(home.home()), Some(&home.path("config/tern/config.toml")));
    assert_eq!(config.problems, []);
    assert_eq!(config.search.notmuch_config, Some(home.path("notmuch-config")));
    let index = home.path("other.db");
    let (jobs, told, thread) = worker(move |jobs, report| {
        let ground =
            Ground { own: &[], sources: &Sources::default(), sieves: &tern::index::Sieves::none(), engine: None };
        tern::index::run_writer(&index, ground, jobs, report);
    });
    jobs.send(IndexJob::Meet).unwrap();
    drop(jobs);
    thread.join().unwrap();
    assert!(told.try_iter().any(|report| matches!(report, IndexReport::Failed { ticket: None, .. })));
}
