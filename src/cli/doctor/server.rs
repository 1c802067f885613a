//! The servers of an account, step by step: name, connection, TLS, sign-in, what kind it is and what it
//! can do, and the folders with their roles. Signs in as a sync would, and looks without touching.

mod pop3;

use std::net::ToSocketAddrs as _;
use std::path::Path;
use std::sync::Arc;

use super::finding::{Finding, Tell, Verdict};
use crate::app;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::config::account::LabelMode;
use crate::config::quirk::Quirk;
use crate::config::{Account, SecretSource, Server, Submit, Tls};
use crate::fault::{Cause, Doing, Fault};
use crate::ledger::labels::{Begun, begun};
use crate::login::channel::Channel;
use crate::login::{Secret, dial, secret};
use crate::mail::clean::Clean;
use crate::mail::mailbox::{MailboxName, Role};
use crate::outbox::smtp::Smtp;
use crate::remote::imap::{Facts, Imap};
use crate::sync::watch;

/// A certificate that ends sooner than this many days is told.
const SOON: i64 = 14;
/// The most addresses of a host that are shown.
const ADDRESSES: usize = 3;

/// The names of the checks of one kind of server.
struct Names {
    host: &'static str,
    connection: &'static str,
    tls: &'static str,
    sign_in: &'static str,
    other: &'static str,
}

const IMAP: Names = Names {
    host: "imap.host",
    connection: "imap.connect",
    tls: "imap.tls",
    sign_in: "imap.sign-in",
    other: "imap.answers",
};
const POP3: Names = Names {
    host: "pop3.host",
    connection: "pop3.connect",
    tls: "pop3.tls",
    sign_in: "pop3.sign-in",
    other: "pop3.answers",
};
const SMTP: Names = Names {
    host: "smtp.host",
    connection: "smtp.connect",
    tls: "smtp.tls",
    sign_in: "smtp.sign-in",
    other: "smtp.answers",
};

/// What can be offered, and what it costs where it is not.
const PATHS: [(&str, &str); 11] = [
    ("QRESYNC", "what vanished is found by listing all numbers of a folder"),
    ("CONDSTORE", "flags are compared in full each time"),
    ("LIST-STATUS", "each folder is asked by itself whether it changed"),
    ("ESEARCH", "listings of numbers are longer"),
    ("MOVE", "messages are copied and then removed"),
    ("UIDPLUS", "a message that was brought is looked for, and nothing can be removed without its neighbours"),
    ("LITERAL+", "each message that is brought waits for leave"),
    ("COMPRESS=DEFLATE", "more bytes go over the line"),
    ("IDLE", "new mail shows at the next look, not at once"),
    ("NOTIFY", "only INBOX tells of new mail at once"),
    ("SPECIAL-USE", "what folders are for is guessed by their names"),
];

/// Looks at all servers of the account.
pub(super) fn look(account: &Account, data: &Path, typed: Option<Secret>, tell: &mut Tell) {
    if account.imap.is_none() && account.pop3.is_none() {
        tell.tell(Finding::ok("servers", "mail comes from no server: others fill the Maildir"));
    }
    let silent = account.secret == SecretSource::Prompt && typed.is_none();
    if let Some(server) = &account.imap
        && reach(server, &IMAP, tell)
    {
        if silent {
            tell.tell(unasked(IMAP.sign_in));
        } else {
            imap(data, account, server, typed.clone(), tell);
        }
    }
    if let Some(pop3) = &account.pop3
        && reach(&pop3.server, &POP3, tell)
    {
        if silent {
            tell.tell(unasked(POP3.sign_in));
        } else {
            pop3::look(account, pop3, typed.clone(), tell);
        }
    }
    match &account.submit {
        Some(Submit::Smtp(server)) if reach(server, &SMTP, tell) => {
            if silent {
                tell.tell(unasked(SMTP.sign_in));
            } else {
                smtp(account, server, typed, tell);
            }
        }
        Some(Submit::Command(words)) => program(words, tell),
        Some(Submit::Smtp(_)) | None => {}
    }
}

