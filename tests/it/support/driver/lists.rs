//! What the world answers as the thread `index`: the lists, their rows, what is in them.

use std::collections::BTreeSet;

use tern::job::Ticket;
use tern::job::index::{
    Direction, Grouping, IndexJob, IndexReport, ListSpec, MailboxRow, Only, Row, SearchScope, Shows, SortBy, Source,
    Tally,
};
use tern::mail::address::Address;
use tern::mail::clean::Clean;
use tern::mail::contact::{Asked, Suggestion, Use};
use tern::mail::flags::{Flag, Flags, Keyword};
use tern::mail::ids::{RowId, ThreadId, Timestamp};
use tern::mail::labels::View;
use tern::mail::mailbox::{MailboxName, Role};
use tern::mail::notes::{TimerKind, Timing};
use tern::mail::place::MailboxId;
use tern::mail::tags;
use tern::query::Query;
use tern::query::ast::{Field, Pattern, State};

use super::NOW;
use super::world::{Mail, World};

impl World {
    /// Is a message shown there?
    fn is_in(&self, mail: &Mail, mailbox: &MailboxId) -> bool {
        let shows = |view: &View| {
            view.mailbox == *mailbox && view.home == mail.place.mailbox && mail.flags.labels().has(&view.label)
        };
        mail.place.mailbox == *mailbox || self.views.iter().any(shows)
    }

    fn fits(&self, mail: &Mail, source: &Source) -> bool {
        match source {
            Source::Mailbox(mailbox) => self.is_in(mail, mailbox),
            Source::Unified => {
                self.is_in(mail, &MailboxId { name: MailboxName::inbox(), ..mail.place.mailbox.clone() })
            }
            Source::Search { query: Query::Is(State::Snoozed), .. } => {
                matches!(self.timing(mail), Some(Timing::Asleep(_)))
            }
            Source::Search { query: Query::Is(State::Waiting), .. } => {
                matches!(self.timing(mail), Some(Timing::Awaited(_) | Timing::Unanswered(_)))
            }
            Source::Search { query, scope } => {
                let there = match scope {
                    SearchScope::All => true,
                    SearchScope::Account(account) => mail.place.mailbox.account == *account,
                    SearchScope::Mailbox(mailbox) => self.is_in(mail, mailbox),
                };
                there && matches(mail, query)
            }
        }
    }

    /// The row of a message in a list.
    fn row_in(&self, mail: &Mail, source: &Source) -> Row {
        let best = || self.views.iter().map(|view| &view.mailbox).find(|view| self.is_in(mail, view)).cloned();
        let shown = match source {
            Source::Mailbox(mailbox) => Some(mailbox.clone()),
            Source::Unified | Source::Search { .. } => best(),
        };
        let mailbox = shown.unwrap_or_else(|| mail.place.mailbox.clone());
        Row { mailbox, timing: self.timing(mail), ..row(mail) }
    }

    pub(super) fn in_list(&self, source: &Source) -> Vec<&Mail> {
        let mut mails: Vec<&Mail> = self.mails.iter().filter(|mail| self.fits(mail, source)).collect();
        mails.sort_by_key(|mail| std::cmp::Reverse(mail.id));
        mails
    }

    /// How a timer stands with a message, by what the index was told.
    fn timing(&self, mail: &Mail) -> Option<Timing> {
        let (notes, now) = &self.told;
        let timer = |kind| notes.timers.get(&(mail.identity(), kind)).map(|timer| timer.due);
        match (timer(TimerKind::Snooze), timer(TimerKind::Remind)) {
            (Some(due), _) if due > *now => Some(Timing::Asleep(due)),
            (Some(due), _) => Some(Timing::Returned(due)),
            (None, Some(due)) if due > *now => Some(Timing::Awaited(due)),
            (None, Some(due)) => Some(Timing::Unanswered(due)),
            (None, None) => None,
        }
    }

