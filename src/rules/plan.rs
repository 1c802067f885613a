//! What wishes mean to each file of a message: flags and keywords, labels where folders are labels, another folder.
//! Nothing is done here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;

use crate::config::{Goal, Rule};
use crate::job::index::{MailboxRow, Row};
use crate::mail::clean::Clean;
use crate::mail::flags::{Flag, Flags};
use crate::mail::labels::Label;
use crate::mail::mailbox::{MailboxName, Role};
use crate::mail::place::{MailboxId, Place};
use crate::mail::tags;
use crate::state::AccountState;

/// One thing that is wished for a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// Shall it be so, or not be so?
    pub give: bool,
    /// What.
    pub what: What,
}

/// What is given or taken.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Being in the inbox.
    Inbox,
    /// Being archived, wherever it lies.
    Archive,
    /// Lying in the folder of this name, in the message's own account.
    Folder(MailboxName),
    /// Flags; of `unread` the contrary.
    Flag(Flag),
    /// A tag.
    Tag {
        /// Its name, as it was written.
        name: String,
        /// The keyword that stands for it.
        flags: Flags,
    },
}

/// What is done to one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Change {
    /// What is set, labels among it.
    pub add: Flags,
    /// What is cleared.
    pub remove: Flags,
    /// Where it goes.
    pub to: Option<MailboxId>,
}

/// All that is to be done, and what cannot be.
#[derive(Debug, Default)]
pub struct Plan {
    /// What is done to each file.
    pub changes: BTreeMap<Place, Change>,
    /// Why something cannot be done, each once.
    pub closed: BTreeSet<String>,
}

/// Decides what wishes mean to each file of a message.
pub struct Planner<'a> {
    /// The accounts.
    pub accounts: Vec<AccountState>,
    /// All mailboxes that there are.
    pub mailboxes: &'a [MailboxRow],
    /// In which the year of an archive is told.
    pub zone: TimeZone,
}

/// What a rule wishes.
pub fn wishes_of(rule: &Rule) -> Vec<Wish> {
    let tag = |give: bool| {
        move |name: &String| {
            let flags = Flags::none().with_keyword(tags::typed(name).ok()?);
            Some(Wish { give, what: What::Tag { name: name.clone(), flags } })
        }
    };
    let flag = |flag: Flag| move |give: bool| Wish { give, what: What::Flag(flag) };
    let mut wishes: Vec<Wish> = rule.give.iter().filter_map(tag(true)).collect();
    wishes.extend(rule.take.iter().filter_map(tag(false)));
    wishes.extend(rule.read.map(flag(Flag::Seen)));
    wishes.extend(rule.star.map(flag(Flag::Flagged)));
    wishes.extend(rule.to.as_ref().map(|goal| match goal {
        Goal::Folder { name, .. } => Wish { give: true, what: What::Folder(name.clone()) },
        Goal::Archive => Wish { give: true, what: What::Archive },
    }));
    wishes
}

