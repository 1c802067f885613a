//! An account whose two sides change at random: on the server by a second client, here by file
//! renames, moves, removals and new files, as other programs do it. It knows what must be there in
//! the end: each letter is moved and removed by one side alone, flags by both.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::OpenFlags;
use sha2::{Digest as _, Sha256};

use crate::servers::dovecot::{Dovecot, PASSWORD};
use crate::support::wire::Wire;
use crate::terminal::World;

/// The mailboxes that letters are in.
pub(crate) const PLACES: [&str; 3] = ["INBOX", "Archive", "Lists"];

/// Who moves and removes a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Here,
    There,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Letter {
    owner: Owner,
    /// `None`: removed.
    pub(super) place: Option<&'static str>,
}

/// Both sides of one account and what must be in them.
pub(crate) struct Turmoil {
    pub(crate) world: World,
    pub(crate) dovecot: Dovecot,
    pub(crate) dice: fastrand::Rng,
    pub(crate) seed: u64,
    wire: Option<Wire>,
    pub(super) letters: BTreeMap<u32, Letter>,
    next: u32,
    /// The letters that the ledger was seen to know.
    noted: BTreeSet<u32>,
    /// The letters that were written here.
    written: BTreeSet<u32>,
    /// Which letter a file is, by its base name: no name is used twice.
    pub(super) numbers: BTreeMap<String, u32>,
    /// Does what is done here get synced to the disk, as a careful program does it?
    pub(crate) durable: bool,
    /// What happened, for the one who has to find out why.
    pub(crate) course: Vec<String>,
}

/// A letter of that number: some are large, some have no Message-ID, some are not in ASCII.
pub(crate) fn letter(number: u32) -> Vec<u8> {
    let id =
        if number.is_multiple_of(10) { String::new() } else { format!("Message-ID: <trust-{number}@example.net>\r\n") };
    let body = match number % 7 {
        0 => format!("line of letter {number}\r\n").repeat(1200),
        1 => format!("Grüße, sagt Brief {number}.\r\n\r\n.\r\n"),
        _ => format!("This is the text of letter {number}.\r\n"),
    };
    format!(
        "From: Grace Hopper <grace@example.net>\r\nTo: Ada <ada@example.org>\r\nSubject: Letter {number}.\r\n\
         Date: Mon, 1 Jan 2024 10:00:00 +0000\r\n{id}\r\n{body}"
    )
    .into_bytes()
}

/// What a message is, whatever its line ends: SHA-256 of it with CRLF.
pub(crate) fn hash(message: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) => {
                hash.update(text.strip_suffix(b"\r").unwrap_or(text));
                hash.update(b"\r\n");
            }
            None => hash.update(line),
        }
    }
    hash.finalize().into()
}

fn number_of(message: &[u8]) -> Option<u32> {
    let head = String::from_utf8_lossy(message.get(..message.len().min(400))?).into_owned();
    let (_, rest) = head.split_once("Subject: Letter ")?;
    rest.split_once('.')?.0.parse().ok()
}