    /// What is asleep is left out, what is back stands first, and what is unfolded stands message by message.
    fn rows(&self, spec: &ListSpec) -> Vec<Row> {
        let mut rows = self.plain_rows(spec);
        if matches!(spec.source, Source::Search { .. }) {
            return rows;
        }
        rows.retain(|row| !matches!(row.timing, Some(Timing::Asleep(_))));
        let in_inbox = |mail: &Mail| match &spec.source {
            Source::Mailbox(mailbox) => mailbox.name.is_inbox() && mailbox.account == mail.place.mailbox.account,
            _ => true,
        };
        let vain = self.mails.iter().filter(|mail| in_inbox(mail));
        rows.extend(
            vain.map(|mail| self.row_in(mail, &Source::Unified))
                .filter(|row| matches!(row.timing, Some(Timing::Unanswered(_)))),
        );
        rows.sort_by_key(|row| !matches!(row.timing, Some(Timing::Returned(_) | Timing::Unanswered(_))));
        let mut shown = Vec::new();
        for row in rows {
            if !spec.unfolded.contains(&row.thread) {
                shown.push(row);
                continue;
            }
            let mut parts: Vec<&Mail> = self.mails.iter().filter(|mail| mail.thread == row.thread.0).collect();
            parts.sort_by_key(|mail| mail.id);
            for (nth, mail) in parts.into_iter().enumerate() {
                let depth = u16::from(nth > 0);
                shown.push(Row { depth, unfolded: true, ..self.row_in(mail, &Source::Unified) });
            }
        }
        shown
    }

    fn plain_rows(&self, spec: &ListSpec) -> Vec<Row> {
        let mails = self.in_list(&spec.source);
        if spec.grouping == Grouping::Flat {
            return arranged(mails.into_iter().map(|mail| self.row_in(mail, &spec.source)).collect(), spec);
        }
        let mut rows: Vec<Row> = Vec::new();
        for mail in mails {
            match rows.iter_mut().find(|row| row.thread == ThreadId(mail.thread)) {
                None => rows.push(self.row_in(mail, &spec.source)),
                Some(known) => {
                    let all_seen = known.flags.has(Flag::Seen) && mail.flags.has(Flag::Seen);
                    known.flags = known.flags.union(&mail.flags);
                    if !all_seen {
                        known.flags = known.flags.clone().without(Flag::Seen);
                    }
                    known.messages += 1;
                    known.unread += u32::from(!mail.flags.has(Flag::Seen));
                }
            }
        }
        arranged(rows, spec)
    }