impl Planner<'_> {
    /// Plans for some files of a message; of two wishes that cannot both be the later one counts.
    pub fn plan(&self, row: &Row, files: &[(Place, Flags)], wishes: &[Wish], plan: &mut Plan) {
        for (place, flags) in files {
            let labels = self.labels_of(&place.mailbox);
            let (mut add, mut remove) = (Flags::none(), Flags::none());
            let mut to = None;
            for wish in wishes {
                let (given, taken) = match (&wish.what, &labels) {
                    (What::Flag(flag), _) => wish.both(Flags::only(*flag)),
                    (What::Inbox, Some(_)) => wish.both(one(Label::Inbox)),
                    (What::Inbox, None) => {
                        to = self.carried(row, place, files, wish.give).or(to);
                        continue;
                    }
                    (What::Archive | What::Folder(_), _) => match self.goal(row, place, &wish.what) {
                        Ok(Goes::File(goal)) => {
                            to = Some(goal);
                            continue;
                        }
                        Ok(Goes::Labels { given, taken }) => (given, taken),
                        Ok(Goes::Nowhere) => {
                            to = None;
                            continue;
                        }
                        Err(why) => {
                            plan.closed.insert(why);
                            continue;
                        }
                    },
                    (What::Tag { flags, .. }, None) => wish.both(flags.clone()),
                    (What::Tag { name, flags }, Some(known)) => match known.iter().find(|label| is_called(label, name))
                    {
                        Some(label) => wish.both(one(label.clone())),
                        // A keyword that it has from elsewhere can be taken away all the same.
                        None if !wish.give => wish.both(flags.clone()),
                        None => {
                            plan.closed.insert(no_label(place, name));
                            continue;
                        }
                    },
                };
                (add, remove) = (add.minus(&taken).union(&given), remove.minus(&given).union(&taken));
            }
            let change = Change { add: add.minus(flags), remove: remove.common(flags), to };
            if change != Change::default() {
                plan.changes.insert(place.clone(), change);
            }
        }
    }

    /// The labels that messages of this mailbox can be given, where it is a home of such.
    fn labels_of(&self, mailbox: &MailboxId) -> Option<Vec<Label>> {
        let shows = self.mailboxes.iter().filter_map(|row| row.shows.as_ref());
        let labels: Vec<Label> =
            shows.filter(|shows| shows.home == *mailbox).map(|shows| shows.label.clone()).collect();
        (!labels.is_empty()).then_some(labels)
    }

    /// The mailbox in which the messages of an account lie, where its folders are labels.
    fn home(&self, place: &Place) -> Option<&MailboxId> {
        let shows = self.mailboxes.iter().filter(|row| row.mailbox.account == place.mailbox.account);
        shows.filter_map(|row| row.shows.as_ref()).map(|shows| &shows.home).next()
    }

    /// Where a file goes that shall be, or shall not be, in the inbox.
    fn carried(&self, row: &Row, place: &Place, files: &[(Place, Flags)], into: bool) -> Option<MailboxId> {
        let account = self.accounts.iter().find(|account| account.id == place.mailbox.account)?;
        let inbox = account.inbox();
        match (into, place.mailbox == inbox) {
            (false, true) => Some(account.mailbox_for(Role::Archive, self.mailboxes, row.date, &self.zone)),
            // Of several copies one comes back.
            (true, false) if *place == row.place => {
                let there = files.iter().any(|(place, _)| place.mailbox == inbox);
                (!there).then_some(inbox)
            }
            (true | false, _) => None,
        }
    }

    /// What it means that a file shall lie in a folder, or in the archive.
    fn goal(&self, row: &Row, place: &Place, what: &What) -> Result<Goes, String> {
        let id = |name: &MailboxName| MailboxId { account: place.mailbox.account.clone(), name: name.clone() };
        let (goal, is_archive) = match what {
            What::Folder(name) => (id(name), false),
            What::Archive | What::Inbox | What::Flag(_) | What::Tag { .. } => {
                let account = self.accounts.iter().find(|account| account.id == place.mailbox.account);
                let account = account.ok_or_else(|| format!("{}: the account is not set up", place.mailbox.account))?;
                (account.mailbox_for(Role::Archive, self.mailboxes, row.date, &self.zone), true)
            }
        };
        let known = self.mailboxes.iter().find(|row| row.mailbox == goal);
        let Some(home) = self.home(place) else {
            return match known {
                _ if goal == place.mailbox => Ok(Goes::Nowhere),
                // As by the key, the archive is made where there is none.
                None if !is_archive => Err(no_folder(&goal)),
                _ => Ok(Goes::File(goal)),
            };
        };
        let label = known.map(|row| row.shows.as_ref().map(|shows| shows.label.clone()));
        match label {
            _ if place.mailbox != *home => Err(format!(
                "{}: what lies in {} has no labels; move it to another folder first",
                place.mailbox.account,
                Clean::line(place.mailbox.name.as_str())
            )),
            Some(Some(label)) => {
                let given = one(label);
                Ok(Goes::Labels { taken: one(Label::Inbox).minus(&given), given })
            }
            Some(None) if goal != *home => Ok(Goes::File(goal)),
            Some(None) => Ok(Goes::Labels { given: Flags::none(), taken: one(Label::Inbox) }),
            None if is_archive => Ok(Goes::Labels { given: Flags::none(), taken: one(Label::Inbox) }),
            None => Err(no_folder(&goal)),
        }
    }
}

/// What a goal means to a file.
enum Goes {
    Nowhere,
    File(MailboxId),
    Labels { given: Flags, taken: Flags },
}

impl Wish {
    /// What is given and taken, if this is what is wished.
    fn both(&self, meant: Flags) -> (Flags, Flags) {
        if self.give { (meant, Flags::none()) } else { (Flags::none(), meant) }
    }
}

fn no_folder(goal: &MailboxId) -> String {
    format!("{}: there is no folder {}", Clean::line(goal.account.as_str()), quoted(goal.name.as_str()))
}

fn no_label(place: &Place, name: &str) -> String {
    let (account, name) = (&place.mailbox.account, quoted(name));
    format!("{account}: there is no label {name}; `tern folders create {name}` makes it")
}

fn quoted(name: &str) -> String {
    format!("`{}`", Clean::line(name))
}

fn one(label: Label) -> Flags {
    Flags::none().with_labels(&std::iter::once(label).collect())
}

/// Is that what somebody calls a label?
fn is_called(label: &Label, name: &str) -> bool {
    match label {
        Label::Named(known) => known.as_str().to_lowercase() == name.to_lowercase(),
        Label::Important => name.eq_ignore_ascii_case("important"),
        // What was sent or is a draft is not so by a wish; the others have words of their own.
        Label::Inbox | Label::Sent | Label::Starred | Label::Draft => false,
    }
}
