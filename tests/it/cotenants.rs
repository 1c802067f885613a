//! Other programs at work in the same tree, the real ones: mbsync and `OfflineIMAP` that go on syncing it
//! although tern does too, with the same server and with another one. Nothing is doubled, on neither side.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tern::config::Tls;
use tern::job::sync::Keeper;
use tern::mail::flags::Flags;
use tern::mail::ids::Timestamp;
use tern::mail::mailbox::MailboxName;
use tern::store::maildir::fresh;
use tern::sync::worker::{dry_run, run_once};

use crate::adoption::Tree;
use crate::imap::connector;
use crate::servers::dovecot::{Dovecot, PASSWORD};
use crate::support::meeting::{Meeting, mail};

/// How long things go on at the same time.
pub(crate) fn a_while() -> Duration {
    Duration::from_secs(if std::env::var_os("TERN_LONG").is_some() { 120 } else { 6 })
}

impl Tree {
    fn write(&self, number: usize) {
        let bytes = mail(Some(&number.to_string()), &format!("mail {number}"));
        self.inbox().deliver(&fresh(None), &Flags::none(), &bytes).unwrap();
    }

    /// Lets all that other programs wrote look as old as that.
    fn age(&self, time: Duration) {
        let moment = std::time::SystemTime::now() - time;
        let inbox = self.inbox();
        for path in [inbox.path().to_owned(), inbox.path().join(".mbsyncstate")] {
            fs::File::open(path).unwrap().set_modified(moment).unwrap();
        }
    }
}

#[test]
fn the_second_of_two_syncers_only_reads_until_the_first_gives_way() {
    for state in ["SyncState *", "SyncState HOME/.mbsync/"] {
        let mut tree = Tree::new(state);
        fs::create_dir(tree.home.path().join(".mbsync")).unwrap();
        tree.deliver(11..30);
        tree.mbsync();
        let mut count = 19;
        for turn in 0..4 {
            let number = 100 + turn * 10;
            tree.deliver(number..number + 3);
            tree.write(number + 5);
            tree.flag_here(20 + turn, "S");
            // Always before the other one.
            let summary = tree.tern();
            let counts = summary.counts;
            assert_eq!((counts.fetched, counts.appended, counts.flagged_there), (0, 0, 1), "{counts:?}");
            let questions: Vec<&str> = summary.held.iter().map(|(_, question)| question.as_str()).collect();
            assert_eq!(questions.len(), 1);
            assert!(questions[0].starts_with("INBOX: mbsync synced this mail too, just now"), "{questions:?}");
            tree.mbsync();
            count += 4;
            tree.assert_met(count);
        }
        assert_eq!(tree.tern().held, []);
        // The user says that it runs no more: nobody is asked again, and nothing is held.
        tree.deliver(200..203);
        assert_eq!(tree.tern().held.len(), 1);
        tree.env.consent = Some(true);
        assert_eq!(tree.tern().counts.fetched, 3);
        tree.env.consent = None;
        tree.deliver(203..205);
        tree.write(205);
        let summary = tree.tern();
        assert_eq!((summary.counts.fetched, summary.counts.appended, summary.held.len()), (2, 1, 0));
        count += 6;
        tree.assert_met(count);
        // It runs all the same: what it takes for mail of the user's own it uploads, once.
        tree.mbsync();
        let doubled = tree.there().len();
        for turn in 0..3 {
            tree.deliver(300 + turn..301 + turn);
            assert_eq!(tree.tern().held.len(), 1, "it is seen that it lives");
            tree.mbsync();
            assert_eq!(tree.there().len(), doubled + turn + 1, "nothing more is doubled");
        }
    }
}

#[test]
fn a_state_that_rests_for_two_days_is_no_question() {
    for (hours, held) in [(47, 1), (49, 0)] {
        let tree = Tree::new("SyncState *");
        tree.deliver(11..20);
        tree.mbsync();
        tree.deliver(21..22);
        tree.age(Duration::from_hours(hours));
        let summary = tree.tern();
        assert_eq!((summary.held.len(), summary.counts.fetched), (held, u64::from(held == 0)));
        if held == 1 {
            continue;
        }
        tree.assert_met(10);
        // Now that tern has taken over, one run of the other is one too many.
        tree.mbsync();
        tree.deliver(61..62);
        assert_eq!(tree.tern().held.len(), 1);
    }
}

