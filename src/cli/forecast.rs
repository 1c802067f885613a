//! `tern sync --dry-run`: what a sync would do, folder by folder, what here and what on the server. It
//! only tells; the plan comes from the room that carries plans out.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::arguments::SyncOptions;
use super::output;
use crate::job::sync::FolderChange;
use crate::mail::clean::Clean;
use crate::mail::header::Header;
use crate::mail::place::{MailboxId, UniqueName};
use crate::store::folders::Root;
use crate::store::maildir::Maildir;
use crate::sync::Env;
use crate::sync::forecast::Forecast;
use crate::sync::plan::{Op, Plan};

/// What is planned in one folder, counted by side.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    fetch: usize,
    bring: usize,
    flags_here: usize,
    remove_here: usize,
    upload: usize,
    flags_there: usize,
    moves: usize,
    remove_there: usize,
    noted: usize,
}

impl Tally {
    fn of(plan: &Plan) -> Self {
        let mut tally = Self::default();
        for op in &plan.ops {
            match op {
                Op::Download { .. } => tally.fetch += 1,
                Op::BringOver { .. } => tally.bring += 1,
                Op::Append { .. } => tally.upload += 1,
                Op::Move { .. } => tally.moves += 1,
                Op::RemoveHere { .. } => tally.remove_here += 1,
                Op::RemoveThere { .. } => tally.remove_there += 1,
                Op::Adopt { .. } | Op::Forget { .. } => tally.noted += 1,
                Op::Flags(change) => {
                    tally.flags_here += usize::from(!change.add_here.is_empty() || !change.remove_here.is_empty());
                    tally.flags_there += usize::from(!change.add_there.is_empty() || !change.remove_there.is_empty());
                }
            }
        }
        tally
    }

    /// `here: 12 to fetch; server: 1 to upload, 2 flags`.
    fn words(&self) -> String {
        let side = |name: &str, parts: &[(usize, &str)]| {
            let said = parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
            let said = said.collect::<Vec<_>>().join(", ");
            (!said.is_empty()).then(|| format!("{name}{said}"))
        };
        let here = [
            (self.fetch, "to fetch"),
            (self.bring, "to move in"),
            (self.flags_here, "flags"),
            (self.remove_here, "to remove"),
        ];
        let there = [
            (self.upload, "to upload"),
            (self.flags_there, "flags"),
            (self.moves, "to move"),
            (self.remove_there, "to remove"),
        ];
        let all = [side("here: ", &here), side("server: ", &there), side("", &[(self.noted, "on both sides to note")])];
        let said = all.into_iter().flatten().collect::<Vec<_>>().join("; ");
        if said.is_empty() { "nothing to do".to_owned() } else { said }
    }
}

/// Tells a forecast: with `--json` an object a folder, with `-v` each message.
pub(super) fn tell(forecast: &Forecast, env: &Env, options: &SyncOptions) {
    for (mailbox, change) in &forecast.folders {
        if options.json {
            output::line(change_object(mailbox, change));
        } else {
            output::line(format_args!("{}: {}", named(mailbox), change_wish(change)));
        }
    }
    for (mailbox, plan) in forecast.plans.iter().filter(|(_, plan)| options.verbose || !plan.is_empty()) {
        let tally = Tally::of(plan);
        let root = Root { path: env.account.maildir.clone(), layout: env.account.layout };
        let steps = if options.verbose { steps(plan, mailbox, &root) } else { Vec::new() };
        if options.json {
            output::line(plan_object(mailbox, &tally, options.verbose.then_some(&steps)));
        } else {
            output::line(format_args!("{}: {}", named(mailbox), tally.words()));
            for step in &steps {
                output::line(format_args!("  {step}"));
            }
        }
    }
}

fn named(mailbox: &MailboxId) -> String {
    format!("{} {}", Clean::line(mailbox.account.as_str()), Clean::line(mailbox.name.as_str()))
}

fn plan_object(mailbox: &MailboxId, tally: &Tally, steps: Option<&Vec<Clean>>) -> Value {
    let mut object = json!({
        "v": 1,
        "account": Clean::line(mailbox.account.as_str()).as_str(),
        "folder": Clean::line(mailbox.name.as_str()).as_str(),
        "here": { "fetch": tally.fetch, "move": tally.bring, "flags": tally.flags_here, "remove": tally.remove_here },
        "server": {
            "upload": tally.upload,
            "flags": tally.flags_there,
            "move": tally.moves,
            "remove": tally.remove_there,
        },
        "noted": tally.noted,
    });
    if let (Some(object), Some(steps)) = (object.as_object_mut(), steps) {
        object.insert("steps".to_owned(), steps.iter().map(Clean::as_str).collect());
    }
    object
}

