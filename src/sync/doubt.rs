//! Settles what an earlier run began on the server and never heard of again. The server is asked
//! instead of guessed at, and not before the dead connection's last commands have run: at least two
//! seconds after they were sent, and twice.
//!
//! A command may land later still: bytes that a dead connection left in some queue are a message half
//! a minute after it was sent anew. So an append that was not found is remembered for an hour, and
//! what then arrives as its echo, byte for byte what we hold under another UID, is taken off the
//! server again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::apply::known;
use super::changes::{Identity, ServerChanges};
use super::compare::Glass;
use super::content::read;
use super::env::{Env, Halt};
use super::look::Look;
use super::plan::Unsure;
use super::round::Round;
use crate::fault::{Fault, Scope};
use crate::ledger::{Agreed, Change, Intent, IntentId, Ledger, MailboxKey, Pending, Row, digest};
use crate::mail::flags::Flags;
use crate::mail::ids::{MessageId, Uid, UidValidity};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::{MailboxId, UniqueName};
use crate::mail::wire;
use crate::remote::{Push, Pushed, Remote, Want};
use crate::store::maildir::Maildir;
use crate::store::name::{self, Entry};
use crate::store::scan;

/// How long a lost connection's commands may go on running on the server, in seconds.
const QUIESCENCE: i64 = 2;
/// How long an append that was not found may still land, in seconds.
const ECHO: i64 = 3600;

/// What became of one mailbox's doubtful appends.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Files whose append came about.
    pub(crate) found: BTreeMap<UniqueName, Found>,
    /// The intents of those, to be dropped once their files are paired.
    pub(crate) intents: BTreeMap<UniqueName, Vec<IntentId>>,
    /// Appends that have not been found: what they sent may still land.
    pub(crate) echoes: Vec<Echo>,
}

impl Settled {
    /// Is there something to be done even if nothing is new? An echo shows as something new.
    pub(crate) fn is_pressing(&self) -> bool {
        !self.found.is_empty()
    }
}

/// An append that came about.
#[derive(Debug)]
pub(crate) struct Found {
    /// What its file is on the server: to be paired by it.
    pub(crate) origin: (UidValidity, Uid),
    /// What it is if its file went while it was looked for.
    pub(crate) echo: Echo,
}

/// An append that was sent and has not been found.
#[derive(Debug, Clone)]
pub(crate) struct Echo {
    id: IntentId,
    uid_next: Option<Uid>,
    unique: UniqueName,
    identity: Identity,
}

/// An append that may have come about.
struct Fresh {
    echo: Echo,
    mailbox: MailboxId,
    validity: UidValidity,
    message_id: Option<MessageId>,
}

/// Settles all intents of the account, by mailbox. Costs nothing when there are none.
pub(crate) fn settle(
    env: &Env,
    remote: &mut dyn Remote,
    ledger: &mut Ledger,
) -> Result<BTreeMap<MailboxName, Settled>, Halt> {
    let mut out: BTreeMap<MailboxName, Settled> = BTreeMap::new();
    let pending = ledger.intents(&env.account.id)?;
    if pending.is_empty() {
        return Ok(out);
    }
    let now = env.clock.now().get();
    let (mut fresh, mut moves, mut over) = (Vec::new(), Vec::new(), Vec::new());
    let mut youngest = now - QUIESCENCE;
    // Of several attempts at one file the first is looked for: the others sent the same.
    let mut sought = BTreeSet::new();
    for pending in pending {
        let begun_at = pending.begun_at.get();
        let id = pending.id;
        match sort(env, ledger, pending)? {
            // A clock that was set back must not make us keep it for years.
            Sorted::Echo(mailbox, echo) if (now - begun_at).abs() <= ECHO => {
                out.entry(mailbox).or_default().echoes.push(echo);
            }
            Sorted::Over | Sorted::Echo(..) => over.push(id),
            Sorted::Here => {}
            Sorted::Fresh(append) => {
                youngest = youngest.max(begun_at);
                if sought.insert((append.mailbox.clone(), append.echo.unique.clone())) {
                    fresh.push(append);
                } else if (now - begun_at).abs() <= ECHO {
                    out.entry(append.mailbox.name).or_default().echoes.push(append.echo);
                } else {
                    over.push(id);
                }
            }
            Sorted::Move(intent) => {
                youngest = youngest.max(begun_at);
                moves.push((id, intent));
            }
        }
    }
    if !fresh.is_empty() || !moves.is_empty() {
        // Nor must it make us wait for years.
        let left = (youngest + QUIESCENCE - now).clamp(0, QUIESCENCE);
        env.pause(Duration::from_secs(left.unsigned_abs()))?;
    }
    for (id, intent) in moves {
        env.step()?;
        settle_move(env, remote, ledger, id, &intent)?;
    }
    search(env, remote, ledger, fresh, &mut out)?;
    if !over.is_empty() {
        ledger.settle(&over)?;
    }
    Ok(out)
}