#[test]
fn both_at_the_same_time_double_nothing() {
    let tree = Tree::new("SyncState *");
    tree.deliver(11..30);
    tree.mbsync();
    let is_over = AtomicBool::new(false);
    let mut delivered = 0;
    let goes_on = || !is_over.load(Ordering::SeqCst);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while goes_on() {
                tree.mbsync();
            }
        });
        scope.spawn(|| {
            while goes_on() {
                let summary = run_once(&tree.env, &|_| ()).unwrap();
                assert_eq!((summary.counts.fetched, summary.counts.appended), (0, 0));
            }
        });
        let end = Instant::now() + a_while();
        while Instant::now() < end {
            let number = 1001 + delivered * 10;
            tree.deliver(number..number + 1);
            tree.write(number + 1);
            delivered += 2;
            std::thread::sleep(Duration::from_millis(60));
        }
        is_over.store(true, Ordering::SeqCst);
    });
    for _ in 0..2 {
        tree.mbsync();
        let counts = tree.tern().counts;
        assert_eq!((counts.fetched, counts.appended), (0, 0), "{counts:?}");
    }
    tree.assert_met(19 + delivered);
}

#[test]
fn with_another_server_both_go_on() {
    let mut tree = Tree::new("SyncState *");
    let other = Dovecot::start();
    let theirs = other.deliver("bob", "INBOX", &mail(Some("theirs"), "mail 9"));
    // Two servers that begin in the same second would number the same.
    let list = theirs.parent().unwrap().parent().unwrap().join("dovecot-uidlist");
    fs::write(list, "3 V1234567 N1 G0123456789abcdef0123456789abcdef\n").unwrap();
    other.hand_over("bob");
    let account = other.account("bob", Tls::Implicit, &tree.env.account.maildir);
    tree.env.connect = Some(Arc::new(connector(&other, "bob", Tls::Implicit)));
    tree.env.account = account;
    tree.deliver(11..20);
    tree.mbsync();
    let counts = tree.tern().counts;
    assert_eq!((counts.adopted, counts.fetched, counts.appended, counts.keeper), (0, 1, 9, None), "{counts:?}");
    for turn in 0..3 {
        tree.deliver(30 + turn..31 + turn);
        tree.mbsync();
        other.deliver("bob", "INBOX", &mail(Some(&format!("b{turn}")), &format!("mail {}", 40 + turn)));
        other.hand_over("bob");
        let summary = tree.tern();
        let done = (summary.counts.fetched, summary.counts.appended, summary.counts.removed_there);
        assert_eq!((done, summary.held.len()), ((1, 1, 0), 0));
    }
    tree.mbsync();
    assert!(tree.tern().counts.is_zero());
    tree.assert_met(16);
    assert_eq!(other.files("bob", "INBOX").len(), 16);
}

#[test]
fn a_forecast_knows_what_another_program_kept_and_writes_nothing() {
    let tree = Tree::new("SyncState *");
    tree.deliver(11..40);
    tree.mbsync();
    tree.flag_here(20, "S");
    let names = tree.names();
    let forecast = dry_run(&tree.env, &|_| ()).unwrap();
    let (_, plan) = forecast.plans.iter().find(|(mailbox, _)| mailbox.name.is_inbox()).unwrap();
    assert_eq!((plan.ops.len(), forecast.questions.len()), (1, 0), "{plan:?}");
    tree.deliver(41..42);
    let forecast = dry_run(&tree.env, &|_| ()).unwrap();
    let (_, plan) = forecast.plans.iter().find(|(mailbox, _)| mailbox.name.is_inbox()).unwrap();
    assert_eq!((plan.ops.len(), forecast.questions.len()), (2, 1), "what would be fetched, and the question");
    assert_eq!(tree.names(), names);
    let ledger = fs::metadata(tree.env.data.join("ledger.db"));
    assert_eq!(ledger.map_or(0, |about| about.len()), 0, "nothing is written down");
    let counts = tree.tern().counts;
    assert_eq!((counts.adopted, counts.keeper, counts.flagged_there), (29, Some(Keeper::Mbsync), 1), "{counts:?}");
}

