//! The file as meant: reads the tables of `raw` and makes the types of this room of them. A wrong
//! value leaves its default in place; an account that could do harm or nothing at all is left out.
//! Every such thing is noted.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::account::{Account, FolderDeletes, FolderMap, LabelMode, Layout, SecretSource, Submit, SyncSettings};
use super::load::{Privacy, privacy, read_text};
use super::raw::{At, Limit, Never, Notes, Table, Time};
use super::{Auth, Compose, Contacts, Engine, KeyOverride, Paths, Quote, Search, Ui};
use super::{server, value};
use crate::mail::address::Address;
use crate::mail::ids::AccountId;
use crate::mail::mailbox::{MailboxName, Role};

const NO_TIME: Duration = Duration::ZERO;

/// Reads `[ui]`.
pub(super) fn ui(table: &Table<'_>, notes: &mut Notes<'_>, ui: &mut Ui) {
    let name = |key: &str, notes: &mut Notes<'_>| {
        let text = table.text(key, notes)?;
        // It becomes a file name.
        let legal = !text.value.is_empty()
            && !text.value.starts_with('.')
            && !text.value.contains(|c: char| c == '/' || c.is_control());
        if !legal {
            table.wants(key, "a name without `/`", text.span, notes);
        }
        legal.then(|| text.value.to_owned())
    };
    if let Some(theme) = name("theme", notes) {
        ui.theme = theme;
    }
    if let Some(keys) = name("keys", notes) {
        ui.keys = keys;
    }
    set(&mut ui.mouse, table.boolean("mouse", notes));
    set(&mut ui.ascii, table.choice("glyphs", &[("unicode", false), ("ascii", true)], notes));
    set(&mut ui.conversations, table.boolean("conversations", notes));
    let day = NO_TIME..Duration::from_hours(24);
    set(
        &mut ui.mark_read_after,
        table.duration("mark_read_after", &day, Never::Allowed, notes).map(|time| time.after().map(seconds)),
    );
}

/// Reads `[compose]`.
pub(super) fn compose(table: &Table<'_>, paths: &Paths, notes: &mut Notes<'_>, compose: &mut Compose) {
    let hour = NO_TIME..Duration::from_hours(1);
    set(
        &mut compose.undo_send,
        table.duration("undo_send", &hour, Never::Refused, notes).and_then(Time::after).map(seconds),
    );
    if let Some(editor) = table.get("editor")
        && editor.get_ref().as_str() != Some("builtin")
    {
        set(&mut compose.editor, table.command("editor", &paths.home, notes).map(|words| Some(words.value)));
    }
    set(&mut compose.edit_headers, table.boolean("edit_headers", notes));
    let places = [("top", Quote::Top), ("bottom", Quote::Bottom), ("interleaved", Quote::Interleaved)];
    set(&mut compose.quote, table.choice("quote", &places, notes));
    set(&mut compose.attachment_reminder, table.boolean("attachment_reminder", notes));
}

/// Reads `[contacts]`. Whether the address books are there is seen when they are read.
pub(super) fn contacts(table: &Table<'_>, paths: &Paths, notes: &mut Notes<'_>, contacts: &mut Contacts) {
    set(&mut contacts.harvest, table.boolean("harvest", notes));
    if table.get("vcards").is_some() {
        for book in table.list("vcards", notes).unwrap_or_default() {
            if book.value.is_empty() {
                table.wants("vcards", "paths of directories, like \"~/.contacts\"", book.span, notes);
            } else {
                contacts.vcards.push(paths.resolve(book.value));
            }
        }
    }
}