fn unasked(check: &'static str) -> Finding {
    Finding::warn(check, "not tried: the password must be typed, and nobody can be asked here")
        .next("run `tern doctor` in a terminal")
}

/// The host's name and a connection to it. Is it worth going on?
fn reach(server: &Server, names: &Names, tell: &mut Tell) -> bool {
    let host = server.host.as_str();
    match (host, server.port).to_socket_addrs() {
        Ok(found) => {
            let mut all: Vec<String> = found.map(|address| address.ip().to_string()).collect();
            all.dedup();
            let more =
                if all.len() > ADDRESSES { format!(" and {} more", all.len() - ADDRESSES) } else { String::new() };
            all.truncate(ADDRESSES);
            tell.tell(Finding::ok(names.host, &format!("{host} is {}{more}", all.join(", "))));
        }
        Err(error) => {
            let fault = Fault::new(Doing::Connecting, host, Cause::UnknownHost).detail(&error.to_string());
            tell.tell(Finding::fail(names.host, &fault));
            return false;
        }
    }
    match dial(server) {
        Ok(_) => {
            tell.tell(Finding::ok(names.connection, &format!("port {} answers", server.port)));
            true
        }
        Err(fault) => {
            tell.tell(Finding::fail(names.connection, &fault));
            false
        }
    }
}

/// A fault of a server told at the step where it happened.
fn stopped(fault: &Fault, names: &Names, tell: &mut Tell) {
    let check = match fault.doing {
        Doing::Securing => names.tls,
        Doing::SigningIn | Doing::Configuring | Doing::Running => names.sign_in,
        _ => names.other,
    };
    let finding = Finding::fail(check, fault);
    // What the detail says already is better than the advice for all faults of that cause.
    tell.tell(match (fault.cause, fault.doing) {
        (Cause::Certificate, _) => finding.next(
            "trust it only if you know it: the `pin` that is shown goes into the server's table of the config, or \
             the authority's certificate into `ca`",
        ),
        (_, Doing::Configuring | Doing::Running) => finding.next("check `password` or `token` of the account"),
        _ => finding,
    });
}

fn channel(server: &Server, channel: Option<&Channel>, names: &Names, tell: &mut Tell) {
    let Some(channel) = channel else {
        let finding = match server.tls {
            Tls::Plain => Finding::ok(names.tls, "none: this machine alone is spoken to"),
            Tls::Implicit | Tls::StartTls => Finding::warn(names.tls, "nothing is known of the connection"),
        };
        tell.tell(finding);
        return;
    };
    let trust = match (&server.pin, &server.ca) {
        (Some(_), _) => "its key is the pinned one",
        (None, Some(_)) => "trusted by this system or by `ca`",
        (None, None) => "trusted by this system",
    };
    let Some(certificate) = &channel.certificate else {
        tell.tell(Finding::ok(names.tls, &format!("{}; the certificate: {trust}", channel.version)));
        return;
    };
    let days = (certificate.not_after.get() - app::now().get()).div_euclid(24 * 3600);
    let hosts: Vec<&str> = certificate.names.iter().take(ADDRESSES).map(AsRef::as_ref).collect();
    let hosts = if hosts.is_empty() { "no host".to_owned() } else { hosts.join(", ") };
    let text = format!("{}; the certificate is for {hosts}: {trust}", channel.version);
    tell.tell(match days {
        ..0 => Finding::warn(names.tls, &format!("{text}; it ended {} days ago", -days))
            .next("tell who runs the server; the pin keeps it trusted meanwhile"),
        0..SOON => Finding::warn(names.tls, &format!("{text}; it ends in {days} days"))
            .next("tell who runs the server, if it is not renewed soon"),
        _ => Finding::ok(names.tls, &format!("{text}; good for {days} more days")),
    });
}

