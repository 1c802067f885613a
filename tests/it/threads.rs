//! Conversations against the algorithm by the book (Jamie Zawinski's, as RFC 5256 tells it), written down here
//! a second time and without any of the program's code. The book's result depends on the order in which messages
//! come where they contradict each other; it is read oldest first here, and trees that share a name are one
//! conversation. Its last step, that joins trees by their subjects, is left out: strangers share subjects.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::rc::{Rc, Weak};

use tern::index::Index;
use tern::job::index::{Grouping, ListSpec, Source};
use tern::mail::flags::Flags;
use tern::mail::ids::{MessageId, Timestamp};
use tern::mail::thread::{self, Member};

use crate::index::disk::{Disk, mailbox, tell};

/// A message of a random graph; its name is its number.
#[derive(Debug, Clone)]
struct Mail {
    name: usize,
    date: i64,
    references: Vec<usize>,
    in_reply_to: Vec<usize>,
}

/// The book's container.
struct Container {
    mail: Option<usize>,
    parent: RefCell<Weak<Container>>,
    children: RefCell<Vec<Rc<Container>>>,
}

impl Container {
    fn new(mail: Option<usize>) -> Rc<Self> {
        Rc::new(Self { mail, parent: RefCell::new(Weak::new()), children: RefCell::new(Vec::new()) })
    }

    fn holds(self: &Rc<Self>, other: &Rc<Self>) -> bool {
        Rc::ptr_eq(self, other) || self.children.borrow().iter().any(|child| child.holds(other))
    }

    fn cut(self: &Rc<Self>) {
        if let Some(parent) = self.parent.borrow().upgrade() {
            parent.children.borrow_mut().retain(|child| !Rc::ptr_eq(child, self));
        }
        *self.parent.borrow_mut() = Weak::new();
    }

    fn put_below(self: &Rc<Self>, parent: &Rc<Self>) {
        parent.children.borrow_mut().push(Rc::clone(self));
        *self.parent.borrow_mut() = Rc::downgrade(parent);
    }

    /// What is there in this tree, empty containers left out and their children in their place.
    fn pruned(self: &Rc<Self>) -> Vec<Tree> {
        let mut below: Vec<Tree> = self.children.borrow().iter().flat_map(Container::pruned).collect();
        match self.mail {
            None => below,
            Some(mail) => {
                below.sort();
                vec![Tree { mail, below }]
            }
        }
    }
}

/// A tree of messages, by their places in the graph, which are in the order of their dates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Tree {
    mail: usize,
    below: Vec<Tree>,
}

impl Tree {
    fn write(&self, depth: usize, out: &mut Vec<(usize, usize)>) {
        out.push((self.mail, depth));
        for tree in &self.below {
            tree.write(depth + 1, out);
        }
    }
}

/// The trees of `mails`, which are sorted by date, by the book.
fn by_the_book(mails: &[Mail]) -> Vec<Tree> {
    let mut table: BTreeMap<usize, Rc<Container>> = BTreeMap::new();
    for (at, mail) in mails.iter().enumerate() {
        table.insert(mail.name, Container::new(Some(at)));
    }
    for mail in mails {
        let this = Rc::clone(&table[&mail.name]);
        let named = if mail.references.is_empty() {
            mail.in_reply_to.first().copied().into_iter().collect()
        } else {
            mail.references.clone()
        };
        let mut above: Option<Rc<Container>> = None;
        for name in named {
            let container = Rc::clone(table.entry(name).or_insert_with(|| Container::new(None)));
            if let Some(above) = &above
                && container.parent.borrow().upgrade().is_none()
                && !container.holds(above)
            {
                container.put_below(above);
            }
            above = Some(container);
        }
        let above = above.filter(|above| !this.holds(above));
        this.cut();
        if let Some(above) = above {
            this.put_below(&above);
        }
    }
    let roots = table.values().filter(|container| container.parent.borrow().upgrade().is_none());
    let mut trees: Vec<Tree> = roots.flat_map(Container::pruned).collect();
    trees.sort();
    trees
}