    pub(super) fn index(&mut self, job: IndexJob) -> Vec<IndexReport> {
        match job {
            IndexJob::Mailboxes => {
                vec![IndexReport::Mailboxes(
                    self.mailboxes
                        .iter()
                        .chain(self.views.iter().map(|view| &view.mailbox))
                        .map(|id| self.count(id))
                        .collect(),
                )]
            }
            IndexJob::Rows { ticket, list, first, count, anchor } => {
                let all = self.rows(&list);
                let thread = anchor.and_then(|row| self.mails.iter().find(|mail| mail.id == row.0));
                let thread = thread.filter(|_| list.grouping == Grouping::Conversations).map(|mail| mail.thread);
                let anchor = anchor.and_then(|row| {
                    let own = all.iter().position(|known| known.message == row);
                    own.or_else(|| all.iter().position(|known| Some(known.thread.0) == thread))
                });
                let first = anchor
                    .filter(|at| !(first..first + count).contains(at))
                    .map_or(first, |at| at.saturating_sub(count / 2));
                let rows = all.iter().skip(first).take(count).cloned().collect();
                vec![IndexReport::Rows { ticket, list, first, total: all.len(), counted: true, rows, anchor }]
            }
            IndexJob::NextUnread { ticket, list, after, direction, order } => {
                vec![IndexReport::NextUnread {
                    ticket,
                    found: self.next_unread(&list.source, after, direction, &order),
                }]
            }
            IndexJob::Conversation { ticket, thread, .. } => {
                let mut mails: Vec<&Mail> = self.mails.iter().filter(|mail| mail.thread == thread.0).collect();
                mails.sort_by_key(|mail| mail.id);
                vec![IndexReport::Conversation {
                    ticket,
                    rows: mails.into_iter().map(|mail| self.row_in(mail, &Source::Unified)).collect(),
                }]
            }
            IndexJob::Apply(changed) => {
                let views = self.views.iter().filter(|view| view.home == changed.mailbox);
                let mailboxes = views.map(|view| view.mailbox.clone()).chain([changed.mailbox.clone()]).collect();
                let places = changed.places.len();
                vec![
                    IndexReport::Refreshed { mailboxes, arrived: Vec::new(), pending: 0 },
                    IndexReport::Applied { places },
                ]
            }
            IndexJob::Label { places, add, remove } => {
                let (add, remove) = (Flags::none().with_labels(&add), Flags::none().with_labels(&remove));
                for mail in self.mails.iter_mut().filter(|mail| places.contains(&mail.place)) {
                    mail.flags = mail.flags.union(&add).minus(&remove);
                }
                let homes = places.iter().map(|place| &place.mailbox);
                let mailboxes = self.views.iter().map(|view| &view.mailbox).chain(homes).cloned().collect();
                vec![IndexReport::Refreshed { mailboxes, arrived: Vec::new(), pending: 0 }]
            }
            IndexJob::Folders { .. } | IndexJob::Reconcile(_) | IndexJob::Views { .. } | IndexJob::SetLabels { .. } => {
                vec![IndexReport::Refreshed { mailboxes: Vec::new(), arrived: Vec::new(), pending: 0 }]
            }
            IndexJob::Complete { ticket, text, without, count, .. } => {
                vec![IndexReport::Completed { ticket, found: self.people_like(&text, &without, count) }]
            }
            IndexJob::Tags => {
                let words = self.mails.iter().flat_map(|mail| mail.flags.keywords().cloned());
                let words: BTreeSet<Keyword> = words.filter(tags::is_tag).collect();
                vec![IndexReport::Tags(words.into_iter().collect())]
            }
            IndexJob::Tally { ticket, searches } => self.tallied(ticket, searches),
            IndexJob::Notes { notes, now } => {
                self.told = ((*notes).clone(), now);
                let mailboxes = self.mailboxes.iter().chain(self.views.iter().map(|view| &view.mailbox));
                let mailboxes = mailboxes.cloned().collect();
                vec![IndexReport::Refreshed { mailboxes, arrived: Vec::new(), pending: 0 }]
            }
            IndexJob::Retag(tagging) => {
                let (given, lost) = (Vec::new(), Vec::new());
                vec![IndexReport::Retagged { mailboxes: Vec::new(), given, lost, more: tagging.more }]
            }
            IndexJob::ReadBooks => vec![IndexReport::Books { faults: Vec::new() }],
            IndexJob::Renamed { account, folders } => {
                let id = |name: &MailboxName| MailboxId { account: account.clone(), name: name.clone() };
                let mailboxes = folders.iter().flat_map(|folder| [id(&folder.from), id(&folder.to)]).collect();
                vec![IndexReport::Refreshed { mailboxes, arrived: Vec::new(), pending: 0 }]
            }
            IndexJob::Meet | IndexJob::Settled { .. } => Vec::new(),
            IndexJob::Release(places) => {
                let mailboxes = places.into_iter().map(|place| place.mailbox).collect();
                vec![IndexReport::Refreshed { mailboxes, arrived: Vec::new(), pending: 0 }]
            }
            IndexJob::Known(account) => vec![IndexReport::Known { account, seen: Vec::new() }],
            IndexJob::Find { ticket, .. } => vec![IndexReport::Found { ticket, places: Vec::new() }],
        }
    }

    fn tallied(&self, ticket: Ticket, searches: Vec<(String, Query)>) -> Vec<IndexReport> {
        let tally = |query: &Query| {
            let found: Vec<&Mail> = self.mails.iter().filter(|mail| matches(mail, query)).collect();
            let unread = found.iter().filter(|mail| !mail.flags.has(Flag::Seen)).count();
            Tally { total: found.len() as u64, unread: unread as u64 }
        };
        let counted = searches.into_iter().map(|(name, query)| {
            let tally = tally(&query);
            IndexReport::Tallied { ticket, name, tally }
        });
        counted.collect()
    }

    fn people_like(&self, text: &str, without: &[String], count: usize) -> Vec<Suggestion> {
        let fits = |one: &&Suggestion| {
            let fit = |asked: &Asked, who: &Address| asked.fit(&who.email, [who.name.as_str()]).is_some();
            let group = one.group.as_ref().is_some_and(|group| group.as_str().to_lowercase().starts_with(text));
            let given = one.addresses.iter().any(|who| without.contains(&who.email));
            let person = one.group.is_none() && one.addresses.iter().any(|who| fit(&Asked::of(text).unwrap(), who));
            (person || group) && !given
        };
        self.people.iter().filter(fits).take(count).cloned().collect()
    }