#[test]
fn ten_thousand_messages_of_mbsync_take_no_question_but_the_list() {
    let mut m = Meeting::new();
    let home = tempfile::tempdir().unwrap();
    m.env.home = Some(home.path().to_owned());
    let inbox = MailboxName::inbox();
    let directory = m.maildir(&inbox).path().to_owned();
    m.server.deliver(&inbox, &mail(None, "first"), Flags::none(), Timestamp::new(5));
    let empty = m.sync_well();
    assert_eq!(empty.counts.fetched, 1);
    let ledger = rusqlite::Connection::open(m.env.data.join("ledger.db")).unwrap();
    let validity: u32 =
        ledger.query_row("SELECT validity FROM mailbox WHERE messages = 1", [], |row| row.get(0)).unwrap();
    drop(ledger);
    fs::remove_dir_all(&m.env.data).unwrap();
    fs::remove_dir_all(directory.join("new")).unwrap();
    fs::remove_dir_all(directory.join("cur")).unwrap();
    m.maildir(&inbox);
    let mut state = String::new();
    for n in 1..=10_000u32 {
        let bytes = mail(Some(&n.to_string()), &format!("mail {n}"));
        let uid = m.server.deliver(&inbox, &bytes, Flags::none(), Timestamp::new(5));
        fs::write(directory.join(format!("cur/1700000000.1_{n}.host,U={n}:2,S")), bytes).unwrap();
        std::fmt::Write::write_fmt(&mut state, format_args!("{} {n} \n", uid.get())).unwrap();
    }
    fs::write(directory.join(".uidvalidity"), "1700000000\n10000\n").unwrap();
    let state = format!("FarUidValidity {validity}\nNearUidValidity 1700000000\n\n{state}");
    fs::write(directory.join(".mbsyncstate"), state).unwrap();
    let before = m.server.steps();
    let summary = m.sync_well();
    let counts = summary.counts;
    assert_eq!((counts.adopted, counts.keeper), (10_000, Some(Keeper::Mbsync)), "{counts:?}");
    assert_eq!((counts.fetched, counts.appended, counts.flagged_there), (0, 0, 10_000), "{counts:?}");
    assert_eq!(summary.held.len(), 1, "the one message that only the server has waits");
    let steps = m.server.steps() - before;
    assert!(steps < 60, "{steps} questions, of which each takes hundreds of flags");
}

/// Runs the real `OfflineIMAP` once.
fn offlineimap(home: &Path) {
    let out = Command::new("offlineimap")
        .args(["-o", "-u", "quiet", "-c"])
        .arg(home.join("offlineimaprc"))
        .env("HOME", home)
        .output()
        .expect("offlineimap is installed");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn a_tree_of_offlineimap_is_taken_over_and_it_may_go_on() {
    // The tree of mbsync, but for mbsync.
    let mut tree = Tree::new("SyncState *");
    let home = tree.home.path().to_owned();
    let (mail, port) = (home.join("mail"), tree.dovecot.imap);
    let secret = home.join("secret");
    fs::write(&secret, PASSWORD).unwrap();
    let config = format!(
        "[general]\naccounts = a\n[Account a]\nlocalrepository = l\nremoterepository = r\n\
         [Repository l]\ntype = Maildir\nlocalfolders = {}\n\
         [Repository r]\ntype = IMAP\nremotehost = 127.0.0.1\nremoteport = {port}\nremoteuser = alice\n\
         remotepassfile = {}\nssl = no\nstarttls = no\nauth_mechanisms = LOGIN\n",
        mail.display(),
        secret.display(),
    );
    fs::write(home.join("offlineimaprc"), config).unwrap();
    tree.deliver(11..40);
    tree.flag_there(12, "add", "\\Flagged");
    offlineimap(&home);
    let names = tree.names();
    tree.flag_here(20, "S");
    tree.flag_here(12, "S");
    tree.flag_there(12, "remove", "\\Flagged");
    tree.flag_there(21, "add", "\\Answered");
    let counts = tree.tern().counts;
    assert_eq!((counts.adopted, counts.keeper), (29, Some(Keeper::OfflineImap)), "{counts:?}");
    assert_eq!((counts.fetched, counts.appended), (0, 0), "{counts:?}");
    // Only a base tells that a flag was cleared.
    assert_eq!((counts.flagged_here, counts.flagged_there), (2, 2), "{counts:?}");
    assert_eq!(tree.names(), names);
    tree.assert_met(29);
    for turn in 0..2 {
        tree.deliver(50 + turn..51 + turn);
        tree.write(61 + turn);
        let summary = tree.tern();
        assert_eq!((summary.held.len(), summary.counts.fetched, summary.counts.appended), (1, 0, 0));
        assert!(summary.held[0].1.as_str().contains("offlineimap synced this mail too"), "{:?}", summary.held);
        offlineimap(&home);
        tree.assert_met(31 + turn * 2);
    }
    assert_eq!(tree.tern().held, []);
    tree.deliver(70..71);
    tree.env.consent = Some(true);
    assert_eq!(tree.tern().counts.fetched, 1);
    tree.assert_met(34);
}