/// Which messages belong together: those that bear or name the same name, and so on.
fn conversations(mails: &[Mail]) -> Vec<BTreeSet<usize>> {
    let mut found: Vec<(BTreeSet<usize>, BTreeSet<usize>)> = Vec::new();
    for (at, mail) in mails.iter().enumerate() {
        let names = [mail.name].into_iter().chain(mail.references.iter().chain(&mail.in_reply_to).copied());
        let mut all = (BTreeSet::from([at]), names.collect::<BTreeSet<usize>>());
        let (joined, apart) = found.into_iter().partition(|(_, names)| !names.is_disjoint(&all.1));
        let joined: Vec<(BTreeSet<usize>, BTreeSet<usize>)> = joined;
        for (mails, names) in joined {
            all.0.extend(mails);
            all.1.extend(names);
        }
        found = apart;
        found.push(all);
    }
    found.into_iter().map(|(mails, _)| mails).collect()
}

/// Each conversation as its messages in order with their depths; the conversations sorted.
type Pages = Vec<Vec<(usize, usize)>>;

fn wanted(mails: &[Mail]) -> Pages {
    let trees = by_the_book(mails);
    let mut pages: Pages = conversations(mails)
        .into_iter()
        .map(|members| {
            let mut page = Vec::new();
            for tree in trees.iter().filter(|tree| members.contains(&tree.mail)) {
                tree.write(0, &mut page);
            }
            page
        })
        .collect();
    pages.sort();
    pages
}

/// A random graph: answers to answers, of which some were lost, cut short, or contradict each other.
fn graph(rng: &mut fastrand::Rng) -> Vec<Mail> {
    let count = rng.usize(1..14);
    let mut lines: Vec<Vec<usize>> = Vec::new();
    for name in 0..count {
        let answered = if name == 0 || rng.u8(..5) == 0 { None } else { Some(rng.usize(..name)) };
        lines.push(answered.map_or_else(Vec::new, |to| lines[to].iter().copied().chain([to]).collect()));
    }
    let mut mails = Vec::new();
    for (name, line) in lines.into_iter().enumerate() {
        let mut references = line.clone();
        let mut in_reply_to: Vec<usize> = line.last().copied().into_iter().collect();
        match rng.u8(..10) {
            // Only the nearest, as a program does that knows no References.
            0 | 1 => references.clear(),
            // The first and the last ones.
            2 if references.len() > 3 => drop(references.drain(1..references.len() - 2)),
            3 => in_reply_to.clear(),
            // A list server's, or a liar's.
            4 => references = (0..rng.usize(..4)).map(|_| rng.usize(..count)).collect(),
            5 => references.insert(0, name),
            6 => in_reply_to = vec![rng.usize(..count), rng.usize(..count)],
            _ => {}
        }
        // Clocks are wrong, and some mail is lost.
        let date = i64::try_from(name * 10 + rng.usize(..25)).unwrap() * 100 + i64::try_from(name).unwrap();
        if rng.u8(..5) != 0 {
            mails.push(Mail { name, date, references, in_reply_to });
        }
    }
    mails.sort_by_key(|mail| mail.date);
    mails
}

fn id(name: usize) -> MessageId {
    MessageId::new(&format!("{name}@example.org")).unwrap()
}

#[test]
fn ten_thousand_random_graphs_are_ordered_as_the_book_does() {
    let mut rng = fastrand::Rng::with_seed(7);
    for round in 0..10_000 {
        let mails = graph(&mut rng);
        let ids: Vec<[Vec<MessageId>; 3]> = mails
            .iter()
            .map(|mail| {
                [&vec![mail.name], &mail.references, &mail.in_reply_to]
                    .map(|names| names.iter().map(|name| id(*name)).collect())
            })
            .collect();
        // In whatever order they are given.
        let mut given: Vec<usize> = (0..mails.len()).collect();
        rng.shuffle(&mut given);
        let members: Vec<Member<'_>> = given
            .iter()
            .map(|at| Member {
                message_id: ids[*at][0].first(),
                references: &ids[*at][1],
                in_reply_to: &ids[*at][2],
                date: Timestamp::new(mails[*at].date),
            })
            .collect();
        let mut page = Vec::new();
        for tree in by_the_book(&mails) {
            tree.write(0, &mut page);
        }
        let ordered: Vec<(usize, usize)> =
            thread::order(&members).iter().map(|at| (given[at.member], usize::from(at.depth))).collect();
        assert_eq!(ordered, page, "graph {round}: {mails:#?}");
    }
}