/// Reads `[search]`. Whether the database is there is seen when it is opened.
pub(super) fn search(table: &Table<'_>, paths: &Paths, notes: &mut Notes<'_>, search: &mut Search) {
    match table.choice("engine", &[("own", Engine::Own), ("notmuch", Engine::Notmuch)], notes) {
        Some(Engine::Notmuch) if !Engine::has_notmuch() => {
            let span = table.get("engine").map_or(0..0, Spanned::span);
            let message = "this tern was built without notmuch: its own index searches";
            notes.error(
                &span,
                message,
                Some("build it with `--features notmuch` (it links libnotmuch), or remove this line"),
            );
        }
        engine => set(&mut search.engine, engine),
    }
    if table.get("notmuch_config").is_some() {
        search.notmuch_config = table.line("notmuch_config", notes).map(|file| paths.resolve(file.value));
    }
    if table.get("notmuch_profile").is_some() {
        search.notmuch_profile = table.line("notmuch_profile", notes).map(|name| name.value.to_owned());
    }
}

/// Reads `[keys.CONTEXT]`. Whether context, keys and action are such is for `keys` to say.
pub(super) fn keys(table: &Table<'_>, notes: &mut Notes<'_>) -> Vec<KeyOverride> {
    let mut overrides = Vec::new();
    for (context, value) in table.in_order() {
        let Some(lines) = table.chosen(&context, value, "", notes) else { continue };
        for (key, action) in lines.in_order() {
            let line = notes.line(&key.span);
            match action.get_ref().as_str() {
                Some(action) => overrides.push(KeyOverride {
                    context: context.value.to_owned(),
                    keys: key.value.to_owned(),
                    action: action.to_owned(),
                    line,
                }),
                None => lines.wants(key.value, "the name of an action, or \"none\"", action.span(), notes),
            }
        }
    }
    overrides
}

/// Reads `[accounts.NAME]`, all of them. `broken` tells which names stand in a part of the file
/// that could not be read whole.
pub(super) fn accounts(
    table: &Table<'_>,
    paths: &Paths,
    broken: &dyn Fn(&str) -> bool,
    notes: &mut Notes<'_>,
) -> Vec<Account> {
    let mut accounts = Vec::new();
    for (name, value) in table.in_order() {
        let Some(inner) = table.chosen(&name, value, "accounts.NAME", notes) else { continue };
        let why = if broken(name.value) {
            Err("it cannot be read as it stands".to_owned())
        } else {
            account(&name, &inner, paths, notes).map(|account| accounts.push((name.clone(), account)))
        };
        if let Err(why) = why {
            leave_out(&name, &why, notes);
        }
    }
    apart(accounts, notes)
}

fn leave_out(name: &At<&str>, why: &str, notes: &mut Notes<'_>) {
    notes.error(&name.span, &format!("account `{}` is left out: {why}", name.value), None);
}

/// Leaves out accounts whose Maildirs lie in one another: each would take the other's mail for
/// its own and bring it to its server.
fn apart(accounts: Vec<(At<&str>, Account)>, notes: &mut Notes<'_>) -> Vec<Account> {
    let overlap = |one: &Account, other: &Account| {
        one.maildir.starts_with(&other.maildir) || other.maildir.starts_with(&one.maildir)
    };
    let rivals: Vec<Option<AccountId>> = accounts
        .iter()
        .map(|(_, one)| {
            let rival = accounts.iter().find(|(_, other)| other.id != one.id && overlap(one, other));
            rival.map(|(_, other)| other.id.clone())
        })
        .collect();
    let mut good = Vec::new();
    for ((name, account), rival) in accounts.into_iter().zip(rivals) {
        match rival {
            Some(rival) => leave_out(&name, &format!("its `maildir` and that of `{rival}` lie in one another"), notes),
            None => good.push(account),
        }
    }
    good
}

/// Why an account cannot be used.
type Unusable = String;