fn sign_in(mechanism: &str, server: &Server, names: &Names, tell: &mut Tell) {
    let kind = match mechanism {
        "SCRAM-SHA-256-PLUS" => "the password stays here; bound to this TLS connection",
        "SCRAM-SHA-256" => "the password stays here, and the server has proven that it knows it",
        "OAUTHBEARER" | "XOAUTH2" => "by a token",
        "APOP" => "the password stays here, but who listens to it can find it out",
        _ if server.tls == Tls::Plain => "the password is shown to this machine alone",
        _ => "the password is shown to the server, inside TLS",
    };
    tell.tell(Finding::ok(names.sign_in, &format!("{} by {mechanism}: {kind}", server.user)));
}

fn imap(data: &Path, account: &Account, server: &Server, typed: Option<Secret>, tell: &mut Tell) {
    let source = account.secret.clone();
    let provider = move || typed.clone().map_or_else(|| secret::fetch(&source, None), Ok);
    match Imap::new(account, Arc::new(provider)).describe() {
        Err(fault) => stopped(&fault, &IMAP, tell),
        Ok(facts) => {
            channel(server, facts.channel.as_ref(), &IMAP, tell);
            sign_in(facts.mechanism, server, &IMAP, tell);
            kind(&facts, tell);
            paths(account, &facts, tell);
            news(account, &facts, tell);
            oddities(account, &facts, tell);
            labels(data, account, &facts, tell);
            for alert in &facts.alerts {
                tell.tell(Finding::warn("imap.alert", &format!("the server says: {alert}")));
            }
            roles(account, &facts, tell);
        }
    }
}

/// Who answers there.
fn kind(facts: &Facts, tell: &mut Tell) {
    let field = |name: &str| facts.id.iter().find(|(known, _)| known.as_str().eq_ignore_ascii_case(name));
    let text = match (field("name"), field("version")) {
        (Some((_, name)), Some((_, version))) => format!("{name} {version}"),
        (Some((_, name)), None) => name.as_str().to_owned(),
        (None, _) if facts.greeting.is_empty() => "it does not say which it is".to_owned(),
        (None, _) => format!("it greets with: {}", facts.greeting),
    };
    tell.tell(Finding::ok("imap.server", &text));
    let names: Vec<&str> = facts.capabilities.iter().map(AsRef::as_ref).collect();
    tell.tell(Finding::ok("imap.offers", &names.join(" ")));
}

/// What makes a sync fast and exact, and what its absence costs.
fn paths(account: &Account, facts: &Facts, tell: &mut Tell) {
    let has = |name: &str| {
        let held = matches!(name, "ESEARCH" | "MOVE" | "UIDPLUS" | "IDLE" | "SPECIAL-USE");
        facts.offers(name)
            || (name == "CONDSTORE" && facts.offers("QRESYNC"))
            || (name == "LITERAL+" && (facts.offers("LITERAL-") || facts.offers("IMAP4rev2")))
            || (name == "LIST-STATUS" && facts.offers("IMAP4rev2"))
            || (name == "SPECIAL-USE" && facts.offers("XLIST"))
            || (held && facts.offers("IMAP4rev2"))
    };
    for (name, cost) in PATHS.into_iter().filter(|(name, _)| !has(name)) {
        let text = format!("no {name}: {cost}");
        // Only these two change what the user gets, and not only how long it takes.
        let matters = name == "UIDPLUS" || (name == "IDLE" && account.sync.idle);
        let by_user = Quirk::all().any(|(_, quirk)| facts.quirks.contains(&quirk) && name == hidden_by(quirk));
        tell.tell(match (matters, by_user) {
            (_, true) => Finding::ok("imap.without", &format!("{text} (taken away by a quirk)")),
            (true, false) => Finding::warn("imap.without", &text),
            (false, false) => Finding::ok("imap.without", &text),
        });
    }
}

