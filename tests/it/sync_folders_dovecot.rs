//! Folders with odd names at the real Dovecot, with both separators there and both layouts here: they come,
//! are renamed on either side without a message being sent again, and go.

use std::collections::BTreeSet;
use std::sync::Arc;

use tern::config::Tls;
use tern::mail::flags::Flags;
use tern::mail::mailbox::MailboxName;
use tern::mail::place::Layout;
use tern::remote::{Connect, Push};
use tern::store::folders::Root;
use tern::store::maildir::{Maildir, fresh};
use tern::sync::Env;
use tern::sync::worker::{Summary, run_once};

use crate::imap::connector;
use crate::servers::dovecot::Dovecot;
use crate::support::meeting::{mail, name};

/// Names that every server of the test takes.
const ODD: [&str; 9] = [
    "Entw\u{fc}rfe & mehr",
    "\u{53f0}\u{5317}/\u{65e5}\u{672c}\u{8a9e}",
    "R&D",
    "100% sure/%41",
    "UPPER",
    "upper",
    "Upper",
    "INBOX/below",
    "a\"b (c) {5} [d] ' $x;`y`",
];

fn sync(env: &Env) -> Summary {
    let summary = run_once(env, &|_| ()).unwrap();
    assert_eq!(summary.faults, vec![]);
    assert_eq!(summary.held, vec![]);
    summary
}

/// Do both sides have the same folders, with so many messages in each of the odd ones?
fn agree(root: &Root, server: &dyn Connect) -> BTreeSet<MailboxName> {
    let listed = root.list();
    assert_eq!(listed.faults, []);
    let here: BTreeSet<MailboxName> = listed.found.into_keys().collect();
    let there = server.connect().unwrap().mailboxes().unwrap();
    let there: BTreeSet<MailboxName> = there.into_iter().filter(|m| m.selectable).map(|m| m.name).collect();
    assert_eq!(here, there);
    here
}

fn journey(extra: &str, prefix: &str, layout: Layout, more: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let dovecot = Dovecot::start_with(extra);
    let mut account = dovecot.account("alice", Tls::Implicit, &home.path().join("mail"));
    account.layout = layout;
    let root = Root { path: account.maildir.clone(), layout };
    let connect = connector(&dovecot, "alice", Tls::Implicit);
    let odd: Vec<&str> = ODD.iter().chain(more).copied().collect();
    let mut other = connect.connect().unwrap();
    for text in &odd {
        other.create(&name(text), None).unwrap();
        let bytes = mail(Some(&fastrand::u64(..).to_string()), text);
        other.push(&name(text), &Push::Append { bytes: &bytes, flags: &Flags::none(), date: None }).unwrap();
    }
    let connect = Arc::new(connect);
    let env = Env::new(account, Some(connect.clone()), home.path().join("data"));
    assert_eq!(usize::try_from(sync(&env).counts.fetched), Ok(odd.len()));
    let here = agree(&root, &*connect);
    assert!(odd.iter().all(|text| here.contains(&name(text))), "{here:?}");
    assert!(sync(&env).counts.is_zero());

    // Renamed there, with what lies below; and here, by tern's own hand.
    other.rename(&name("\u{53f0}\u{5317}"), &name("\u{53f0}\u{5357}")).unwrap();
    root.rename(&name("UPPER"), &name("\u{dc}ber/lower")).unwrap();
    root.rename(&name("100% sure/%41"), &name("%41")).unwrap();
    // Made here.
    let made = Maildir::open(&root.create(&name("Neu & \u{df}")).unwrap()).unwrap();
    made.deliver(&fresh(None), &Flags::none(), &mail(Some("own"), "own")).unwrap();
    let counts = sync(&env).counts;
    assert_eq!(
        (counts.fetched, counts.appended, counts.removed_here, counts.removed_there),
        (0, 1, 0, 0),
        "{counts:?}"
    );
    let here = agree(&root, &*connect);
    for there in
        ["\u{53f0}\u{5357}/\u{65e5}\u{672c}\u{8a9e}", "\u{dc}ber/lower", "%41", "Neu & \u{df}", "upper", "Upper"]
    {
        assert!(here.contains(&name(there)), "{there}: {here:?}");
    }
    assert!(!here.contains(&name("UPPER")));
    assert!(sync(&env).counts.is_zero());

    // Removed there and here, with the user's word.
    let mut env = env;
    env.consent = Some(true);
    dovecot.doveadm(&["mailbox", "delete", "-u", "alice", "-s", &format!("{prefix}R&D")]);
    std::fs::remove_dir_all(root.directory(&name("upper")).unwrap()).unwrap();
    let counts = sync(&env).counts;
    assert_eq!((counts.fetched, counts.removed_there), (0, 1), "{counts:?}");
    let here = agree(&root, &*connect);
    assert!(!here.contains(&name("R&D")) && !here.contains(&name("upper")) && here.contains(&name("Upper")));
    assert!(sync(&env).counts.is_zero());
}

#[test]
fn odd_names_with_a_slash_in_a_nested_tree() {
    journey("", "", Layout::Nested, &["v1.2/x.y"]);
}

#[test]
fn odd_names_with_a_slash_in_a_flat_tree() {
    journey("", "", Layout::MaildirPlusPlus, &["v1.2/x.y"]);
}

#[test]
fn odd_names_with_a_dot_in_a_nested_tree() {
    journey("mail_location = maildir:~/flat\nnamespace inbox {\n separator = .\n}\n", "", Layout::Nested, &[]);
}

#[test]
fn odd_names_with_a_dot_and_a_prefix_in_a_flat_tree() {
    let prefixed = "mail_location = maildir:~/flat\nnamespace inbox {\n separator = .\n prefix = INBOX.\n}\n";
    journey(prefixed, "INBOX.", Layout::MaildirPlusPlus, &[]);
}
