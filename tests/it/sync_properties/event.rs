//! What can happen to an account, and histories of it with the weights that a property wants.

use proptest::prelude::*;

/// The mailboxes of the account.
pub(super) const MAILBOXES: [&str; 3] = ["INBOX", "Archive", "Lists"];

/// The flags that come and go.
pub(super) const FLAGS: [&str; 5] = ["\\Seen", "\\Flagged", "\\Answered", "$Forwarded", "todo"];

/// Something that happens. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// A mail arrives on the server.
    Arrives { mailbox: usize, flagged: bool },
    /// A mail is written into the Maildir.
    Written { mailbox: usize, flagged: bool },
    /// The same mail turns up on both sides, as when a provider files a sent copy by itself.
    Both { mailbox: usize },
    /// Another client removes a message for ever.
    Expunged(usize),
    /// Another client takes the mark off what was only marked as deleted.
    Unmarked(usize),
    /// A file is removed.
    Deleted(usize),
    /// Another client sets or clears a flag.
    FlaggedThere(usize, usize),
    /// A file is renamed with another flag.
    FlaggedHere(usize, usize),
    /// Another client moves a message.
    MovedThere(usize, usize),
    /// A file is moved; some programs keep its name.
    MovedHere { which: usize, to: usize, keeps_name: bool },
    /// Another client copies a message, perhaps within its mailbox.
    CopiedThere(usize, usize),
    /// A file is copied, perhaps within its mailbox; some copies still tell where they came from.
    CopiedHere { which: usize, to: usize, keeps_origin: bool },
    /// The server numbers a mailbox anew.
    Renumbered(usize),
    /// The ledger is lost.
    Forgotten,
    /// A round of sync.
    Synced(Sync),
}

/// How a round goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sync {
    /// Half-steps until it stops.
    pub(super) steps: usize,
    /// Does the server tell only what changed?
    pub(super) delta: bool,
    /// Mailboxes (one bit each) of which the server lists only some messages, and says so.
    pub(super) server_lies: u8,
    /// Mailboxes of which only some files are seen.
    pub(super) disk_lies: u8,
}

impl Sync {
    /// To the end, with every listing whole.
    pub(super) const WHOLE: Self = Self { steps: usize::MAX, delta: false, server_lies: 0, disk_lies: 0 };
}

/// What a property wants to see much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taste {
    /// A bit of everything.
    All,
    /// Removals, and rounds that stop.
    Removals,
    /// Listings that lie.
    Doubt,
    /// Flags.
    Flags,
    /// Mail that turns up twice, and appends that stop.
    Twice,
}

fn sync(taste: Taste) -> impl Strategy<Value = Event> {
    let stops = if taste == Taste::Removals || taste == Taste::Twice { 3 } else { 2 };
    let lies = if taste == Taste::Doubt { 6 } else { 1 };
    let length = prop_oneof![3 => Just(usize::MAX), stops => 0..14usize];
    let lie = move || prop_oneof![6 => Just(0u8), lies => 1..8u8];
    (length, any::<bool>(), lie(), lie()).prop_map(|(length, delta, server_lies, disk_lies)| {
        Event::Synced(Sync { steps: length, delta, server_lies, disk_lies })
    })
}

fn event(taste: Taste) -> impl Strategy<Value = Event> {
    let n = any::<u8>;
    let n = move || n().prop_map(usize::from);
    let mailbox = || 0..MAILBOXES.len();
    let more = |wanted: Taste| if taste == wanted { 3 } else { 1 };
    prop_oneof![
        8 => sync(taste),
        4 => (mailbox(), any::<bool>()).prop_map(|(mailbox, flagged)| Event::Arrives { mailbox, flagged }),
        3 => (mailbox(), any::<bool>()).prop_map(|(mailbox, flagged)| Event::Written { mailbox, flagged }),
        more(Taste::Twice) => mailbox().prop_map(|mailbox| Event::Both { mailbox }),
        2 * more(Taste::Removals) => n().prop_map(Event::Expunged),
        2 * more(Taste::Removals) => n().prop_map(Event::Deleted),
        1 => n().prop_map(Event::Unmarked),
        3 * more(Taste::Flags) => (n(), 0..FLAGS.len()).prop_map(|(n, flag)| Event::FlaggedThere(n, flag)),
        3 * more(Taste::Flags) => (n(), 0..FLAGS.len()).prop_map(|(n, flag)| Event::FlaggedHere(n, flag)),
        2 => (n(), mailbox()).prop_map(|(n, to)| Event::MovedThere(n, to)),
        2 => (n(), mailbox(), any::<bool>())
            .prop_map(|(which, to, keeps_name)| Event::MovedHere { which, to, keeps_name }),
        1 => (n(), mailbox()).prop_map(|(n, to)| Event::CopiedThere(n, to)),
        more(Taste::Twice) => (n(), mailbox(), any::<bool>())
            .prop_map(|(which, to, keeps_origin)| Event::CopiedHere { which, to, keeps_origin }),
        1 => mailbox().prop_map(Event::Renumbered),
        1 => Just(Event::Forgotten),
    ]
}

/// Histories of up to some two dozen events.
pub(super) fn histories(taste: Taste) -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(taste), 0..26)
}

/// Histories of little but copies, a ledger that is lost, and a server that tells half: files then name
/// origins that the server did not tell of, and it tells of messages that these files may be.
pub(super) fn copies_in_doubt() -> impl Strategy<Value = Vec<Event>> {
    let n = || any::<u8>().prop_map(usize::from);
    let mailbox = || 0..2usize;
    let event = prop_oneof![
        2 => mailbox().prop_map(|mailbox| Event::Arrives { mailbox, flagged: false }),
        3 => (n(), mailbox(), prop::bool::weighted(0.8))
            .prop_map(|(which, to, keeps_origin)| Event::CopiedHere { which, to, keeps_origin }),
        1 => (n(), mailbox()).prop_map(|(n, to)| Event::CopiedThere(n, to)),
        2 => Just(Event::Forgotten),
        4 => Just(Event::Synced(Sync::WHOLE)),
        2 => (1..4u8).prop_map(|server_lies| Event::Synced(Sync { server_lies, ..Sync::WHOLE })),
    ];
    prop::collection::vec(event, 0..16)
}