fn account(name: &At<&str>, table: &Table<'_>, paths: &Paths, notes: &mut Notes<'_>) -> Result<Account, Unusable> {
    if !is_name(name.value) {
        return Err("its name must be of letters, digits, `-`, `_` and `.`, and not begin with a dot".to_owned());
    }
    let Some(email) = table.text("address", notes) else {
        return Err("it has no usable `address`".to_owned());
    };
    if !value::is_address(email.value) {
        table.wants("address", "an address like \"ada@example.org\"; the name goes into `name`", email.span, notes);
        return Err("it has no usable `address`".to_owned());
    }
    let display = table.line("name", notes).map(|name| name.value.trim().to_owned()).unwrap_or_default();
    let imap = server::imap(table, email.value, paths, notes)?;
    let pop3 = server::pop3(table, email.value, paths, notes)?;
    let incoming = imap.as_ref().or(pop3.as_ref().map(|pop3| &pop3.server));
    let smtp = server::smtp(table, incoming.map_or(email.value, |server| &server.user), paths, notes)?;
    let command = table.get("sendmail").and_then(|_| table.command("sendmail", &paths.home, notes));
    let submit = match (smtp, command) {
        (Some(smtp), command) => {
            if let Some(command) = command {
                notes.warning(&command.span, "`sendmail` is passed over, since there is `smtp`", None);
            }
            Some(Submit::Smtp(smtp))
        }
        (None, Some(command)) => Some(Submit::Command(command.value)),
        (None, None) => None,
    };
    let maildir = match (table.get("maildir"), table.text("maildir", notes)) {
        (None, _) => paths.home.join("Mail").join(name.value),
        (Some(_), Some(text)) if !text.value.is_empty() => paths.resolve(text.value),
        (Some(_), _) => return Err("it has no usable `maildir`".to_owned()),
    };
    if paths.home.starts_with(&maildir) {
        return Err("its `maildir` would take all of the home directory for mail".to_owned());
    }
    let layout = table.choice("layout", &[("nested", Layout::Nested), ("maildir++", Layout::MaildirPlusPlus)], notes);
    let signs_in = |server: &super::Server| server.auth != Auth::None;
    let smtp = submit.as_ref().and_then(Submit::smtp);
    let servers = || incoming.into_iter().chain(smtp);
    let secret = secret(table, servers().any(signs_in), paths, notes);
    let takes_token = |server: &super::Server| match server.auth {
        Auth::OAuthBearer => Some("oauthbearer"),
        Auth::XOAuth2 => Some("xoauth2"),
        Auth::Auto | Auth::ScramSha256 | Auth::Plain | Auth::Login | Auth::None => None,
    };
    if let Some(auth) = servers().find_map(takes_token).filter(|_| !secret.is_token()) {
        let message = format!("account `{}`: `auth = \"{auth}\"` takes a `token`", name.value);
        notes.error(&name.span, &message, Some(TOKEN_WAY_OUT));
    }
    let kept = server::keeps_sent(imap.as_ref(), submit.as_ref());
    let by_pop3 = pop3.is_some();
    Ok(Account {
        id: AccountId::new(name.value),
        address: Address { name: display, email: email.value.to_owned() },
        aliases: aliases(table, notes),
        layout: layout.unwrap_or_else(|| layout_of(&maildir)),
        maildir,
        imap,
        pop3,
        submit,
        secret,
        sync: sync(table, by_pop3, notes),
        folders: folders(table, notes),
        signature: signature(table, paths, notes),
        server_files_sent: table.boolean("server_files_sent", notes).unwrap_or(kept),
    })
}

/// An account's name becomes the name of files and directories.
fn is_name(name: &str) -> bool {
    let legal = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | '+');
    !name.is_empty() && name.len() <= 64 && !name.starts_with('.') && name.chars().all(legal)
}

/// A tree that is there already shows its layout; a new one is nested.
fn layout_of(maildir: &Path) -> Layout {
    if maildir.join("cur").is_dir() { Layout::MaildirPlusPlus } else { Layout::Nested }
}

fn aliases(table: &Table<'_>, notes: &mut Notes<'_>) -> Vec<String> {
    if table.get("aliases").is_none() {
        return Vec::new();
    }
    let mut aliases = Vec::new();
    for alias in table.list("aliases", notes).unwrap_or_default() {
        let sample = alias.value.replacen('*', "x", 1);
        if value::is_address(&sample) && !sample.contains('*') {
            aliases.push(alias.value.to_lowercase());
        } else {
            table.wants("aliases", "addresses with at most one `*`, like \"*@example.org\"", alias.span, notes);
        }
    }
    aliases
}