/// What is to be done about an intent.
enum Sorted {
    /// It can be found out now.
    Fresh(Fresh),
    /// It only shows once something lands.
    Echo(MailboxName, Echo),
    Move(Intent),
    /// Nothing: it is planned anew from what both sides look like now.
    Over,
    /// It concerns files alone, and is settled where those are looked after.
    Here,
}

fn sort(env: &Env, ledger: &mut Ledger, pending: Pending) -> Result<Sorted, Fault> {
    let Pending { id, intent, .. } = pending;
    let (mailbox, validity, uid_next, unique, message_id, size) = match intent {
        Intent::Append { mailbox, validity, uid_next, unique, message_id, size } => {
            (mailbox, validity, uid_next, unique, message_id, size)
        }
        intent @ Intent::Move { .. } => return Ok(Sorted::Move(intent)),
        Intent::Complete { .. } => return Ok(Sorted::Here),
    };
    let key = ledger.mailbox(&mailbox)?;
    let Agreed { validity: now, .. } = ledger.agreed(key)?;
    if now != Some(validity) {
        return Ok(Sorted::Over);
    }
    let id_digest = message_id.as_ref().map(|id| digest(id.as_str()));
    let identity = Identity { size, id: id_digest, digest: None };
    let echo = Echo { id, uid_next, unique, identity };
    // What was sent anew since, and what is not here any more, need not be waited for.
    let sent_anew = !ledger.rows_of_names(key, [&echo.unique])?.is_empty();
    if sent_anew || !is_here(env, &mailbox.name, &echo.unique)? {
        return Ok(Sorted::Echo(mailbox.name, echo));
    }
    Ok(Sorted::Fresh(Fresh { echo, mailbox, validity, message_id }))
}

fn is_here(env: &Env, mailbox: &MailboxName, unique: &UniqueName) -> Result<bool, Fault> {
    let directory = env.root().directory(mailbox)?;
    if !directory.join("cur").is_dir() {
        return Ok(false);
    }
    Ok(Maildir::open(&directory)?.find(unique)?.is_some())
}

