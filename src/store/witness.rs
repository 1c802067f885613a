//! Tells whether anybody but us touched a mailbox's directories since they are watched (inotify(7)). What we
//! did ourselves is noted after it succeeded and taken off what the kernel told; if nothing is left over, nobody
//! else was there. It never tells what others did, and where the kernel may not have seen everything (network
//! file systems, too much at once) it knows nothing.

#[cfg(target_os = "linux")]
pub(super) use self::linux::Witness;
#[cfg(not(target_os = "linux"))]
pub(super) use self::nowhere::Witness;

/// What happens to a name in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Act {
    /// There is a file of that name now.
    Came,
    /// There is none any more.
    Went,
}

#[cfg(target_os = "linux")]
mod linux {
    use std::hash::{BuildHasher as _, RandomState};
    use std::mem::MaybeUninit;
    use std::os::fd::{AsRawFd as _, OwnedFd};

    use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
    use rustix::io::Errno;

    use super::Act;

    /// The file systems that only this kernel changes: ext2 to ext4, XFS, btrfs, tmpfs, F2FS, bcachefs.
    const LOCAL: [u64; 6] = [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0xF2F5_2010, 0xCA45_1A4E];
    /// How much is read of what the kernel tells at once: some hundred names.
    const BUFFER: usize = 64 << 10;

    /// A watch on `cur/` and `new/`.
    #[derive(Debug)]
    pub(in crate::store) struct Witness {
        queue: OwnedFd,
        cur: i32,
        new: i32,
        /// So that nobody can name files whose sums come to nothing.
        keys: RandomState,
        /// The sum of all that was told, less that of all that we did.
        balance: u64,
        /// Did something happen after which the sum proves nothing?
        lost: bool,
    }

    impl Witness {
        /// Begins to watch; `None` where that would prove nothing.
        pub(in crate::store) fn begin(cur: &OwnedFd, new: &OwnedFd) -> Option<Self> {
            let is_local = |directory: &OwnedFd| {
                let kind = rustix::fs::fstatfs(directory).ok().and_then(|about| u64::try_from(about.f_type).ok());
                kind.is_some_and(|kind| LOCAL.contains(&kind))
            };
            if !is_local(cur) || !is_local(new) {
                return None;
            }
            let queue = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok()?;
            let wanted = WatchFlags::CREATE
                | WatchFlags::DELETE
                | WatchFlags::MOVED_FROM
                | WatchFlags::MOVED_TO
                | WatchFlags::DELETE_SELF
                | WatchFlags::MOVE_SELF
                | WatchFlags::ONLYDIR;
            // By the open directories: who knows what lies at their paths by now.
            let watch = |directory: &OwnedFd| {
                inotify::add_watch(&queue, format!("/proc/self/fd/{}", directory.as_raw_fd()), wanted).ok()
            };
            let (cur, new) = (watch(cur)?, watch(new)?);
            (cur != new).then(|| Self { queue, cur, new, keys: RandomState::new(), balance: 0, lost: false })
        }

        fn weight(&self, act: Act, in_new: bool, name: &[u8]) -> u64 {
            self.keys.hash_one((act, in_new, name))
        }

        /// Notes what we did.
        pub(in crate::store) fn note(&mut self, act: Act, in_new: bool, name: &str) {
            self.balance = self.balance.wrapping_sub(self.weight(act, in_new, name.as_bytes()));
        }

