//! Mail that other programs deliver, told as soon as it lies in `new/`: the kernel says which names come there. What it
//! does not say (flags, what is removed, what happens on a disk of the network) is found a little later by a look at
//! the disk. Changes nothing.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use super::folders::Root;
use super::maildir::Maildir;
use super::name::{self, Entry};
use crate::job::{Changed, FilesReport, PlaceChange};
use crate::mail::ids::AccountId;
use crate::mail::place::MailboxId;

/// How long the kernel is waited for until the wish to stop is looked at.
const PATIENCE: Duration = Duration::from_millis(500);
/// Once a name came, more are waited for as long as none of these pauses is between them,
const PAUSE: Duration = Duration::from_millis(20);
/// but not longer than this,
const GATHERING: Duration = Duration::from_millis(100);
/// and only until there are so many.
const MANY: usize = 256;
/// So many are told in one piece: of so few, the index takes in the words at once.
const AT_ONCE: usize = 64;
/// How often mailboxes that were made since are looked for.
const FOLDERS: Duration = Duration::from_mins(1);

/// Tells of what comes into the mailboxes of these accounts, until there is a wish to stop. Ends at once where the
/// kernel does not tell.
pub fn run(accounts: &[(AccountId, Root)], stop: &dyn Fn() -> bool, report: &dyn Fn(FilesReport)) {
    let mut watch = match Watch::new(accounts) {
        Ok(watch) => watch,
        Err(error) => {
            tracing::info!("the kernel does not tell of mail that comes in: {error}");
            return;
        }
    };
    let mut listed = Instant::now();
    while !stop() {
        if listed.elapsed() >= FOLDERS {
            watch.list(accounts);
            listed = Instant::now();
        }
        if let Err(error) = watch.wait(PATIENCE) {
            tracing::info!("the kernel does not tell any more of mail that comes in: {error}");
            return;
        }
        watch.told().into_iter().for_each(|changed| report(FilesReport::Delivered(changed)));
    }
}

/// What is watched.
struct Watch {
    kernel: OwnedFd,
    /// The mailboxes with their directories, by the numbers that the kernel gave to their `new/`.
    mailboxes: BTreeMap<i32, (MailboxId, PathBuf)>,
    came: BTreeMap<i32, Vec<Entry>>,
    /// Names that were linked, unless somebody is still writing that file.
    made: BTreeMap<(i32, String), Entry>,
}

impl Watch {
    fn new(accounts: &[(AccountId, Root)]) -> rustix::io::Result<Self> {
        let kernel = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let mut watch = Self { kernel, mailboxes: BTreeMap::new(), came: BTreeMap::new(), made: BTreeMap::new() };
        watch.list(accounts);
        Ok(watch)
    }

    /// Watches all mailboxes that are there. For one that is watched already, the kernel gives the same number again.
    fn list(&mut self, accounts: &[(AccountId, Root)]) {
        let flags = WatchFlags::MOVED_TO
            | WatchFlags::CREATE
            | WatchFlags::OPEN
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ONLYDIR;
        for (account, root) in accounts {
            for (name, directory) in root.list().found {
                match inotify::add_watch(&self.kernel, directory.join("new"), flags) {
                    Ok(number) => {
                        let id = MailboxId { account: account.clone(), name };
                        self.mailboxes.insert(number, (id, directory));
                    }
                    // It went meanwhile, or is not for us.
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => {}
                    Err(error) => {
                        tracing::info!("{} mailboxes are watched, and no more: {error}", self.mailboxes.len());
                        return;
                    }
                }
            }
        }
    }

