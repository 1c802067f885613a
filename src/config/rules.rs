//! `[[rules]]`: what is done with mail that arrives, in the order of the file. A rule that is not understood as a
//! whole is left out as a whole. What its query means, and whether its folder is there, is for others to say.

use toml::Spanned;
use toml::de::DeValue;

use super::Paths;
use super::raw::{At, Notes, Table};
use super::searches::{Written, written};
use crate::mail::ids::AccountId;
use crate::mail::mailbox::MailboxName;
use crate::mail::tags;

/// No name of a rule is longer, in bytes.
const LONGEST_NAME: usize = 100;

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name: one line.
    pub name: String,
    /// What it matches: a query.
    pub query: Written,
    /// Whose mail it is for; `None`: everybody's.
    pub account: Option<AccountId>,
    /// Where a message goes.
    pub to: Option<Goal>,
    /// The tags that it gets.
    pub give: Vec<String>,
    /// The tags that it loses.
    pub take: Vec<String>,
    /// Shall it be read, or unread?
    pub read: Option<bool>,
    /// Shall it have a star, or none?
    pub star: Option<bool>,
    /// The program that gets it, with its arguments; no shell reads them.
    pub run: Option<Vec<String>>,
    /// Are the rules behind this one for nothing that it matches?
    pub stop: bool,
}

/// Where a rule lets a message go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goal {
    /// To a folder, which is to be there.
    Folder {
        /// Its name.
        name: MailboxName,
        /// The name as it is written.
        written: Written,
    },
    /// To the archive.
    Archive,
}

/// Reads `[[rules]]`.
pub(super) fn rules(
    list: &Spanned<DeValue<'_>>,
    root: &Table<'_>,
    accounts: &[AccountId],
    paths: &Paths,
    notes: &mut Notes<'_>,
) -> Vec<Rule> {
    let DeValue::Array(items) = list.get_ref() else {
        root.wants("rules", "tables: [[rules]]", list.span(), notes);
        return Vec::new();
    };
    let mut rules: Vec<Rule> = Vec::new();
    for item in items {
        let DeValue::Table(entries) = item.get_ref() else {
            root.wants("rules", "tables: [[rules]]", item.span(), notes);
            continue;
        };
        let mut table = Table::root(entries, "rules", notes);
        table.span = item.span();
        let before = notes.problems.len();
        let made = rule(&table, accounts, paths, notes);
        let name = table.get("name").and_then(|name| name.get_ref().as_str()).unwrap_or("without a name").to_owned();
        let span = table.get("name").map_or(item.span(), Spanned::span);
        let is_wrong = notes.problems.iter().skip(before).any(|problem| problem.severity == super::Severity::Error);
        match made {
            Some(rule) if rules.iter().any(|known| known.name == rule.name) => {
                notes.error(&span, &format!("rule `{name}` is left out: there is one of that name already"), None);
            }
            Some(rule) if !is_wrong => rules.push(rule),
            Some(_) | None => {
                notes.error(&span, &format!("rule `{name}` is left out: it is not as it should be"), None);
            }
        }
    }
    rules
}

fn rule(table: &Table<'_>, accounts: &[AccountId], paths: &Paths, notes: &mut Notes<'_>) -> Option<Rule> {
    let needed = |key: &str, notes: &mut Notes<'_>| {
        if table.get(key).is_none() {
            notes.error(&table.span, &format!("a rule wants `{key}`"), None);
        }
    };
    needed("name", notes);
    needed("match", notes);
    let name = table.line("name", notes);
    if let Some(name) = name.as_ref().filter(|name| name.value.len() > LONGEST_NAME) {
        table.wants("name", "a short text", name.span.clone(), notes);
    }
    let query = table.text("match", notes).map(|text| written(&text, notes));
    let account = table.get("account").and_then(|_| table.text("account", notes));
    if let Some(account) = account.as_ref().filter(|account| !accounts.iter().any(|id| id.as_str() == account.value)) {
        let known: Vec<&str> = accounts.iter().map(AccountId::as_str).collect();
        let hint = format!("there is: {}", known.join(", "));
        notes.error(&account.span, &format!("there is no account `{}`", account.value), Some(&hint));
    }
    let (give, take) = tags_of(table, notes);
    let flag = |key: &str, notes: &mut Notes<'_>| table.get(key).and_then(|_| table.boolean(key, notes));
    let (read, star) = (flag("read", notes), flag("star", notes));
    let stop = flag("stop", notes).unwrap_or_default();
    let to = goal(table, flag("archive", notes).unwrap_or_default(), notes);
    let run = table.get("run").and_then(|_| table.command("run", &paths.home, notes)).map(|words| words.value);
    let rule = Rule {
        name: name?.value.to_owned(),
        query: query?,
        account: account.map(|account| AccountId::new(account.value)),
        to,
        give,
        take,
        read,
        star,
        run,
        stop,
    };
    if !rule.does_something() {
        let hint = "it takes `move`, `archive`, `tag`, `read`, `star`, `run` or `stop`";
        notes.warning(&table.span, &format!("rule `{}` does nothing", rule.name), Some(hint));
    }
    Some(rule)
}

impl Rule {
    fn does_something(&self) -> bool {
        let tags = !self.give.is_empty() || !self.take.is_empty();
        let flags = self.read.is_some() || self.star.is_some();
        tags || flags || self.to.is_some() || self.run.is_some() || self.stop
    }
}