    fn next_unread(
        &self,
        source: &Source,
        after: Option<RowId>,
        direction: Direction,
        order: &[MailboxId],
    ) -> Option<(MailboxId, RowId)> {
        let here = self.in_list(source);
        let unread = |mail: &&&Mail| !mail.flags.has(Flag::Seen);
        let later = |mail: &&&Mail| match direction {
            Direction::Next => after.is_none_or(|after| mail.id < after.0),
            Direction::Previous => after.is_none_or(|after| mail.id > after.0),
        };
        let mut found = match direction {
            Direction::Next => here.iter().filter(later).find(unread).copied(),
            Direction::Previous => here.iter().rev().filter(later).find(unread).copied(),
        };
        for mailbox in order.iter().filter(|mailbox| *source != Source::Mailbox((*mailbox).clone())) {
            let there = self.in_list(&Source::Mailbox(mailbox.clone()));
            found = found.or_else(|| there.iter().find(|mail| !mail.flags.has(Flag::Seen)).copied());
        }
        found.map(|mail| (mail.place.mailbox.clone(), RowId(mail.id)))
    }

    fn count(&self, id: &MailboxId) -> MailboxRow {
        let mails = self.in_list(&Source::Mailbox(id.clone()));
        let unread = mails.iter().filter(|mail| !mail.flags.has(Flag::Seen)).count();
        let view = self.views.iter().find(|view| view.mailbox == *id);
        MailboxRow {
            mailbox: id.clone(),
            role: view.map_or_else(|| Role::guess(&id.name), |view| view.role),
            total: mails.len() as u64,
            unread: unread as u64,
            shows: view.map(|view| Shows { label: view.label.clone(), home: view.home.clone() }),
        }
    }
}

/// Somebody whom the index knows.
pub(crate) fn person(written: &str) -> Suggestion {
    let used = Use { sent: 3, ..Use::default() };
    Suggestion { addresses: tern::mail::address::parse_list(written), group: None, used }
}

/// The rows that are wanted of a list that goes newest first, in the order that is wanted.
fn arranged(mut rows: Vec<Row>, spec: &ListSpec) -> Vec<Row> {
    rows.retain(|row| match spec.only {
        Only::All => true,
        Only::Unread => row.unread > 0,
        Only::Starred => row.flags.has(Flag::Flagged),
    });
    match spec.order.by {
        SortBy::Date => {}
        SortBy::From => rows.sort_by_key(|row| row.who.as_str().to_lowercase()),
        SortBy::Subject => rows.sort_by_key(|row| row.subject.as_str().to_lowercase()),
        SortBy::Size => rows.sort_by_key(|row| std::cmp::Reverse(row.size)),
    }
    if spec.order.reversed {
        rows.reverse();
    }
    rows
}

fn matches(mail: &Mail, query: &Query) -> bool {
    match query {
        Query::And(all) => all.iter().all(|one| matches(mail, one)),
        Query::Or(some) => some.iter().any(|one| matches(mail, one)),
        Query::Not(one) => !matches(mail, one),
        Query::Text { field: Field::List, pattern: Pattern::Word(word) | Pattern::Phrase(word) } => {
            mail.list.as_ref() == Some(word)
        }
        Query::Text { pattern: Pattern::Word(word) | Pattern::Prefix(word) | Pattern::Phrase(word), .. } => {
            format!("{} {}", mail.who, mail.subject).to_lowercase().contains(&word.to_lowercase())
        }
        Query::Tag(name) => {
            let word = tags::typed(name).ok();
            mail.flags.keywords().any(|known| Some(known) == word.as_ref())
        }
        Query::In(name) => mail.place.mailbox.name.as_str().eq_ignore_ascii_case(name),
        Query::Is(State::Starred) => mail.flags.has(Flag::Flagged),
        _ => true,
    }
}

fn row(mail: &Mail) -> Row {
    Row {
        message: RowId(mail.id),
        thread: ThreadId(mail.thread),
        place: mail.place.clone(),
        mailbox: mail.place.mailbox.clone(),
        who: Clean::line(&mail.who),
        subject: Clean::line(&mail.subject),
        date: Timestamp::new(NOW - mail.ago),
        flags: mail.flags.clone(),
        attachment: !mail.attachments.is_empty(),
        list: false,
        messages: 1,
        unread: u32::from(!mail.flags.has(Flag::Seen)),
        size: 1234,
        depth: 0,
        id: mail.identity(),
        timing: None,
        unfolded: false,
    }
}