/// Searches for what was appended, twice if need be.
fn search(
    env: &Env,
    remote: &mut dyn Remote,
    ledger: &mut Ledger,
    mut fresh: Vec<Fresh>,
    out: &mut BTreeMap<MailboxName, Settled>,
) -> Result<(), Halt> {
    for round in 0..2 {
        if round > 0 && !fresh.is_empty() {
            env.pause(Duration::from_secs(QUIESCENCE.unsigned_abs()))?;
        }
        let mut missing = Vec::new();
        for append in fresh {
            env.step()?;
            let Fresh { echo, mailbox, validity, message_id } = &append;
            let settled = out.entry(mailbox.name.clone()).or_default();
            let key = ledger.mailbox(mailbox)?;
            let found = match message_id {
                // Without a Message-ID the listing pairs it by what it is.
                None => Vec::new(),
                Some(id) => match unpaired(remote, ledger, (&mailbox.name, key), id, echo.uid_next) {
                    Ok(found) => found,
                    Err(fault) if fault.scope <= Scope::Mailbox => Vec::new(),
                    Err(fault) => return Err(fault.into()),
                },
            };
            let is_free = |uid: &Uid| !settled.found.values().any(|other| other.origin.1 == *uid);
            // A second attempt at one file is looked for when it lands.
            let known = settled.found.contains_key(&echo.unique);
            let free: Vec<Uid> = found.into_iter().filter(is_free).collect();
            match the_same(env, remote, &append, &free)?.filter(|_| !known) {
                Some(uid) => {
                    let found = Found { origin: (*validity, uid), echo: echo.clone() };
                    settled.found.insert(echo.unique.clone(), found);
                    settled.intents.entry(echo.unique.clone()).or_default().push(echo.id);
                }
                None if known => settled.echoes.push(echo.clone()),
                None => missing.push(append),
            }
        }
        fresh = missing;
    }
    for Fresh { echo, mailbox, .. } in fresh {
        out.entry(mailbox.name).or_default().echoes.push(echo);
    }
    Ok(())
}

/// The messages of a mailbox on the server that have this Message-ID and no file here yet. Only those from `since` on
/// are asked for.
pub(super) fn unpaired(
    remote: &mut dyn Remote,
    ledger: &Ledger,
    (name, key): (&MailboxName, MailboxKey),
    id: &MessageId,
    since: Option<Uid>,
) -> Result<Vec<Uid>, Fault> {
    let mut found = remote.search_id(name, id.as_str(), since)?;
    let taken: BTreeSet<Uid> = ledger.rows_of_uids(key, &found)?.into_iter().map(|row| row.uid).collect();
    found.retain(|uid| !taken.contains(uid));
    Ok(found)
}