/// One side's view: the flags of each copy of each message, by mailbox and hash.
type View = BTreeMap<(&'static str, [u8; 32]), Vec<Vec<String>>>;

impl Turmoil {
    /// Starts one with so many letters, spread over both sides, which the program has not met yet.
    pub(crate) fn new(letters: u32, seed: u64, world: World, dovecot: Dovecot) -> Self {
        let mut turmoil = Self {
            world,
            dovecot,
            dice: fastrand::Rng::with_seed(seed),
            seed,
            wire: None,
            letters: BTreeMap::new(),
            next: 1,
            noted: BTreeSet::new(),
            written: BTreeSet::new(),
            numbers: BTreeMap::new(),
            durable: false,
            course: Vec::new(),
        };
        for _ in 0..letters {
            let place = PLACES[turmoil.next as usize % PLACES.len()];
            let number = turmoil.take_number(if turmoil.next.is_multiple_of(2) { Owner::Here } else { Owner::There });
            let _ = turmoil.dovecot.deliver("ada", place, &letter(number));
            turmoil.letters.get_mut(&number).expect("just made").place = Some(place);
        }
        turmoil
    }

    /// The config for it; `more` goes into the account's table.
    pub(crate) fn config(port: u16, more: &str) -> String {
        format!(
            "[accounts.ada]\naddress = \"ada@example.org\"\nmaildir = \"{{home}}/mail/ada\"\n\
             imap = {{ host = \"127.0.0.1\", port = {port}, user = \"ada\", tls = \"plain\", timeout = \"5s\" }}\n\
             password = {{ file = \"{{home}}/password\" }}\nsync = {{ guard = false }}\n{more}\n"
        )
    }

    fn take_number(&mut self, owner: Owner) -> u32 {
        let number = self.next;
        self.next += 1;
        self.letters.insert(number, Letter { owner, place: None });
        number
    }

    /// Notes what happened.
    pub(crate) fn note(&mut self, what: impl Into<String>) {
        self.course.push(what.into());
    }

    fn wire(&mut self) -> io::Result<&mut Wire> {
        if self.wire.is_none() {
            self.wire = Some(Wire::connect(self.dovecot.imap, "ada", PASSWORD)?);
        }
        Ok(self.wire.as_mut().expect("just made"))
    }

    /// Forgets the second client's connection: the server went away.
    pub(crate) fn hang_up(&mut self) {
        self.wire = None;
    }

    /// A letter of that owner that is somewhere.
    fn any(&mut self, owner: Option<Owner>) -> Option<(u32, &'static str)> {
        for _ in 0..20 {
            let number = self.dice.u32(1..self.next.max(2));
            if let Some(Letter { owner: its, place: Some(place) }) = self.letters.get(&number)
                && owner.is_none_or(|wanted| wanted == *its)
            {
                return Some((number, place));
            }
        }
        None
    }

    fn other_place(&mut self, than: &str) -> &'static str {
        loop {
            let place = PLACES[self.dice.usize(0..PLACES.len())];
            if place != than {
                return place;
            }
        }
    }

    /// One random change on the server.
    pub(crate) fn change_there(&mut self) {
        let act = self.dice.u8(0..10);
        let done = match act {
            0..=2 => self.arrive_there(),
            3..=5 => self.flag_there(),
            6 | 7 => self.move_there(),
            _ => self.remove_there(),
        };
        done.expect("the second client is served");
    }

    pub(super) fn arrive_there(&mut self) -> io::Result<()> {
        let number = self.take_number(Owner::There);
        let place = PLACES[self.dice.usize(0..PLACES.len())];
        let flags = if self.dice.bool() { "\\Seen" } else { "" };
        self.wire()?.append(place, flags, &letter(number))?;
        self.letters.get_mut(&number).expect("just made").place = Some(place);
        self.note(format!("{number} arrives in {place}"));
        Ok(())
    }

    fn flag_there(&mut self) -> io::Result<()> {
        let Some((number, place)) = self.any(None) else { return Ok(()) };
        let Some(uid) = self.wire()?.find(place, &format!("Letter {number}."))?.pop() else { return Ok(()) };
        let sign = if self.dice.bool() { '+' } else { '-' };
        let flag = ["\\Seen", "\\Answered", "\\Flagged"][self.dice.usize(0..3)];
        self.wire()?.run(&format!("UID STORE {uid} {sign}FLAGS.SILENT ({flag})"))?;
        self.note(format!("{number} {sign}{flag} there"));
        Ok(())
    }

    fn move_there(&mut self) -> io::Result<()> {
        let Some((number, place)) = self.any(Some(Owner::There)) else { return Ok(()) };
        let Some(uid) = self.wire()?.find(place, &format!("Letter {number}."))?.pop() else { return Ok(()) };
        let to = self.other_place(place);
        self.wire()?.run(&format!("UID MOVE {uid} \"{to}\""))?;
        self.letters.get_mut(&number).expect("it is there").place = Some(to);
        self.note(format!("{number} moved there from {place} to {to}"));
        Ok(())
    }

    fn remove_there(&mut self) -> io::Result<()> {
        let Some((number, place)) = self.any(Some(Owner::There)) else { return Ok(()) };
        let Some(uid) = self.wire()?.find(place, &format!("Letter {number}."))?.pop() else { return Ok(()) };
        self.wire()?.run(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)"))?;
        self.wire()?.run(&format!("UID EXPUNGE {uid}"))?;
        self.letters.get_mut(&number).expect("it is there").place = None;
        self.note(format!("{number} removed there"));
        Ok(())
    }

    fn directory(&self, place: &str) -> PathBuf {
        self.world.path(&format!("mail/ada/{place}"))
    }

    /// One random change here.
    pub(crate) fn change_here(&mut self) {
        if !PLACES.iter().all(|place| self.directory(place).join("cur").is_dir()) {
            return;
        }
        match self.dice.u8(0..10) {
            0..=2 => self.file_here(),
            3..=5 => self.flag_here(),
            6 | 7 => self.move_here(),
            _ => self.remove_here(),
        }
    }

    fn settle(&self, directories: &[PathBuf]) {
        if self.durable {
            for directory in directories {
                File::open(directory).and_then(|directory| directory.sync_all()).expect("a sync");
            }
        }
    }

    /// Writes so many letters with Message-IDs into the INBOX here.
    pub(crate) fn write_here(&mut self, letters: usize) {
        for _ in 0..letters {
            if self.next.is_multiple_of(10) {
                self.next += 1;
            }
            self.file_into("INBOX");
        }
    }

    /// Removes the letters that were written here last.
    pub(crate) fn remove_written_here(&mut self, letters: u32) {
        for number in self.next - letters..self.next {
            let path = self.file_of(number, "INBOX").expect("it was just written");
            fs::remove_file(path).expect("it was just written");
            self.letters.get_mut(&number).expect("it was written").place = None;
        }
    }

    /// Moves the letter of that number from one mailbox to another here, keeping its name.
    pub(crate) fn carry_here(&mut self, number: u32, from: &'static str, to: &'static str) {
        let path = self.file_of(number, from).expect("it is there");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let name = if name.contains(":2,") { name } else { format!("{name}:2,") };
        fs::rename(&path, self.directory(to).join("cur").join(name)).expect("a rename");
        self.letters.get_mut(&number).expect("it is there").place = Some(to);
    }

    /// Makes the server give the messages of a mailbox new numbers.
    pub(crate) fn renumber(&mut self, place: &str) {
        self.hang_up();
        let maildir = self.dovecot.maildir("ada", place);
        let before = fs::read_to_string(maildir.join("dovecot-uidlist")).unwrap_or_default();
        // Dovecot takes the time for the new one, so it must not be the second of the old one.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        for entry in fs::read_dir(&maildir).expect("the mailbox").flatten() {
            if entry.file_name().to_string_lossy().starts_with("dovecot") {
                fs::remove_file(entry.path()).expect("the server's own file");
            }
        }
        self.dovecot.restart(false);
        let all = self.wire().and_then(|wire| wire.all(place)).expect("the server is read");
        let after = fs::read_to_string(maildir.join("dovecot-uidlist")).unwrap_or_default();
        assert!(all.is_empty() || before.lines().next() != after.lines().next(), "new numbers: {before} {after}");
    }

    fn file_here(&mut self) {
        let place = PLACES[self.dice.usize(0..PLACES.len())];
        self.file_into(place);
    }

    fn file_into(&mut self, place: &'static str) {
        let number = self.take_number(Owner::Here);
        let mut bytes = letter(number);
        if self.dice.bool() {
            // As most programs here write it.
            bytes.retain(|byte| *byte != b'\r');
        }
        let directory = self.directory(place);
        let name = format!("17040672{:02}.M{number}P7.here", number % 60);
        let tmp = directory.join("tmp").join(&name);
        fs::write(&tmp, bytes).expect("a file");
        if self.durable {
            File::open(&tmp).and_then(|file| file.sync_all()).expect("a sync");
        }
        let target = if self.dice.bool() {
            directory.join("new").join(&name)
        } else {
            directory.join(format!("cur/{name}:2,S"))
        };
        fs::rename(tmp, target).expect("a rename");
        self.settle(&[directory.join("cur"), directory.join("new")]);
        self.numbers.insert(name, number);
        self.written.insert(number);
        self.letters.get_mut(&number).expect("just made").place = Some(place);
        self.note(format!("{number} written here into {place}"));
    }

    /// The file of a letter, if it is here: the listing may be wrong for a moment, as anybody's.
    fn file_of(&mut self, number: u32, place: &str) -> Option<PathBuf> {
        for sub in ["cur", "new"] {
            for entry in fs::read_dir(self.directory(place).join(sub)).ok()?.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let base = name.split(":2,").next().unwrap_or_default().to_owned();
                let known = match self.numbers.get(&base) {
                    Some(known) => *known,
                    None => match fs::read(entry.path()).ok().as_deref().and_then(number_of) {
                        Some(read) => {
                            self.numbers.insert(base, read);
                            read
                        }
                        None => continue,
                    },
                };
                if known == number {
                    return Some(entry.path());
                }
            }
        }
        None
    }

    fn flag_here(&mut self) {
        let Some((number, place)) = self.any(None) else { return };
        let Some(path) = self.file_of(number, place) else { return };
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let (base, flags) = name.split_once(":2,").unwrap_or((&name, ""));
        let mut flags: BTreeSet<char> = flags.chars().collect();
        let flag = ['F', 'R', 'S'][self.dice.usize(0..3)];
        if !flags.remove(&flag) {
            flags.insert(flag);
        }
        let flags: String = flags.into_iter().collect();
        let to = self.directory(place).join(format!("cur/{base}:2,{flags}"));
        let done = fs::rename(&path, to).is_ok();
        self.settle(&[self.directory(place).join("cur"), self.directory(place).join("new")]);
        self.note(format!("{number} flags {flags:?} here: {done}"));
    }

    /// Reads which letter each file is.
    pub(crate) fn learn_names(&mut self) {
        for place in PLACES {
            // Looks at every file, since no letter has this number.
            let _ = self.file_of(0, place);
        }
    }

    /// The file of a letter that may be moved or removed here now.
    fn movable(&mut self) -> Option<(u32, &'static str, PathBuf)> {
        let (number, place) = self.any(Some(Owner::Here))?;
        let path = self.file_of(number, place)?;
        self.is_noted(number, place, &path).then_some((number, place, path))
    }

    /// Does the program know, or can it find out, what this file is on the server? The name of a fetched letter is
    /// there a moment before its row in the ledger is; and whether one without a Message-ID that was sent or moved has
    /// arrived, only its file can tell. Who moves or removes it in between, and kills the program at that, sees it
    /// come back, and nobody can know better.
    fn is_noted(&mut self, number: u32, place: &str, path: &Path) -> bool {
        let only_by_file = number.is_multiple_of(10);
        if !only_by_file && (self.written.contains(&number) || self.noted.contains(&number)) {
            return true;
        }
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let base = name.split(":2,").next().unwrap_or_default();
        let path = self.world.path("data/tern/ledger.db");
        let find = || {
            let ledger = rusqlite::Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            ledger.busy_timeout(Duration::from_secs(10))?;
            let rows = "SELECT 1 FROM base JOIN mailbox ON mailbox.key = base.mailbox
                        WHERE base.name = ?1 AND mailbox.name = ?2";
            ledger.prepare(rows)?.exists([base, place])
        };
        let found = find().unwrap_or(false);
        if found {
            self.noted.insert(number);
        }
        found
    }

    fn move_here(&mut self) {
        let Some((number, place, path)) = self.movable() else { return };
        let to = self.other_place(place);
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let (base, flags) = name.split_once(":2,").unwrap_or((&name, ""));
        // Some programs keep the name, others make a new one.
        let new = self.dice.bool().then(|| format!("17040673{:02}.M{number}P{}.moved", number % 60, self.course.len()));
        let base = new.as_deref().unwrap_or(base);
        let target = self.directory(to).join(format!("cur/{base}:2,{flags}"));
        if target.exists() || fs::rename(&path, &target).is_err() {
            return;
        }
        self.settle(&[
            self.directory(to).join("cur"),
            self.directory(place).join("cur"),
            self.directory(place).join("new"),
        ]);
        self.numbers.insert(base.to_owned(), number);
        self.letters.get_mut(&number).expect("it is there").place = Some(to);
        self.note(format!("{number} moved here from {place} to {to}, new name: {}", new.is_some()));
    }

    fn remove_here(&mut self) {
        let Some((number, place, path)) = self.movable() else { return };
        if fs::remove_file(&path).is_err() {
            return;
        }
        self.settle(&[self.directory(place).join("cur"), self.directory(place).join("new")]);
        self.letters.get_mut(&number).expect("it is there").place = None;
        self.note(format!("{number} removed here"));
    }

    fn view_here(&self) -> View {
        let mut view = View::new();
        for place in PLACES {
            for path in self.world.files(&format!("mail/ada/{place}")) {
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                let mut flags: Vec<String> = name
                    .split_once(":2,")
                    .map_or("", |(_, flags)| flags)
                    .chars()
                    .filter_map(|letter| {
                        let known = match letter {
                            'D' => "\\Draft",
                            'F' => "\\Flagged",
                            'P' => "$Forwarded",
                            'R' => "\\Answered",
                            'S' => "\\Seen",
                            'T' => "\\Deleted",
                            _ => return None,
                        };
                        Some(known.to_owned())
                    })
                    .collect();
                flags.sort_unstable();
                view.entry((place, hash(&fs::read(&path).expect("a message")))).or_default().push(flags);
            }
        }
        view
    }

    fn view_there(&mut self) -> View {
        let mut view = View::new();
        self.hang_up();
        for place in PLACES {
            for (flags, bytes) in self.wire().and_then(|wire| wire.all(place)).expect("the server is read") {
                view.entry((place, hash(&bytes))).or_default().push(flags);
            }
        }
        view
    }

    /// What differs from what must be there, on both sides, a line each; nothing if all is well.
    pub(crate) fn differences(&mut self) -> String {
        let (here, there) = (self.view_here(), self.view_there());
        let names: BTreeMap<[u8; 32], u32> = self.letters.keys().map(|n| (hash(&letter(*n)), *n)).collect();
        let mut out = String::new();
        for (number, Letter { owner, place }) in &self.letters {
            let Some(place) = place else { continue };
            let key = (*place, hash(&letter(*number)));
            for (side, view) in [("here", &here), ("there", &there)] {
                if !view.contains_key(&key) {
                    writeln!(out, "{side} {place}: letter {number} of {owner:?} is missing").expect("a String");
                }
            }
            if let (Some(one), Some(other)) = (here.get(&key), there.get(&key))
                && one != other
            {
                writeln!(out, "{place}: letter {number} has {one:?} here and {other:?} there").expect("a String");
            }
        }
        for (side, view) in [("here", &here), ("there", &there)] {
            for ((place, hash), copies) in view {
                let Some(number) = names.get(hash) else {
                    writeln!(out, "{side} {place}: there is a message that nobody wrote").expect("a String");
                    continue;
                };
                if self.letters[number].place != Some(*place) {
                    writeln!(out, "{side} {place}: letter {number} should not be there").expect("a String");
                }
                if copies.len() > 1 {
                    writeln!(out, "{side} {place}: letter {number} is there {} times", copies.len()).expect("a String");
                }
            }
        }
        out
    }

    /// Lets the program run to its end twice and expects that then both sides are what they must be,
    /// and that a third run finds nothing to do.
    pub(crate) fn expect_peace(&mut self) {
        for _ in 0..2 {
            let output = self.world.run(&["sync", "--quiet"]);
            assert!(output.status.success(), "seed {}: {}\n{}", self.seed, words(&output), self.story(""));
        }
        self.expect_equal();
        let third = self.world.succeed(&["sync"]);
        assert_eq!(third, "", "seed {}: nothing is left to do", self.seed);
        for place in PLACES {
            let left: Vec<_> =
                fs::read_dir(self.directory(place).join("tmp")).into_iter().flatten().flatten().collect();
            let ours = left.iter().filter(|entry| entry.file_name().to_string_lossy().ends_with(".tern-tmp")).count();
            if ours > 0 {
                self.course.push(format!("{ours} files are left in the tmp of {place}"));
            }
        }
    }

    /// Expects that both sides are what they must be.
    pub(crate) fn expect_equal(&mut self) {
        let differences = self.differences();
        assert!(differences.is_empty(), "seed {}:\n{differences}\n{}", self.seed, self.story(&differences));
    }

    /// How much happened, in words.
    pub(crate) fn tally(&self) -> String {
        let count = |what: &str| self.course.iter().filter(|line| line.contains(what)).count();
        format!(
            "there: {} new, {} moved, {} removed; here: {} new, {} moved, {} removed",
            count(" arrives in"),
            count("moved there"),
            count("removed there"),
            count("written here"),
            count("moved here"),
            count("removed here")
        )
    }

    /// The course of events as far as it concerns the letters named in `differences`.
    fn story(&self, differences: &str) -> String {
        let mut numbers: BTreeSet<&str> = BTreeSet::new();
        for line in differences.lines() {
            if let Some((_, rest)) = line.split_once("letter ") {
                numbers.insert(rest.split(' ').next().unwrap_or_default());
            }
        }
        let concerns = |line: &&String| {
            let first = line.split(' ').next().unwrap_or_default();
            numbers.is_empty() || numbers.contains(first) || first.parse::<u32>().is_err()
        };
        let lines: Vec<&str> = self.course.iter().filter(concerns).map(String::as_str).collect();
        let log = fs::read_to_string(self.world.path("state/tern/tern.log")).unwrap_or_default();
        let tail = |text: &str, lines: usize| {
            let all: Vec<&str> = text.lines().collect();
            all[all.len().saturating_sub(lines)..].join("\n")
        };
        format!("{}\nthe log:\n{}\nDovecot:\n{}", lines.join("\n"), tail(&log, 40), tail(&self.dovecot.log(), 10))
    }
}

/// What a program wrote.
pub(crate) fn words(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
