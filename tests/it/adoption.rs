//! Trees that another sync program kept: nothing is fetched twice, names stay, and the other program can
//! go on. mbsync is the real one, against the real Dovecot.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tern::config::Tls;
use tern::job::sync::Keeper;
use tern::mail::flags::Flags;
use tern::mail::ids::Timestamp;
use tern::mail::mailbox::MailboxName;
use tern::store::folders::Root;
use tern::store::maildir::Maildir;
use tern::store::scan;
use tern::sync::Env;
use tern::sync::worker::{Summary, run_once};

use crate::imap::connector;
use crate::servers::dovecot::{Dovecot, PASSWORD};
use crate::support::meeting::{Meeting, mail};

/// A Dovecot, a Maildir that mbsync keeps, and an account of ours for the same.
pub(crate) struct Tree {
    pub(crate) dovecot: Dovecot,
    pub(crate) home: tempfile::TempDir,
    pub(crate) env: Env,
}

impl Tree {
    /// `state` is the line that says where mbsync keeps its state; `HOME` stands for the home directory.
    pub(crate) fn new(state: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let dovecot = Dovecot::start();
        let mail = home.path().join("mail");
        fs::create_dir(&mail).unwrap();
        let config = format!(
            "IMAPStore far\nHost 127.0.0.1\nPort {}\nUser alice\nPass \"{}\"\nSSLType None\nAuthMechs PLAIN\nTimeout 120\n\n\
             MaildirStore near\nPath HOME/mail/\nInbox HOME/mail/INBOX\nSubFolders Verbatim\n\n\
             Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Near\nExpunge Both\n{state}\n",
            dovecot.imap,
            PASSWORD.replace('"', "\\\""),
        );
        let config = config.replace("HOME", &home.path().display().to_string());
        fs::write(home.path().join("mbsyncrc"), config).unwrap();
        let account = dovecot.account("alice", Tls::Implicit, &mail);
        let connect = connector(&dovecot, "alice", Tls::Implicit);
        let mut env = Env::new(account, Some(Arc::new(connect)), home.path().join("data"));
        env.home = Some(home.path().to_owned());
        Self { dovecot, home, env }
    }

    pub(crate) fn deliver(&self, numbers: std::ops::Range<usize>) {
        for n in numbers {
            let id = (!n.is_multiple_of(10)).then(|| n.to_string());
            self.dovecot.deliver("alice", "INBOX", &mail(id.as_deref(), &format!("mail {n}")));
        }
        self.dovecot.hand_over("alice");
    }

    pub(crate) fn mbsync(&self) {
        let out = Command::new("mbsync")
            .arg("-c")
            .arg(self.home.path().join("mbsyncrc"))
            .arg("-a")
            .env("HOME", self.home.path())
            .output()
            .expect("isync is installed");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }

    pub(crate) fn tern(&self) -> Summary {
        let summary = run_once(&self.env, &|_| ()).unwrap();
        assert_eq!(summary.faults, vec![]);
        summary
    }

    pub(crate) fn inbox(&self) -> Maildir {
        let root = Root { path: self.env.account.maildir.clone(), layout: self.env.account.layout };
        Maildir::open(&root.directory(&MailboxName::inbox()).unwrap()).unwrap()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        scan::scan(&self.inbox()).unwrap().entries.iter().map(|entry| entry.base().to_owned()).collect()
    }

    /// Subject and flags of each message on this side, sorted.
    pub(crate) fn here(&self) -> Vec<(String, String)> {
        let maildir = self.inbox();
        let entries = scan::scan(&maildir).unwrap().entries;
        let line = |path: PathBuf| subject(&path);
        let mut all: Vec<_> = entries.iter().map(|e| (line(maildir.path_of(e)), e.flags().letters())).collect();
        all.sort();
        all
    }

    /// The same of the server.
    pub(crate) fn there(&self) -> Vec<(String, String)> {
        let fields = "hdr.subject flags";
        let text = self.dovecot.doveadm(&["-f", "tab", "fetch", "-u", "alice", fields, "mailbox", "INBOX", "all"]);
        let line = |line: &str| {
            let (subject, flags) = line.split_once('\t').unwrap();
            (subject.to_owned(), Flags::from_imap(flags.split(' ')).letters())
        };
        let mut all: Vec<_> = text.lines().skip(1).map(line).collect();
        all.sort();
        all
    }

    pub(crate) fn assert_met(&self, count: usize) {
        assert_eq!(self.here(), self.there());
        let subjects: BTreeSet<String> = self.here().into_iter().map(|(subject, _)| subject).collect();
        assert_eq!((self.here().len(), subjects.len()), (count, count), "nothing is doubled");
    }

    pub(crate) fn flag_here(&self, number: usize, letters: &str) {
        let maildir = self.inbox();
        let wanted = format!("mail {number}");
        let entries = scan::scan(&maildir).unwrap().entries;
        let entry = entries.iter().find(|entry| subject(&maildir.path_of(entry)) == wanted).unwrap();
        maildir.set_flags(entry, &Flags::from_letters(letters), &Flags::none()).unwrap().unwrap();
    }

    pub(crate) fn flag_there(&self, number: usize, change: &str, flag: &str) {
        let subject = format!("mail {number}");
        let query = ["mailbox", "INBOX", "header", "subject", &subject];
        self.dovecot.doveadm(&[&["flags", change, "-u", "alice", flag], &query[..]].concat());
    }
}

pub(crate) fn subject(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap();
    line.trim().to_owned()
}