        /// Takes in what the kernel has told since, before it is too much for its queue.
        pub(in crate::store) fn listen(&mut self) {
            let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
            let mut reader = inotify::Reader::new(&self.queue, &mut buffer);
            let mut told: u64 = 0;
            loop {
                match reader.next() {
                    Ok(event) => {
                        let act = if event.events().intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
                            Some(Act::Came)
                        } else if event.events().intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
                            Some(Act::Went)
                        } else {
                            None
                        };
                        let in_new = event.wd() == self.new;
                        match act.zip(event.file_name()).filter(|_| in_new || event.wd() == self.cur) {
                            Some((act, name)) => {
                                told = told.wrapping_add(self.weight(act, in_new, name.to_bytes()));
                            }
                            // The queue ran over, or a directory went or is no longer watched.
                            None => self.lost = true,
                        }
                    }
                    Err(Errno::INTR) => {}
                    Err(Errno::AGAIN) => break,
                    Err(_) => {
                        self.lost = true;
                        break;
                    }
                }
            }
            self.balance = self.balance.wrapping_add(told);
        }

        /// Was all that happened our own doing?
        pub(in crate::store) fn is_alone(&mut self) -> bool {
            self.listen();
            !self.lost && self.balance == 0
        }
    }

    impl Drop for Witness {
        fn drop(&mut self) {
            // To close a queue that still watches makes the kernel wait for all its processors.
            for watch in [self.cur, self.new] {
                let _ = inotify::remove_watch(&self.queue, watch);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod nowhere {
    use std::os::fd::OwnedFd;

    use super::Act;

    /// Nobody tells here what happens in a directory.
    #[derive(Debug)]
    pub(in crate::store) enum Witness {}

    impl Witness {
        pub(in crate::store) fn begin(_: &OwnedFd, _: &OwnedFd) -> Option<Self> {
            None
        }

        pub(in crate::store) fn note(&mut self, _: Act, _: bool, _: &str) {
            match *self {}
        }

        pub(in crate::store) fn listen(&mut self) {
            match *self {}
        }

        pub(in crate::store) fn is_alone(&mut self) -> bool {
            match *self {}
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs;
    use std::path::Path;

    use crate::job::files::DirStamp;
    use crate::mail::flags::{Flag, Flags};
    use crate::mail::place::UniqueName;
    use crate::store::maildir::{Maildir, fresh};
    use crate::store::name::Entry;
    use crate::store::scan::{self, own_stamp, stamp};

    /// A mailbox with some files, on a file system that is surely of this kernel's own.
    fn mailbox() -> (tempfile::TempDir, Maildir, Vec<Entry>) {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        fs::create_dir_all(dir.path().join("box/cur")).unwrap();
        let maildir = Maildir::open(&dir.path().join("box")).unwrap();
        let flags = [Flags::none(), Flags::only(Flag::Seen), Flags::only(Flag::Flagged), Flags::none()];
        let deliver = |flags: &Flags| maildir.deliver(&fresh(None), flags, b"mail").unwrap().entry;
        let entries = flags.iter().map(deliver).collect();
        (dir, maildir, entries)
    }

    fn watched() -> (tempfile::TempDir, Maildir, Vec<Entry>) {
        let (dir, maildir, entries) = mailbox();
        scan::watch(&maildir, stamp(maildir.path()).unwrap());
        (dir, maildir, entries)
    }

    fn now(maildir: &Maildir) -> DirStamp {
        stamp(maildir.path()).unwrap()
    }

    #[test]
    fn whoever_works_alone_knows_how_the_directories_look_afterwards() {
        let (dir, maildir, entries) = watched();
        let before = now(&maildir);
        assert_eq!(own_stamp(&maildir), Some(before), "nobody did anything");
        fs::create_dir_all(dir.path().join("other/cur")).unwrap();
        let other = Maildir::open(&dir.path().join("other")).unwrap();
        let seen = maildir.set_flags(&entries[0], &Flags::only(Flag::Seen), &Flags::none()).unwrap().unwrap();
        maildir.move_to(&seen, &other, &fresh(None)).unwrap().unwrap();
        assert!(maildir.remove(&entries[1]).unwrap());
        let shelf = fs::File::open(dir.path()).unwrap().into();
        assert!(maildir.give(&entries[2], &shelf).unwrap().is_some());
        let unique = fresh(None);
        assert!(!maildir.deliver(&unique, &Flags::none(), b"more").unwrap().was_there);
        assert!(maildir.deliver(&unique, &Flags::none(), b"more").unwrap().was_there);
        maildir.settle().unwrap();
        let after = now(&maildir);
        assert_ne!(after, before);
        assert_eq!(own_stamp(&maildir), Some(after));
    }

    #[test]
    fn whatever_others_do_is_noticed() {
        type Deed = fn(&Path, &Entry);
        let path = |root: &Path, entry: &Entry| root.join(entry.relative());
        let deeds: [(&str, Deed); 5] = [
            ("a delivery", |root, _| fs::write(root.join("new/1.a.b"), b"mail").unwrap()),
            ("a removal", |root, entry| fs::remove_file(root.join(entry.relative())).unwrap()),
            ("a rename and back", |root, entry| {
                let (from, to) = (root.join(entry.relative()), root.join("cur/x:2,S"));
                fs::rename(&from, &to).unwrap();
                fs::rename(to, from).unwrap();
            }),
            ("a link", |root, entry| fs::hard_link(root.join(entry.relative()), root.join("cur/y")).unwrap()),
            ("a directory", |root, _| fs::create_dir(root.join("cur/z")).unwrap()),
        ];
        for (what, deed) in deeds {
            let (_dir, maildir, entries) = watched();
            maildir.set_flags(&entries[0], &Flags::only(Flag::Seen), &Flags::none()).unwrap().unwrap();
            assert!(path(maildir.path(), &entries[3]).exists());
            deed(maildir.path(), &entries[3]);
            maildir.settle().unwrap();
            assert_eq!(own_stamp(&maildir), None, "{what}");
        }
    }

    #[test]
    fn what_another_did_before_the_watch_or_without_one_counts_as_well() {
        let (_dir, maildir, entries) = mailbox();
        assert_eq!(own_stamp(&maildir), None, "nobody watches");
        let known = now(&maildir);
        fs::remove_file(maildir.path().join(entries[0].relative())).unwrap();
        let later = next_tick(&maildir, known);
        scan::watch(&maildir, known);
        assert_eq!(own_stamp(&maildir), None);
        scan::watch(&maildir, later);
        assert_eq!(own_stamp(&maildir), Some(later));
    }

    /// The stamp once it is another one: within one tick it may be the same.
    fn next_tick(maildir: &Maildir, known: DirStamp) -> DirStamp {
        while now(maildir) == known {
            let name = UniqueName::new("tick").unwrap();
            let entry = maildir.deliver(&name, &Flags::none(), b"").unwrap().entry;
            maildir.remove(&entry).unwrap();
        }
        now(maildir)
    }

    #[test]
    fn more_than_the_kernel_keeps_proves_nothing_unless_it_is_taken_in_meanwhile() {
        let most: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
        for (settles, is_sure) in [(false, false), (true, true)] {
            let (_dir, maildir, entries) = watched();
            let mut entry = entries[1].clone();
            for turn in 0..=most {
                let (add, remove) = (Flags::only(Flag::Flagged), Flags::none());
                let (add, remove) = if turn % 2 == 0 { (add, remove) } else { (remove, add) };
                entry = maildir.set_flags(&entry, &add, &remove).unwrap().unwrap();
                if settles && turn % 1000 == 0 {
                    maildir.settle().unwrap();
                }
            }
            assert_eq!(own_stamp(&maildir).is_some(), is_sure, "{settles}");
        }
    }
}