fn goal(table: &Table<'_>, archive: bool, notes: &mut Notes<'_>) -> Option<Goal> {
    let Some(to) = table.get("move").and_then(|_| table.line("move", notes)) else {
        return archive.then_some(Goal::Archive);
    };
    if archive {
        notes.error(&to.span, "a rule moves to one place: `move` or `archive`", None);
    }
    let name = MailboxName::typed(to.value);
    if name.is_none() {
        table.wants("move", "the name of a folder", to.span.clone(), notes);
    }
    name.map(|name| Goal::Folder { name, written: written(&to, notes) })
}

/// The tags that a rule gives and takes.
fn tags_of(table: &Table<'_>, notes: &mut Notes<'_>) -> (Vec<String>, Vec<String>) {
    let (mut give, mut take) = (Vec::new(), Vec::new());
    if table.get("tag").is_none() {
        return (give, take);
    }
    for At { value, span } in table.list("tag", notes).unwrap_or_default() {
        let (list, name) = match (value.strip_prefix('+'), value.strip_prefix('-')) {
            (Some(name), _) => (&mut give, name),
            (None, Some(name)) => (&mut take, name),
            (None, None) => {
                table.wants("tag", "words like \"+todo\" and \"-new\" in its list", span, notes);
                continue;
            }
        };
        match tags::typed(name) {
            Ok(_) => list.push(name.trim().to_owned()),
            Err(no) => notes.error(&span, &format!("`{name}` can be no tag: {no}"), None),
        }
    }
    (give, take)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, parse};

    fn read(rules: &str) -> Config {
        let text = format!("[accounts.ada]\naddress = \"ada@example.org\"\n{rules}");
        parse(&text, &Paths::under(Path::new("/x")))
    }

    fn told(config: &Config) -> Vec<(usize, String)> {
        config.problems.iter().map(|problem| (problem.line, problem.message.to_string())).collect()
    }

    #[test]
    fn rules_are_read_in_their_order_with_all_they_do() {
        let config = read(
            "[[rules]]\nname = \"lists\"\nmatch = \"list:rust\"\naccount = \"ada\"\nmove = \"Lists/rust\"\n\
             tag = [\"+to read\", \"-new\"]\nread = false\nstar = true\nrun = \"~/bin/note -x\"\nstop = true\n\
             [[rules]]\nname = \"old\"\nmatch = \"from:ada\"\narchive = true\n",
        );
        assert_eq!(told(&config), []);
        let [lists, old] = &config.rules[..] else { panic!("{:?}", config.rules) };
        assert!(matches!(&lists.to, Some(Goal::Folder { name, .. }) if name.as_str() == "Lists/rust"));
        assert_eq!((&lists.give[..], &lists.take[..]), (&["to read".to_owned()][..], &["new".to_owned()][..]));
        assert_eq!((lists.read, lists.star, lists.stop), (Some(false), Some(true), true));
        assert_eq!(lists.run.as_deref(), Some(&["/x/bin/note".to_owned(), "-x".to_owned()][..]));
        assert_eq!(lists.account, Some(AccountId::new("ada")));
        assert_eq!((&old.to, old.stop, old.account.as_ref()), (&Some(Goal::Archive), false, None));
    }

    #[test]
    fn what_is_wrong_is_told_at_its_place_and_the_rule_is_left_out_whole() {
        let table = [
            ("name = \"x\"", (3, "a rule wants `match`")),
            ("match = \"x\"\nread = true", (3, "a rule wants `name`")),
            ("name = \"x\"\nmatch = 1", (5, "`rules.match` wants a text in quotes")),
            ("name = \"x\"\nmatch = \"\"\naccount = \"bob\"\nread = true", (6, "there is no account `bob`")),
            (
                "name = \"x\"\nmatch = \"\"\ntag = [\"todo\"]",
                (6, "`rules.tag` wants words like \"+todo\" and \"-new\" in its list"),
            ),
            (
                "name = \"x\"\nmatch = \"\"\ntag = [\"+a(b\"]",
                (6, "`a(b` can be no tag: a tag has none of ( ) { % * \" \\ ]"),
            ),
            (
                "name = \"x\"\nmatch = \"\"\nmove = \"A\"\narchive = true",
                (6, "a rule moves to one place: `move` or `archive`"),
            ),
            ("name = \"x\"\nmatch = \"\"\nread = 1", (6, "`rules.read` wants true or false")),
            ("name = \"x\"\nmatch = \"\"\nrun = []", (6, "`rules.run` wants the name of a program")),
        ];
        for (text, (line, message)) in table {
            let config = read(&format!("[[rules]]\n{text}\n[[rules]]\nname = \"good\"\nmatch = \"y\"\nstar = true\n"));
            let told = told(&config);
            assert!(told.contains(&(line, message.to_owned())), "{text}: {told:?}");
            let names: Vec<&str> = config.rules.iter().map(|rule| rule.name.as_str()).collect();
            assert_eq!(names, ["good"], "{text}");
        }
        assert_eq!(told(&read("rules = 1\n")).len(), 1);
        let twice = "[[rules]]\nname = \"a\"\nmatch = \"x\"\nread = true\n".repeat(2);
        assert_eq!(told(&read(&twice)), [(8, "rule `a` is left out: there is one of that name already".to_owned())]);
        let idle = read("[[rules]]\nname = \"a\"\nmatch = \"x\"\n");
        assert_eq!((told(&idle).len(), idle.rules.len()), (1, 1));
    }
}