fn text(prefix: &str, mail: &Mail) -> String {
    let date = jiff::Timestamp::from_second(1_700_000_000 + mail.date).unwrap();
    let date = jiff::fmt::rfc2822::to_string(&date.to_zoned(jiff::tz::TimeZone::UTC)).unwrap();
    let mut text = format!(
        "From: Ada <ada@example.org>\nDate: {date}\nMessage-ID: <{prefix}.{}>\nSubject: {}\n",
        mail.name, mail.name
    );
    for (field, names) in [("References", &mail.references), ("In-Reply-To", &mail.in_reply_to)] {
        if !names.is_empty() {
            let names: Vec<String> = names.iter().map(|name| format!("<{prefix}.{name}>")).collect();
            let _ = writeln!(text, "{field}: {}", names.join(" "));
        }
    }
    text + "\nText.\n"
}

/// What the index makes of the mails of one graph.
fn shown(index: &mut Index, list: &ListSpec, mails: &[Mail]) -> Pages {
    let window = index.rows(list, 0, 100, None).unwrap();
    let at = |name: &str| mails.iter().position(|mail| mail.name.to_string() == name).unwrap();
    let mut pages: Pages = window
        .rows
        .iter()
        .map(|row| {
            let rows = index.conversation(row.thread).unwrap();
            rows.iter().map(|row| (at(row.subject.as_str()), usize::from(row.depth))).collect()
        })
        .collect();
    pages.sort();
    pages
}

#[test]
fn the_index_finds_the_same_in_whatever_order_mail_comes() {
    let mut rng = fastrand::Rng::with_seed(11);
    let mut disk = Disk::new();
    let (mut writer, mut reader) = (disk.writer(), disk.reader());
    for round in 0..60 {
        let mails = graph(&mut rng);
        let inbox = mailbox("home", &format!("Graph{round}"));
        let mut order: Vec<&Mail> = mails.iter().collect();
        rng.shuffle(&mut order);
        for mail in order {
            tell(&mut writer, &disk.deliver(&inbox, 0, &text(&format!("{round}@example.org"), mail), &Flags::none()));
        }
        let list = ListSpec::new(Source::Mailbox(inbox), Grouping::Conversations);
        assert_eq!(shown(&mut reader, &list, &mails), wanted(&mails), "graph {round}: {mails:#?}");
    }
}

#[test]
fn exchange_tells_its_conversations_by_a_mark_of_its_own() {
    let mut disk = Disk::new();
    let inbox = mailbox("home", "INBOX");
    let (mut writer, mut reader) = (disk.writer(), disk.reader());
    let mail = |number: u8, fields: &str| {
        format!(
            "From: Ada <ada@example.org>\nDate: Sat, 21 Nov 2026 10:0{number}:00 +0000\nMessage-ID: <{number}@x>\nSubject: {number}\n{fields}\nText.\n"
        )
    };
    let mark = "Thread-Index: AdxgQkN2R5n3Hm9uTk2xQmP0S1rC4g";
    let mails = [
        mail(1, &format!("{mark}==\n")),
        mail(2, &format!("{mark}AAbWxF\n")),
        // It names what it answers: the mark says nothing more.
        mail(3, &format!("References: <1@x>\n{mark}AAbWxG\n")),
        mail(4, "Thread-Index: AdxgQkN2R5n3Hm9uTk2xQmP0S1rB4g==\n"),
        mail(5, "Thread-Index: AdxgQkN2\n"),
        mail(6, "Thread-Index: AdxgQkN2\n"),
    ];
    for text in mails.iter().rev() {
        tell(&mut writer, &disk.deliver(&inbox, 0, text, &Flags::none()));
    }
    let list = ListSpec::new(Source::Mailbox(inbox), Grouping::Conversations);
    let rows = reader.rows(&list, 0, 10, None).unwrap().rows;
    let counts: Vec<(&str, u32)> = rows.iter().map(|row| (row.subject.as_str(), row.messages)).collect();
    assert_eq!(counts, [("6", 1), ("5", 1), ("4", 1), ("3", 3)]);
}