/// Where news are heard at once.
fn news(account: &Account, facts: &Facts, tell: &mut Tell) {
    let watched = watch::watched(account);
    if !account.sync.idle || account.sync.watch.is_empty() {
        tell.tell(Finding::ok("imap.news", "news come when the interval is over: the config wants no more"));
        return;
    }
    if watched.is_empty() {
        let next = format!("`connections` of [accounts.{}.sync]: 2 or more", account.id.as_str());
        tell.tell(Finding::warn("imap.news", "one connection may be used: none is left to hear news on").next(&next));
        return;
    }
    let missing = account.sync.watch.iter().filter(|name| !facts.mailboxes.iter().any(|known| known.name == **name));
    for name in missing {
        let text = format!("{} is to be watched, and the server has no such folder", Clean::line(name.as_str()));
        tell.tell(Finding::warn("imap.news", &text).next("correct `watch` of the account"));
    }
    if facts.offers("NOTIFY") {
        tell.tell(Finding::ok("imap.news", "one connection hears news of all folders (NOTIFY)"));
    } else if facts.offers("IDLE") {
        let names: Vec<String> = watched.iter().map(|name| Clean::line(name.as_str()).to_string()).collect();
        let text = format!("news at once in {} (a connection each); in the others by the interval", names.join(", "));
        let all = watched.len() == account.sync.watch.len();
        let finding = Finding::ok("imap.news", &text);
        let too_few = "`connections` is too small for all that `watch` names";
        tell.tell(if all { finding } else { finding.next(too_few) });
    }
}

fn hidden_by(quirk: Quirk) -> &'static str {
    match quirk {
        Quirk::NoCondstore => "CONDSTORE",
        Quirk::NoQresync => "QRESYNC",
        Quirk::NoMove => "MOVE",
        Quirk::NoUidplus => "UIDPLUS",
        Quirk::NoEsearch => "ESEARCH",
        Quirk::NoListStatus => "LIST-STATUS",
        Quirk::NoCompress => "COMPRESS=DEFLATE",
        Quirk::NoEagerLiteral => "LITERAL+",
        Quirk::WantsId | Quirk::NoInitialResponse => "",
    }
}

fn oddities(account: &Account, facts: &Facts, tell: &mut Tell) {
    if facts.quirks.is_empty() {
        return;
    }
    let said = |quirk: &Quirk| {
        account.imap.as_ref().is_some_and(|server| server.quirks.0.get(quirk).copied().unwrap_or_default())
    };
    let list: Vec<String> = facts
        .quirks
        .iter()
        .map(|quirk| format!("{} ({})", quirk.name(), if said(quirk) { "the config" } else { "known of such servers" }))
        .collect();
    let text = format!("in effect: {}", list.join(", "));
    let next = format!("what is not so for this server: false in [accounts.{}.imap.quirks]", account.id.as_str());
    tell.tell(Finding::ok("imap.quirks", &text).next(&next));
}

/// Folders that are labels (Gmail): how they are synced, and what that costs here.
fn labels(data: &Path, account: &Account, facts: &Facts, tell: &mut Tell) {
    if !facts.offers("X-GM-EXT-1") {
        return;
    }
    let all = facts.mailboxes.iter().find(|known| known.role == Some(Role::All)).map(|known| known.name.clone());
    let id = account.id.as_str();
    let known = begun(data, &account.id);
    let by_views = match (account.sync.labels, known) {
        (Some(LabelMode::Views), _) | (None, Begun::ByLabels) => true,
        (None, Begun::Not) => all.as_ref().is_some_and(|all| !account.is_excluded(all)),
        (Some(LabelMode::Folders), _) | (None, Begun::ByFolders) => false,
    };
    let all = all.map_or_else(|| "a folder of all mail".to_owned(), |name| Clean::line(name.as_str()).to_string());
    if by_views {
        let text = format!("folders are labels there, and views here: a message is fetched and kept once, in {all}");
        let next = format!("for a copy in each folder instead: `labels = \"folders\"` in [accounts.{id}.sync]");
        tell.tell(Finding::ok("imap.labels", &text).next(&next));
        return;
    }
    let text = format!(
        "folders are labels there, synced by folders: a message with several is fetched and kept once for each, {all} \
         being one of them"
    );
    let next = format!(
        "leave out what you do not want twice: `exclude` in [accounts.{id}.sync]; but what was archived lies in \
         the folder of all mail alone. Or begin anew with an empty `maildir`: then each message is kept once"
    );
    tell.tell(Finding::ok("imap.labels", &text).next(&next));
}