/// Each step in words, with the UID, the file and the subject, as far as they are known here.
fn steps(plan: &Plan, mailbox: &MailboxId, root: &Root) -> Vec<Clean> {
    let subjects = subjects(plan, mailbox, root);
    let file = |unique: &UniqueName| {
        let subject = subjects.get(unique).map(|subject| format!(" \"{subject}\"")).unwrap_or_default();
        format!("{}{subject}", unique.as_str())
    };
    let line = |op: &Op| match op {
        Op::Adopt { uid, row } => format!("note: UID {} is {}", uid.get(), file(&row.unique)),
        Op::Forget { uid } => format!("note: UID {} is gone on both sides", uid.get()),
        Op::Download { uid, .. } => format!("here: fetch UID {}", uid.get()),
        Op::BringOver { uid, from, unique, .. } => {
            format!("here: move in from {from} as UID {}, {}", uid.get(), file(unique))
        }
        Op::Append { unique, .. } => format!("server: upload {}", file(unique)),
        Op::Move { uid, to, unique } => format!("server: move UID {} to {to}, {}", uid.get(), file(unique)),
        Op::RemoveHere { unique, .. } => format!("here: remove {}", file(unique)),
        Op::RemoveThere { uid } => format!("server: remove UID {}", uid.get()),
        Op::Flags(change) => format!(
            "flags: UID {}, {}: here +[{}] -[{}], server +[{}] -[{}]",
            change.uid.get(),
            file(&change.unique),
            change.add_here.imap_names().join(" "),
            change.remove_here.imap_names().join(" "),
            change.add_there.imap_names().join(" "),
            change.remove_there.imap_names().join(" "),
        ),
    };
    plan.ops.iter().map(|op| Clean::line(&line(op))).collect()
}

/// The subjects of the files that a plan names. What cannot be read has none.
fn subjects(plan: &Plan, mailbox: &MailboxId, root: &Root) -> BTreeMap<UniqueName, String> {
    let mut wanted: BTreeMap<MailboxId, Vec<UniqueName>> = BTreeMap::new();
    for op in &plan.ops {
        let (mailbox, unique) = match op {
            Op::Append { unique, .. } | Op::RemoveHere { unique, .. } => (mailbox.clone(), unique),
            Op::Adopt { row, .. } => (mailbox.clone(), &row.unique),
            Op::Flags(change) => (mailbox.clone(), &change.unique),
            Op::Move { to, unique, .. } => (MailboxId { account: mailbox.account.clone(), name: to.clone() }, unique),
            Op::BringOver { from, unique, .. } => {
                (MailboxId { account: mailbox.account.clone(), name: from.clone() }, unique)
            }
            Op::Forget { .. } | Op::Download { .. } | Op::RemoveThere { .. } => continue,
        };
        wanted.entry(mailbox).or_default().push(unique.clone());
    }
    let mut out = BTreeMap::new();
    for (mailbox, uniques) in wanted {
        let Ok(directory) = root.directory(&mailbox.name) else { continue };
        // Opening makes what is missing of a Maildir, and here nothing is made.
        if !["cur", "new", "tmp"].iter().all(|part| directory.join(part).is_dir()) {
            continue;
        }
        let Ok(maildir) = Maildir::open(&directory) else { continue };
        for (unique, entry) in maildir.find_all(&uniques).unwrap_or_default() {
            if let Ok(Some(bytes)) = maildir.read_entry(&entry)
                && let Some(subject) = Header::split(&bytes).first("Subject")
            {
                out.insert(unique, subject.text());
            }
        }
    }
    out
}

/// What was done with a folder, in words.
pub(super) fn change_words(change: &FolderChange) -> Clean {
    Clean::line(&match change {
        FolderChange::MadeHere => "new folder, made here".to_owned(),
        FolderChange::MadeThere => "new folder, made on the server".to_owned(),
        FolderChange::RenamedHere(to) => format!("renamed to {to} here, as on the server"),
        FolderChange::RenamedThere(to) => format!("renamed to {to} on the server, as here"),
        FolderChange::RemovedHere => "folder removed here, as on the server".to_owned(),
        FolderChange::RemovedThere => "folder removed on the server, as here".to_owned(),
    })
}

/// What would be done with a folder, in words.
fn change_wish(change: &FolderChange) -> Clean {
    Clean::line(&match change {
        FolderChange::MadeHere => "here: folder to make".to_owned(),
        FolderChange::MadeThere => "server: folder to make".to_owned(),
        FolderChange::RenamedHere(to) => format!("here: folder to rename to {to}"),
        FolderChange::RenamedThere(to) => format!("server: folder to rename to {to}"),
        FolderChange::RemovedHere => "here: folder to remove".to_owned(),
        FolderChange::RemovedThere => "server: folder to remove".to_owned(),
    })
}

/// The same for programs.
pub(super) fn change_object(mailbox: &MailboxId, change: &FolderChange) -> Value {
    let (side, done, to) = match change {
        FolderChange::MadeHere => ("here", "made", None),
        FolderChange::MadeThere => ("server", "made", None),
        FolderChange::RenamedHere(to) => ("here", "renamed", Some(to)),
        FolderChange::RenamedThere(to) => ("server", "renamed", Some(to)),
        FolderChange::RemovedHere => ("here", "removed", None),
        FolderChange::RemovedThere => ("server", "removed", None),
    };
    let (account, folder) = (Clean::line(mailbox.account.as_str()), Clean::line(mailbox.name.as_str()));
    let to = to.map(|name| Clean::line(name.as_str()));
    json!({
        "v": 1,
        "account": account.as_str(),
        "folder": folder.as_str(),
        "change": done,
        "side": side,
        "to": to.as_ref().map(Clean::as_str),
    })
}