#[test]
fn a_tree_of_mbsync_is_taken_over_by_its_state() {
    for state in ["SyncState *", "", "SyncState HOME/.mbsync/"] {
        let tree = Tree::new(state);
        fs::create_dir(tree.home.path().join(".mbsync")).unwrap();
        tree.deliver(10..70);
        tree.flag_there(11, "add", "\\Seen");
        tree.flag_there(12, "add", "\\Flagged");
        tree.mbsync();
        let names = tree.names();
        assert!(names.iter().all(|name| name.contains(",U=")), "{names:?}");
        // Since then both sides went on: the state is the base of what is joined.
        tree.flag_here(20, "S");
        tree.flag_there(11, "remove", "\\Seen");
        tree.flag_there(21, "add", "\\Answered");
        let counts = tree.tern().counts;
        assert_eq!((counts.adopted, counts.keeper), (60, Some(Keeper::Mbsync)), "{state}: {counts:?}");
        assert_eq!((counts.fetched, counts.appended), (0, 0), "{counts:?}");
        assert_eq!((counts.flagged_here, counts.flagged_there), (2, 1), "{counts:?}");
        assert_eq!(tree.names(), names, "no file got another name");
        tree.assert_met(60);
        // The other program goes on, and then each in turn.
        tree.mbsync();
        tree.assert_met(60);
        tree.deliver(70..80);
        tree.mbsync();
        tree.flag_there(71, "add", "\\Seen");
        let counts = tree.tern().counts;
        assert_eq!((counts.fetched, counts.appended), (0, 0), "{counts:?}");
        tree.flag_here(72, "F");
        assert_eq!(tree.tern().counts.flagged_there, 1);
        tree.mbsync();
        tree.assert_met(70);
        let counts = tree.tern().counts;
        assert_eq!((counts.fetched, counts.appended), (0, 0), "{counts:?}");
    }
}

#[test]
fn without_its_state_a_tree_of_mbsync_is_known_by_what_the_messages_are() {
    let tree = Tree::new("SyncState *");
    tree.deliver(11..50);
    tree.mbsync();
    let names = tree.names();
    fs::remove_file(tree.inbox().path().join(".mbsyncstate")).unwrap();
    let counts = tree.tern().counts;
    assert_eq!((counts.adopted, counts.fetched, counts.appended, counts.keeper), (39, 0, 0, None), "{counts:?}");
    assert_eq!(tree.names(), names);
    tree.assert_met(39);
    assert!(tree.tern().counts.is_zero());
}

#[test]
fn ten_thousand_messages_of_a_tree_without_state_are_matched_in_one_pass() {
    let m = Meeting::new();
    let inbox = MailboxName::inbox();
    let maildir = m.maildir(&inbox);
    let mut batch = maildir.batch();
    for n in 0..10_000 {
        let bytes = mail(Some(&n.to_string()), &format!("mail {n}"));
        m.server.deliver(&inbox, &bytes, Flags::none(), Timestamp::new(5));
        std::io::Write::write_all(&mut batch.begin(bytes.len() as u64).unwrap(), &bytes).unwrap();
        batch.keep(&tern::store::maildir::fresh(None), &Flags::none(), bytes.len() as u64).unwrap();
    }
    batch.commit().unwrap();
    let before = m.server.steps();
    let counts = m.sync_well().counts;
    assert_eq!((counts.adopted, counts.fetched, counts.appended), (10_000, 0, 0), "{counts:?}");
    let steps = m.server.steps() - before;
    assert!(steps < 12, "{steps} questions");
    assert!(m.sync_well().counts.is_zero());
}

/// A tree as `OfflineIMAP` leaves it: the server's UIDs in the names, or those of others.
fn offlineimap(m: &Meeting, shift: u32) {
    let inbox = MailboxName::inbox();
    let cur = m.maildir(&inbox).path().join("cur");
    for n in 0..30u32 {
        let bytes = mail(Some(&n.to_string()), &format!("mail {n}"));
        let uid = m.server.deliver(&inbox, &bytes, Flags::none(), Timestamp::new(5));
        let uid = (uid.get() + shift - 1) % 30 + 1;
        let bare: Vec<u8> = bytes.into_iter().filter(|byte| *byte != b'\r').collect();
        let name = format!("17000000{n:02}_0.1.host,U={uid},FMD5=7e33429f656f1e6e9d79b29c3f82c57e:2,S");
        fs::write(cur.join(name), bare).unwrap();
    }
}

#[test]
fn a_tree_of_offlineimap_is_taken_over_by_its_names_if_a_sample_fits() {
    // Nor do sizes count that the server only guesses at.
    let cases = [(0, true), (1, true), (0, false), (1, false)];
    for (shift, exact) in cases {
        let keeper = (shift == 0).then_some(Keeper::OfflineImap);
        let m = Meeting::new();
        m.server.set_habits(|habits| habits.exact = exact);
        offlineimap(&m, shift);
        let names = |m: &Meeting| -> Vec<String> {
            m.files(&MailboxName::inbox()).iter().map(|entry| entry.file_name().to_owned()).collect()
        };
        let before = names(&m);
        let counts = m.sync_well().counts;
        assert_eq!((counts.adopted, counts.keeper), (30, keeper), "{counts:?}");
        assert_eq!((counts.fetched, counts.appended, counts.flagged_there), (0, 0, 30), "{counts:?}");
        assert_eq!(names(&m), before);
        assert!(m.sync_well().counts.is_zero());
    }
}