/// What the folders are for, and who said so.
fn roles(account: &Account, facts: &Facts, tell: &mut Tell) {
    let there = |name: &MailboxName| facts.mailboxes.iter().any(|known| known.name == *name);
    let mut given = Vec::new();
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Inbox) {
        let by_server = facts.mailboxes.iter().find(|known| known.role == Some(role)).map(|known| &known.name);
        let by_name = facts.mailboxes.iter().map(|known| &known.name).find(|name| Role::guess(name) == Some(role));
        let word = role.word();
        if let Some(name) = account.folders.by_role.get(&role) {
            given.push(format!("{word} is {} (the config)", name.as_str()));
            if !name.as_str().contains("%Y") && !there(name) {
                let text = format!("{word} is {} in the config, and the server has no such folder", name.as_str());
                tell.tell(
                    Finding::warn("imap.folders", &text).next("it is made when it is needed, or correct the name"),
                );
            }
        } else if let Some(name) = by_server {
            given.push(format!("{word} is {} (the server)", name.as_str()));
        } else if let Some(name) = by_name {
            given.push(format!("{word} is {} (by its name)", name.as_str()));
        } else if matches!(role, Role::Drafts | Role::Sent | Role::Trash) {
            let text = format!("no folder is known for {word}");
            let next = format!("name it: {word} = \"…\" in [accounts.{}.folders]", account.id.as_str());
            tell.tell(Finding::warn("imap.folders", &text).next(&next));
        }
    }
    let told = if given.is_empty() { String::new() } else { format!(": {}", given.join(", ")) };
    tell.tell(Finding::ok("imap.folders", &format!("{} folders{told}", facts.mailboxes.len())));
}

fn smtp(account: &Account, server: &Server, typed: Option<Secret>, tell: &mut Tell) {
    let reached = Smtp::new(server.clone(), account.secret.clone(), typed).and_then(|smtp| smtp.probe());
    match reached {
        Err(fault) => stopped(&fault, &SMTP, tell),
        Ok(reached) => {
            channel(server, reached.channel.as_ref(), &SMTP, tell);
            match reached.mechanism {
                Some(mechanism) => sign_in(mechanism, server, &SMTP, tell),
                None => tell.tell(Finding::ok(SMTP.sign_in, "none is wanted")),
            }
            let size = reached.size.map_or_else(String::new, |size| format!("; takes up to {} MiB", size >> 20));
            let dsn = if reached.dsn { "; tells of failed deliveries" } else { "" };
            tell.tell(Finding::ok(SMTP.other, &format!("ready to take mail{size}{dsn}; nothing was sent")));
        }
    }
}

/// The program that mail is given to.
fn program(words: &[String], tell: &mut Tell) {
    let Some(name) = words.first() else { return };
    let shown = output::quoted(name);
    let is_program =
        |path: &std::path::Path| path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    let found = if name.contains('/') {
        is_program(std::path::Path::new(name))
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|directory| is_program(&directory.join(name)))
    };
    tell.tell(if found {
        Finding::ok("submit", &format!("mail is given to {shown}"))
    } else {
        Finding::new("submit", Verdict::Fail(Exit::Config), &format!("there is no program {shown}"))
            .next("correct `sendmail` of the account")
    });
}
