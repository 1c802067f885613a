//! The outbox from the queue to the receiver: what servers say, what a crash leaves at every step,
//! what arrives at a real Postfix.

mod attempts;
mod postfix;
mod rounds;
mod stops;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tern::config::account::Layout;
use tern::config::{Account, FolderMap, SecretSource, Server, Submit as How, SyncSettings};
use tern::job::outbox::{OutboxReport, Outgoing};
use tern::mail::address::Address;
use tern::mail::ids::{AccountId, MessageId};
use tern::mail::submission::Submission;
use tern::outbox::worker::{Env, run_once};

const MESSAGE: &[u8] = b"From: ada@example.org\r\nSubject: x\r\nMessage-ID: <m1@example.org>\r\n\r\nhi\r\n";

fn account(submit: Option<Server>, home: &Path) -> Account {
    Account {
        id: AccountId::new("ada"),
        address: Address { name: "Ada".to_owned(), email: "ada@example.org".to_owned() },
        aliases: Vec::new(),
        maildir: home.join("Mail"),
        layout: Layout::Nested,
        imap: None,
        pop3: None,
        submit: submit.map(How::Smtp),
        secret: SecretSource::Prompt,
        sync: SyncSettings::default(),
        folders: FolderMap::default(),
        signature: None,
        server_files_sent: false,
    }
}

/// An outbox whose messages nobody waits for an answer to.
fn ground(data: PathBuf, accounts: Vec<Account>) -> Env {
    Env::of(data, accounts, Arc::new(|id, _| panic!("no answer to {id:?} is waited for")))
}

fn outgoing(recipients: &[&str], wire: &[u8]) -> Outgoing {
    Outgoing {
        account: AccountId::new("ada"),
        submission: Submission {
            sender: "ada@example.org".to_owned(),
            recipients: recipients.iter().map(|who| (*who).to_owned()).collect(),
        },
        wire: Arc::from(wire),
        bcc: vec!["eve@example.net".to_owned()],
        message_id: MessageId::new("m1@example.org"),
        hold_until: None,
        answers: MessageId::new("asked@example.net"),
        forwards: None,
        draft: None,
    }
}

/// Runs the rounds that are due now and gives what was reported.
fn flush(env: &Env) -> Vec<OutboxReport> {
    let reports = Mutex::new(Vec::new());
    run_once(env.clone(), Duration::ZERO, &|report| reports.lock().unwrap().push(report)).unwrap();
    reports.into_inner().unwrap()
}

fn sent_copies(home: &Path) -> Vec<Vec<u8>> {
    let Ok(dir) = std::fs::read_dir(home.join("Mail/Sent/cur")) else { return Vec::new() };
    dir.map(|entry| entry.unwrap().path())
        .inspect(|path| assert!(path.to_str().unwrap().ends_with(":2,S"), "{}", path.display()))
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}