    /// Waits for names, and for those that follow them.
    fn wait(&mut self, patience: Duration) -> rustix::io::Result<()> {
        let mut begun = None;
        loop {
            let pause = if begun.is_some() { PAUSE } else { patience };
            // All of them are under a second.
            let pause = Timespec { tv_sec: 0, tv_nsec: pause.subsec_nanos().into() };
            match poll(&mut [PollFd::new(&self.kernel, PollFlags::IN)], Some(&pause)) {
                Ok(0) => return Ok(()),
                Ok(_) => self.read()?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
            let since: Instant = *begun.get_or_insert_with(Instant::now);
            if since.elapsed() >= GATHERING || self.came.values().map(Vec::len).sum::<usize>() >= MANY {
                return Ok(());
            }
        }
    }

    /// Takes what the kernel has to say. Where it had more than it could keep, a look at the disk finds the rest.
    fn read(&mut self) -> rustix::io::Result<()> {
        let own = std::process::id();
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        let mut reader = Reader::new(&self.kernel, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error),
            };
            let (number, what) = (event.wd(), event.events());
            if what.contains(ReadFlags::IGNORED) {
                self.mailboxes.remove(&number);
            }
            let Some(name) = event.file_name().and_then(|name| name.to_str().ok()) else { continue };
            let Some(entry) = Entry::parse(name, true).filter(|entry| !name::is_own(entry.base(), own)) else {
                continue;
            };
            if what.intersects(ReadFlags::MOVED_TO | ReadFlags::CLOSE_WRITE) {
                self.made.remove(&(number, name.to_owned()));
                self.came.entry(number).or_default().push(entry);
            } else if what.contains(ReadFlags::CREATE) {
                self.made.insert((number, name.to_owned()), entry);
            } else if what.contains(ReadFlags::OPEN) {
                // Who makes a file opens it by that; what is linked there is whole.
                self.made.remove(&(number, name.to_owned()));
            }
        }
    }

    /// What came since the last time.
    fn told(&mut self) -> Vec<Changed> {
        for ((number, _), entry) in std::mem::take(&mut self.made) {
            self.came.entry(number).or_default().push(entry);
        }
        let mut all = Vec::new();
        for (number, mut entries) in std::mem::take(&mut self.came) {
            let Some((mailbox, directory)) = self.mailboxes.get(&number) else { continue };
            let Ok(maildir) = Maildir::open(directory) else { continue };
            entries.sort_unstable();
            entries.dedup();
            let place =
                |entry: &Entry| Some(PlaceChange { unique: entry.unique()?, now: Some(maildir.place_file(entry)) });
            let places: Vec<PlaceChange> = entries.iter().filter_map(place).collect();
            all.extend(places.chunks(AT_ONCE).map(|some| Changed { mailbox: mailbox.clone(), places: some.to_vec() }));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;
    use crate::mail::place::Layout;

    fn names(watch: &mut Watch) -> Vec<String> {
        watch.wait(Duration::ZERO).unwrap();
        let told = watch.told();
        let all = told.iter().flat_map(|changed| changed.places.iter().map(move |place| (changed, place)));
        all.map(|(changed, place)| {
            let path = &place.now.as_ref().unwrap().path;
            assert!(path.ends_with(format!("new/{}", path.file_name().unwrap().to_str().unwrap())));
            format!("{} {}", changed.mailbox.name, place.unique.as_str())
        })
        .collect()
    }

    #[test]
    fn what_others_deliver_is_told_once_it_is_whole() {
        let home = tempfile::tempdir().unwrap();
        let mailbox = |name: &str| {
            let directory = home.path().join(name);
            for part in ["cur", "new", "tmp"] {
                fs::create_dir_all(directory.join(part)).unwrap();
            }
            directory
        };
        let (inbox, lists) = (mailbox("INBOX"), mailbox("Lists"));
        let root = Root { path: home.path().to_owned(), layout: Layout::Nested };
        let accounts = [(AccountId::new("a"), root)];
        let mut watch = Watch::new(&accounts).unwrap();
        assert_eq!(names(&mut watch), [""; 0]);

        // By rename, by link, and by whoever writes into `new/` itself.
        let tmp = inbox.join("tmp/1.a");
        fs::write(&tmp, "x").unwrap();
        fs::rename(&tmp, inbox.join("new/1.a")).unwrap();
        fs::write(&tmp, "x").unwrap();
        fs::hard_link(&tmp, lists.join("new/2.b")).unwrap();
        fs::remove_file(&tmp).unwrap();
        let mut slow = fs::File::create(inbox.join("new/3.c")).unwrap();
        assert_eq!(names(&mut watch), ["INBOX 1.a", "Lists 2.b"]);
        slow.write_all(b"From: a@example.org\n").unwrap();
        assert_eq!(names(&mut watch), [""; 0]);
        drop(slow);
        assert_eq!(names(&mut watch), ["INBOX 3.c"]);

        // What is tern's own was told by whoever put it there; flags and removals are found by a look at the disk.
        let own = crate::store::maildir::fresh(None);
        fs::rename(inbox.join("new/3.c"), inbox.join("new").join(own.as_str())).unwrap();
        fs::rename(inbox.join("new/1.a"), inbox.join("cur/1.a:2,S")).unwrap();
        fs::remove_file(lists.join("new/2.b")).unwrap();
        fs::write(inbox.join("new/.hidden"), "x").unwrap();
        assert_eq!(names(&mut watch), [""; 0]);

        // A mailbox that is new, and one that is gone.
        let new = mailbox("Work");
        fs::remove_dir_all(&lists).unwrap();
        watch.list(&accounts);
        fs::write(&tmp, "x").unwrap();
        fs::rename(&tmp, new.join("new/4.d")).unwrap();
        assert_eq!(names(&mut watch), ["Work 4.d"]);
        assert_eq!(watch.mailboxes.len(), 2);
    }
}