/// Another message may have the same Message-ID: only one of the same size is the one.
fn the_same(env: &Env, remote: &mut dyn Remote, append: &Fresh, free: &[Uid]) -> Result<Option<Uid>, Fault> {
    if free.is_empty() {
        return Ok(None);
    }
    let Fresh { echo, mailbox, .. } = append;
    let sizes = sizes(env, mailbox, &echo.unique, echo.identity.size);
    match remote.identify(&mailbox.name, free) {
        Ok(known) => Ok(known.into_iter().find(|it| sizes.contains(&it.size)).map(|it| it.uid)),
        Err(fault) if fault.scope <= Scope::Mailbox => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// The sizes that a message may have on the server: as it was sent, and with each line end as CRLF, which
/// is how a server may count that keeps bare LF.
fn sizes(env: &Env, mailbox: &MailboxId, unique: &UniqueName, sent: u64) -> Vec<u64> {
    let file = env.root().directory(&mailbox.name).and_then(|path| Maildir::open(&path)?.read(unique));
    let counted = file.ok().and_then(|bytes| wire::canonical(&bytes).map(|bytes| bytes.len() as u64));
    std::iter::once(sent).chain(counted).collect()
}

/// Finds out where a moved message went. Once it has a row there, the file may go wherever its user
/// takes it; without one, a file that is gone again would come back from the server.
fn settle_move(
    env: &Env,
    remote: &mut dyn Remote,
    ledger: &mut Ledger,
    id: IntentId,
    intent: &Intent,
) -> Result<(), Halt> {
    match arrival(env, remote, ledger, intent) {
        Ok(Some((from, left, to, row))) => {
            let arrive = Change { put: vec![row], ..Change::default() };
            let leave = Change { remove: left.into_iter().collect(), settled: vec![id], ..Change::default() };
            Ok(ledger.commit(&[(from, leave), (to, arrive)])?)
        }
        Ok(None) => Ok(ledger.settle(&[id])?),
        Err(fault) if fault.scope <= Scope::Mailbox => Ok(ledger.settle(&[id])?),
        Err(fault) => Err(fault.into()),
    }
}

type Arrival = (MailboxKey, Option<Uid>, MailboxKey, Row);

fn arrival(env: &Env, remote: &mut dyn Remote, ledger: &mut Ledger, intent: &Intent) -> Result<Option<Arrival>, Fault> {
    let Intent::Move { from, validity, uid, to, to_validity, uid_next, unique, message_id: Some(id), size } = intent
    else {
        return Ok(None);
    };
    let (from_key, to_key) = (ledger.mailbox(from)?, ledger.mailbox(&env.mailbox(to))?);
    let same_epochs = ledger.agreed(from_key)?.validity == Some(*validity)
        && to_validity.is_some()
        && ledger.agreed(to_key)?.validity == *to_validity;
    if !same_epochs || !ledger.rows_of_names(to_key, [unique])?.is_empty() {
        return Ok(None);
    }
    let found = unpaired(remote, ledger, (to, to_key), id, *uid_next)?;
    let [there] = found.as_slice() else { return Ok(None) };
    if !remote.identify(to, &[*there])?.iter().any(|message| message.uid == *there && message.size == *size) {
        return Ok(None);
    }
    // Where a move is a copy and a removal, the second half may be missing: then the old row stays, and
    // its file that is gone tells the next plan.
    let stayed = remote.identify(&from.name, &[*uid])?.iter().any(|message| message.uid == *uid);
    let flags = ledger.rows_of_uids(from_key, &[*uid])?.pop().map_or(Flags::none(), |row| row.flags.without_labels());
    let row = Row { uid: *there, unique: unique.clone(), flags, size: *size, digest: Some(digest(id.as_str())) };
    Ok(Some((from_key, (!stayed).then_some(*uid), to_key, row)))
}

/// What a new message on the server is.
enum Verdict {
    /// The echo: all is done.
    Echo,
    /// Another message.
    Other,
    /// It may be either, as long as the directory is not seen whole.
    Untold,
}

impl Round<'_> {
    /// Looks among what is new on the server for what dead connections sent: the echo of a file that
    /// was sent anew is removed there, and one whose file has gone since is taken for that file's. Gives those of
    /// which it cannot be told yet, and leaves them out of what is new: another round asks again.
    pub(super) fn hear_echoes(
        &mut self,
        look: &mut Look,
        server: &mut ServerChanges,
        echoes: &[Echo],
    ) -> Result<Vec<Uid>, Halt> {
        let mut untold = Vec::new();
        if echoes.is_empty() || server.restarted {
            return Ok(untold);
        }
        let lowest = echoes.iter().map(|echo| echo.uid_next).min().flatten();
        let late = |uid: &Uid| lowest.is_none_or(|lowest| *uid >= lowest);
        let asked: Vec<Uid> =
            server.new.iter().filter(|(uid, new)| late(uid) && new.identity.is_none()).map(|(uid, _)| *uid).collect();
        if !asked.is_empty() {
            self.answer_there(look, server, &Unsure { uids: asked, ..Unsure::default() })?;
        }
        let mut echoes = echoes.to_vec();
        let new: Vec<Uid> = server.new.keys().copied().filter(late).collect();
        for uid in new {
            let Some(identity) = server.new.get(&uid).and_then(|new| new.identity.as_deref()) else { continue };
            let fits = |echo: &Echo| {
                echo.uid_next.is_none_or(|from| uid >= from)
                    && (echo.identity.size, echo.identity.id) == (identity.size, identity.id)
            };
            let Some(echo) = echoes.iter().find(|echo| fits(echo)).cloned() else { continue };
            self.env.step()?;
            match self.hear_one(look, server, uid, &echo)? {
                Verdict::Echo => echoes.retain(|other| other.id != echo.id),
                Verdict::Other => {}
                Verdict::Untold => {
                    server.new.remove(&uid);
                    untold.push(uid);
                }
            }
        }
        Ok(untold)
    }

    /// Says whether this message of the server was the echo.
    fn hear_one(
        &mut self,
        look: &mut Look,
        server: &mut ServerChanges,
        uid: Uid,
        echo: &Echo,
    ) -> Result<Verdict, Halt> {
        let Some(maildir) = &look.maildir else { return Ok(Verdict::Other) };
        let name = &look.mailbox.name;
        let file = read(maildir, &echo.unique)?;
        if self.ledger.rows_of_names(look.key, [&echo.unique])?.is_empty() {
            if look.side.changes.new.contains_key(&echo.unique) {
                return Ok(Verdict::Other);
            }
            // What is there and was passed over, or may be so, must not be fetched as another message.
            if file.is_some() || !look.side.changes.complete {
                return Ok(Verdict::Untold);
            }
            if echo.identity.id.is_none() && !self.is_filed(look, uid, echo)? {
                return Ok(Verdict::Other);
            }
            let id = echo.identity.id;
            // It was removed or moved here before anybody knew that it had landed.
            let flags = server.new.remove(&uid).map_or(Flags::none(), |new| new.flags);
            let row = Row { uid, unique: echo.unique.clone(), flags, size: echo.identity.size, digest: id };
            let (uid, agreed) = known(row.clone());
            look.side.base.insert(uid, agreed);
            look.side.changes.gone.insert(uid);
            look.count += 1;
            self.ledger
                .commit(&[(look.key, Change { put: vec![row], settled: vec![echo.id], ..Change::default() })])?;
            return Ok(Verdict::Echo);
        }
        let complete = look.side.changes.complete;
        let Some(file) = file.filter(|_| server.allows.delete && complete) else { return Ok(Verdict::Other) };
        let mut glass = Glass::default();
        self.remote.fetch(name, &[uid], Want::Whole, &mut glass)?;
        if glass.digest.is_none() || glass.digest != file.identity.digest {
            return Ok(Verdict::Other);
        }
        tracing::info!("{name}: message {} is one that was sent twice; it is removed there", uid.get());
        if self.remote.push(name, &Push::Expunge { uids: &[uid] })? == Pushed::MarkedOnly {
            return Ok(Verdict::Other);
        }
        server.new.remove(&uid);
        if let Some(all) = &mut server.exactly {
            all.remove(&uid);
        }
        self.ledger.settle(&[echo.id])?;
        Ok(Verdict::Echo)
    }

    /// Does this message without a Message-ID, whose file is gone from here, lie in another mailbox now, byte for
    /// byte, where it will be uploaded? Only that tells that it was moved, and only then may it go from here.
    fn is_filed(&mut self, look: &Look, uid: Uid, echo: &Echo) -> Result<bool, Halt> {
        let mut glass = Glass::default();
        let synced: BTreeMap<_, _> = self.ledger.mailboxes(&self.env.account.id)?.into_iter().collect();
        for (name, directory) in self.env.root().list().found {
            let Some(key) = synced.get(&name).filter(|_| name != look.mailbox.name && self.env.wants(&name)) else {
                continue;
            };
            let maildir = Maildir::open(&directory)?;
            for unique in scan::scan(&maildir)?.entries.iter().filter_map(Entry::unique) {
                let told = name::size(unique.as_str());
                let may_be = told.is_none_or(|size| (size..=size.saturating_mul(2)).contains(&echo.identity.size));
                if !may_be || !self.ledger.rows_of_names(*key, [&unique])?.is_empty() {
                    continue;
                }
                let Ok(Some(file)) = read(&maildir, &unique) else { continue };
                if file.is_stub || (file.identity.size, file.identity.id) != (echo.identity.size, None) {
                    continue;
                }
                if glass.digest.is_none() {
                    self.remote.fetch(&look.mailbox.name, &[uid], Want::Whole, &mut glass)?;
                }
                if glass.digest.is_some() && glass.digest == file.identity.digest {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