fn sync(table: &Table<'_>, by_pop3: bool, notes: &mut Notes<'_>) -> SyncSettings {
    let mut settings = SyncSettings::default();
    let Some(table) = table.table("sync", "accounts.NAME.sync", notes) else { return settings };
    let range = Duration::from_secs(10)..Duration::from_hours(24 * 8);
    set(&mut settings.interval, table.duration("interval", &range, Never::Allowed, notes).map(Time::after));
    set(&mut settings.idle, table.boolean("idle", notes));
    if table.get("watch").is_some() {
        settings.watch.clear();
        for name in table.list("watch", notes).unwrap_or_default() {
            match MailboxName::new(name.value) {
                Some(mailbox) if settings.watch.contains(&mailbox) => {}
                Some(mailbox) => settings.watch.push(mailbox),
                None => table.wants("watch", "names of folders, like \"INBOX\"", name.span, notes),
            }
        }
    }
    set(&mut settings.connections, table.number("connections", &(1..21), notes).and_then(|n| usize::try_from(n).ok()));
    set(&mut settings.guard, table.boolean("guard", notes));
    let deletes = [("ask", FolderDeletes::Ask), ("never", FolderDeletes::Never), ("follow", FolderDeletes::Follow)];
    set(&mut settings.folder_deletes, table.choice("folder_deletes", &deletes, notes));
    let modes = [("views", LabelMode::Views), ("folders", LabelMode::Folders)];
    settings.labels = table.choice("labels", &modes, notes);
    let which = [("all", false), ("subscribed", true)];
    set(&mut settings.subscribed_only, table.choice("subscribe", &which, notes));
    let days = Duration::from_hours(24)..Duration::from_hours(24 * 36_500);
    set(&mut settings.keep, table.duration("keep", &days, Never::Refused, notes).map(Time::after));
    settings.max_size = table.size("max_size", notes).and_then(Limit::bytes);
    if by_pop3 && settings.keep.is_some() {
        if let Some(value) = table.get("keep") {
            let why = "`keep` goes with IMAP alone: a POP3 server tells no date before it gives the message";
            notes.error(&value.span(), why, Some("`max_size` goes with POP3 too"));
        }
        settings.keep = None;
    }
    if table.get("exclude").is_some() {
        for pattern in table.list("exclude", notes).unwrap_or_default() {
            let stars = pattern.value.matches('*').count();
            if pattern.value.is_empty() || stars > 1 || (stars == 1 && !pattern.value.ends_with('*')) {
                table.wants("exclude", "names of folders, with a `*` at the end at most", pattern.span, notes);
            } else {
                settings.exclude.push(pattern.value.to_owned());
            }
        }
    }
    settings
}

fn folders(table: &Table<'_>, notes: &mut Notes<'_>) -> FolderMap {
    let mut folders = FolderMap::default();
    let Some(table) = table.table("folders", "accounts.NAME.folders", notes) else { return folders };
    for role in Role::ALL {
        if role == Role::Inbox || table.get(role.word()).is_none() {
            continue;
        }
        let Some(text) = table.text(role.word(), notes) else { continue };
        match MailboxName::new(text.value) {
            Some(name) if !name.is_inbox() => drop(folders.by_role.insert(role, name)),
            _ => table.wants(role.word(), "the name of a folder other than INBOX", text.span, notes),
        }
    }
    folders
}

fn signature(table: &Table<'_>, paths: &Paths, notes: &mut Notes<'_>) -> Option<String> {
    let value = table.get("signature")?;
    if let DeValue::String(text) = value.get_ref() {
        return Some(text.trim_end().to_owned());
    }
    let inner = table.table("signature", "accounts.NAME.signature", notes)?;
    let file = inner.text("file", notes)?;
    let path = paths.resolve(file.value);
    match File::open(&path).map_err(|error| error.to_string()).and_then(read_text) {
        Ok(text) => Some(text.trim_end().to_owned()),
        Err(why) => {
            notes.error(&file.span, &format!("the signature cannot be read: {why}"), None);
            None
        }
    }
}

/// Where the secret comes from. Where the config does not say it, the user is asked.
fn secret(table: &Table<'_>, needed: bool, paths: &Paths, notes: &mut Notes<'_>) -> SecretSource {
    let (password, token) = (table.get("password"), table.get("token"));
    if let (Some(password), Some(_)) = (password, token) {
        notes.warning(&password.span(), "`password` is passed over, since there is `token`", None);
    }
    for (key, way_out, value) in [("token", TOKEN_WAY_OUT, token), ("password", PASSWORD_WAY_OUT, password)] {
        if let Some(value) = value
            && !matches!(value.get_ref(), DeValue::Table(_))
        {
            refuse_literal(table, key, value, way_out, notes);
            return if needed { SecretSource::Prompt } else { SecretSource::None };
        }
    }
    let found = if token.is_some() {
        token_source(table, paths, notes)
    } else if password.is_some() {
        password_source(table, paths, notes)
    } else {
        None
    };
    match found {
        Some(source) => source,
        None if needed => SecretSource::Prompt,
        None => SecretSource::None,
    }
}

const PASSWORD_WAY_OUT: &str = "write { cmd = \"pass show mail\" }, { file = \"…\" } or { prompt = true }";
const TOKEN_WAY_OUT: &str = "write token = { cmd = \"…\" }";

fn refuse_literal(table: &Table<'_>, key: &str, value: &Spanned<DeValue<'_>>, way_out: &str, notes: &mut Notes<'_>) {
    let message = format!("`{}`: a secret does not belong in this file; it is not used", table.name(key));
    notes.error(&value.span(), &message, Some(way_out));
    notes.holds_secret = true;
}

fn token_source(table: &Table<'_>, paths: &Paths, notes: &mut Notes<'_>) -> Option<SecretSource> {
    let inner = table.table("token", "accounts.NAME.token", notes)?;
    if inner.get("cmd").is_none() {
        notes.error(&inner.span, &format!("`{}` wants `cmd`", table.name("token")), Some(TOKEN_WAY_OUT));
        return None;
    }
    inner.command("cmd", &paths.home, notes).map(|words| SecretSource::TokenCommand(words.value))
}

fn password_source(table: &Table<'_>, paths: &Paths, notes: &mut Notes<'_>) -> Option<SecretSource> {
    let inner = table.table("password", "accounts.NAME.password", notes)?;
    let ways: Vec<&str> = ["cmd", "file", "env", "prompt"].into_iter().filter(|way| inner.get(way).is_some()).collect();
    if ways.len() != 1 {
        let message = format!("`{}` wants one of `cmd`, `file`, `env` and `prompt`", table.name("password"));
        notes.error(&inner.span, &message, None);
    }
    match *ways.first()? {
        "cmd" => inner.command("cmd", &paths.home, notes).map(|words| SecretSource::Command(words.value)),
        "file" => {
            let file = inner.text("file", notes)?;
            let path = paths.resolve(file.value);
            warn_of_open_file(&path, &file.span, notes);
            Some(SecretSource::File(path))
        }
        "env" => inner.text("env", notes).map(|name| SecretSource::Environment(name.value.to_owned())),
        _ => {
            if inner.boolean("prompt", notes) == Some(false) {
                inner.wants("prompt", "true, if it is there at all", inner.span.clone(), notes);
            }
            Some(SecretSource::Prompt)
        }
    }
}

/// `login` refuses such a file when the secret is needed; here it is told beforehand.
fn warn_of_open_file(path: &Path, span: &Range<usize>, notes: &mut Notes<'_>) {
    let Ok(about) = path.metadata() else {
        notes.warning(span, &format!("there is no file {}", path.display()), None);
        return;
    };
    match privacy(&about) {
        Privacy::Private => {}
        Privacy::Readable | Privacy::Writable => {
            let way_out = format!("type: chmod 600 {}", path.display());
            notes.error(span, "others can read this secret; it is refused", Some(&way_out));
        }
        Privacy::Foreign => notes.error(span, "this secret belongs to another user; it is refused", None),
    }
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

/// Takes a value that was given and readable; else the default stays.
pub(super) fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}
