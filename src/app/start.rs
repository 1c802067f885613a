//! Makes everything ready: from the config to a model, a theme and running threads. Whatever is
//! wrong with the user's files is told on the screen; the program starts all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::book::Pages;
use super::workers::{Grounds, Outlet, Workers};
use super::{Ready, now, rescue};
use crate::config::{Account, Config, Engine, Goal, Problem, SecretSource};
use crate::fault::{Doing, Fault, Scope};
use crate::job::shell::Hidden;
use crate::keys::{Keymap, Override};
use crate::ledger::Ledger;
use crate::login::secret::{self, Secret};
use crate::mail::clean::Clean;
use crate::mail::ids::{AccountId, MessageId};
use crate::mail::mailbox::MailboxName;
use crate::mail::notes::{Edit, Identity, Timer, TimerKind};
use crate::outbox::submit::{self, Submit};
use crate::query::{Dialect, Saved};
use crate::remote::Connect;
use crate::remote::imap::Imap;
use crate::remote::pop3::{Book, Pop3};
use crate::state::Model;
use crate::store::drafts::Journal;
use crate::store::folders::Root;
use crate::store::worker::TagKeeper;
use crate::sync::env::WallClock;
use crate::theme::{Depth, Glyphs, Half, Theme};
use crate::{index, outbox, rules, store, sync};

/// How long the program of a rule may take.
const PROGRAM: Duration = Duration::from_secs(30);
/// How long another tern that is at the rules is waited for.
const OTHERS: Duration = Duration::from_mins(10);

/// Passwords that the user typed in this run, by account.
#[derive(Clone, Default)]
pub struct Typed(Arc<Mutex<BTreeMap<AccountId, Secret>>>);

impl Typed {
    /// Takes one.
    pub fn put(&self, account: &AccountId, secret: &Hidden) {
        let mut typed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        typed.insert(account.clone(), Secret::new(secret.0.clone()));
    }

    /// The secret of an account: the one that was typed, else what its source says.
    fn fetch(&self, account: &AccountId, source: &SecretSource) -> Result<Secret, Fault> {
        let typed = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(account).cloned();
        match typed {
            Some(secret) => Ok(secret),
            None => secret::fetch(source, None).map_err(|fault| fault.of(account)),
        }
    }
}

/// Makes connections of an account, given the program's data directory; `None`: it has no server.
pub type MakeConnect = Arc<dyn Fn(&Account, &Typed, &Path) -> Option<Arc<dyn Connect>> + Send + Sync>;
/// Makes a way to send for an account.
pub type MakeSubmit = Arc<dyn Fn(&Account, Option<&Secret>) -> Result<Box<dyn Submit>, Fault> + Send + Sync>;

/// How servers are met: for real, or in memory.
#[derive(Clone)]
pub struct Ways {
    /// To fetch.
    pub connect: MakeConnect,
    /// To send.
    pub submit: MakeSubmit,
}

impl Default for Ways {
    /// The servers of the config.
    fn default() -> Self {
        Self { connect: Arc::new(incoming), submit: Arc::new(submit::way) }
    }
}

fn incoming(account: &Account, typed: &Typed, data: &Path) -> Option<Arc<dyn Connect>> {
    account.incoming()?;
    let (id, source, typed) = (account.id.clone(), account.secret.clone(), typed.clone());
    let secret = Arc::new(move || typed.fetch(&id, &source));
    if account.pop3.is_none() {
        return Some(Arc::new(Imap::new(account, secret)));
    }
    let (owner, data) = (account.clone(), data.to_owned());
    let book = move |lasting| -> Result<Box<dyn Book>, Fault> {
        Ok(Box::new(Pages::open(&data, &owner, Arc::new(WallClock), lasting)?))
    };
    Some(Arc::new(Pop3::new(account, secret, Arc::new(book))))
}

/// What the sync of each account stands on. Lane and wish to stop are added by whoever runs it.
pub fn sync_envs(config: &Config, ways: &Ways) -> Vec<sync::Env> {
    let typed = Typed::default();
    config
        .accounts
        .iter()
        .map(|account| {
            let connect = (ways.connect)(account, &typed, &config.paths.data);
            let mut env = sync::Env::new(account.clone(), connect, config.paths.data.clone());
            let (typed, id) = (typed.clone(), account.id.clone());
            env.password = Arc::new(move |secret| typed.put(&id, &secret));
            env
        })
        .collect()
}

/// What the outbox stands on.
pub fn outbox_env(config: &Config, ways: &Ways) -> outbox::worker::Env {
    let data = config.paths.data.clone();
    let await_answer = Arc::new(move |id: &MessageId, timer: Option<Timer>| {
        let (mut ledger, damage) = Ledger::open(&data)?;
        if let Some(fault) = damage {
            tracing::warn!("{fault}");
        }
        let key = (Identity::Id(id.clone()), TimerKind::Remind);
        ledger.note(&Edit { timers: BTreeMap::from([(key, timer)]), ..Edit::default() })
    });
    let mut env = outbox::worker::Env::of(config.paths.data.clone(), config.accounts.clone(), await_answer);
    env.way = Arc::clone(&ways.submit);
    env
}

/// What the thread `files` stands on.
pub fn files_env(config: &Config, zone: &TimeZone) -> store::worker::Env {
    let root = |account: &Account| Root { path: account.maildir.clone(), layout: account.layout };
    let keeper = |account: &Account| match (config.search.engine, account.incoming()) {
        (Engine::Own, _) => TagKeeper::Names,
        (Engine::Notmuch, Some(_)) => TagKeeper::NamesAndDatabase,
        (Engine::Notmuch, None) => TagKeeper::Database,
    };
    store::worker::Env {
        accounts: config.accounts.iter().map(|account| (account.id.clone(), root(account))).collect(),
        tags: config.accounts.iter().map(|account| (account.id.clone(), keeper(account))).collect(),
        data: config.paths.data.clone(),
        runtime: config.paths.runtime.clone(),
        zone: zone.clone(),
    }
}

/// Where the index lies.
pub fn index_file(config: &Config) -> std::path::PathBuf {
    config.paths.cache.join("index.db")
}

/// The user's own addresses, plain or with one `*`.
pub fn own_addresses(config: &Config) -> Vec<String> {
    config.accounts.iter().flat_map(Account::own_addresses).collect()
}

/// Where contacts come from.
pub fn contact_sources(config: &Config) -> index::Sources {
    index::Sources { harvest: config.contacts.harvest, vcards: config.contacts.vcards.clone() }
}

/// All saved searches: those of the config, then those that were saved by a key.
///
/// # Errors
/// What was saved by a key cannot be read.
pub fn saved(config: &Config) -> Result<Saved, Fault> {
    let kept = store::searches::read(&config.paths.data)?.into_iter().map(|search| (search.name, search.query));
    let own = config.searches.iter().map(|search| (search.name.clone(), search.query.text.clone()));
    Ok(own.chain(kept).collect::<Saved>().in_dialect(dialect(config)).of_owner(own_addresses(config)))
}

/// The rules as the index reads them whenever something is new.
pub fn sieves(config: &Config) -> index::Sieves {
    if config.rules.is_empty() {
        return index::Sieves::none();
    }
    let config = config.clone();
    let zone = zone();
    index::Sieves::new(move || rules::sieves(&config.rules, &saved(&config).unwrap_or_default(), now(), &zone))
}

/// What the rules stand on.
pub fn rules_env(config: &Config, ways: &Ways) -> rules::Env {
    let zone = zone();
    let known = config.clone();
    let files = files_env(config, &zone);
    // At its end it empties what was opened from there.
    let files = store::worker::Env { runtime: files.runtime.join("rules"), ..files };
    rules::Env {
        data: config.paths.data.clone(),
        index: index_file(config),
        home: config.paths.home.clone(),
        rules: config.rules.clone(),
        accounts: config.accounts.clone(),
        hands: rules::Hands { files, sync: sync_envs(config, ways) },
        zone,
        saved: Arc::new(move || saved(&known).unwrap_or_default()),
        limit: PROGRAM,
        patience: OTHERS,
    }
}

/// Adds to the problems of the config the folders that rules name and no account that they are for has.
pub fn check_folders(config: &mut Config) {
    let mut problems = Vec::new();
    for rule in &config.rules {
        let Some(Goal::Folder { name, written }) = &rule.to else { continue };
        let meant = config.accounts.iter().filter(|account| rule.account.as_ref().is_none_or(|id| *id == account.id));
        let known: Vec<BTreeSet<MailboxName>> = meant.map(|account| folders_of(config, account)).collect();
        // Of an account that was never synced nobody knows what folders it has.
        if known.iter().all(|folders| !folders.is_empty() && !folders.contains(name)) && !known.is_empty() {
            let message = format!("rule `{}`: there is no folder `{name}`", rule.name);
            let near = known.iter().flatten().find(|folder| folder.as_str().eq_ignore_ascii_case(name.as_str()));
            let mut problem = written.problem(1, &message);
            problem.length = name.as_str().chars().count();
            problem.hint = near.map(|near| Clean::line(&format!("did you mean `{near}`?")));
            problems.push(problem);
        }
    }
    config.problems.extend(problems);
    config.problems.sort_by_key(|problem| (problem.line, problem.column));
}

/// The folders of an account: directories, and labels where those are folders.
fn folders_of(config: &Config, account: &Account) -> BTreeSet<MailboxName> {
    let root = Root { path: account.maildir.clone(), layout: account.layout };
    let mut names: BTreeSet<MailboxName> = root.list().found.into_keys().collect();
    let labelled = Ledger::peek(&config.paths.data).ok().flatten();
    let labelled = labelled.and_then(|ledger| ledger.labelled(&account.id).ok().flatten());
    names.extend(labelled.into_iter().flat_map(|labelled| labelled.views).map(|view| view.mailbox.name));
    names
}

/// Adds to the problems of the config what is wrong with the queries in it.
pub fn check_queries(config: &mut Config) {
    if config.searches.is_empty() && config.rules.is_empty() {
        return;
    }
    // What cannot be read is told where it is needed.
    let saved = saved(config).unwrap_or_default();
    let (now, zone) = (now(), zone());
    let problems = config.searches.iter().filter_map(|search| {
        let error = saved.parse(&search.query.text, now, &zone).err()?;
        let message = format!("search `{}`: expected {}", search.name, error.expected);
        Some(search.query.problem(error.column, &message))
    });
    let rules = config.rules.iter().filter_map(|rule| {
        let error = saved.parse(&rule.query.text, now, &zone).err()?;
        let message = format!("rule `{}`: expected {}", rule.name, error.expected);
        Some(rule.query.problem(error.column, &message))
    });
    let problems: Vec<Problem> = problems.chain(rules).collect();
    config.problems.extend(problems);
    config.problems.sort_by_key(|problem| (problem.line, problem.column));
}

/// The database of notmuch's that answers searches, where the config wants one.
pub fn engine(config: &Config) -> Option<index::Notmuch> {
    let search = &config.search;
    (search.engine == Engine::Notmuch).then(|| index::Notmuch {
        config: search.notmuch_config.clone(),
        profile: search.notmuch_profile.clone(),
        queue: config.paths.data.join("notmuch.db"),
        at_once: index::AT_ONCE,
    })
}

/// Whose words queries are written in.
pub fn dialect(config: &Config) -> Dialect {
    match config.search.engine {
        Engine::Own => Dialect::Own,
        Engine::Notmuch => Dialect::Notmuch,
    }
}

/// The zone that dates are shown in.
pub fn zone() -> TimeZone {
    super::zone::system()
}

/// Makes everything ready and starts the threads.
pub fn prepare(config: &Config, ways: &Ways) -> Result<Ready, Fault> {
    let mut config = config.clone();
    config.compose.editor = editor(&config);
    let scratch = config.paths.data.join("editing");
    private_directory(&scratch)?;
    let rescued = rescue::rescue(&scratch, &Journal::below(&config.paths.data));
    let zone = zone();
    let (theme, troubles) = theme(&config);
    let (keymap, key_troubles) = keymap(&config);
    let (mut model, jobs) = Model::new(&config, keymap, now(), zone.clone());
    model.seed = fastrand::u64(..);
    for trouble in troubles.into_iter().chain(key_troubles).chain(rescued) {
        model.trouble(&trouble);
    }
    let (outlet, reports) = Outlet::new();
    let grounds = Grounds {
        files: files_env(&config, &zone),
        index: index_file(&config),
        own: own_addresses(&config),
        contacts: contact_sources(&config),
        engine: engine(&config),
        sieves: sieves(&config),
        rules: rules_env(&config, ways),
        config: config.clone(),
        sync: sync_envs(&config, ways),
        outbox: outbox_env(&config, ways),
    };
    let workers = Workers::start(grounds, &outlet)
        .map_err(|e| Fault::io(Doing::Running, "a thread", &e).scope(Scope::Program))?;
    let (mouse, editor) = (config.ui.mouse, config.compose.editor.clone());
    Ok(Ready { model, jobs, theme, workers, reports, mouse, editor, scratch })
}

/// The editor of the config, else of the environment; none means the built-in one.
fn editor(config: &Config) -> Option<Vec<String>> {
    let from = |name: &str| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
    config.compose.editor.clone().or_else(|| {
        let text = from("VISUAL").or_else(|| from("EDITOR"))?;
        Some(text.split_whitespace().map(str::to_owned).collect())
    })
}

fn private_directory(path: &Path) -> Result<(), Fault> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| Fault::io(Doing::Storing, &path.to_string_lossy(), &e))
}

/// The theme of the config: a file in `themes/` beside it, else one that is built in.
fn theme(config: &Config) -> (Theme, Vec<String>) {
    let variable = |name: &str| std::env::var(name).ok();
    let depth =
        Depth::detect(variable("NO_COLOR").as_deref(), variable("COLORTERM").as_deref(), variable("TERM").as_deref());
    let half = half_of(variable("COLORFGBG").as_deref());
    let name = &config.ui.theme;
    let file = config.paths.config.join("themes").join(format!("{name}.toml"));
    let (theme, troubles) = match fs::read_to_string(&file) {
        Ok(text) => {
            let (theme, troubles) = Theme::load(&text, half, depth);
            (theme, troubles.into_iter().map(|t| format!("theme {name}: {t}")).collect())
        }
        Err(_) => match Theme::named(name, half, depth) {
            Some(theme) => (theme, Vec::new()),
            None => {
                (Theme::terminal(depth), vec![format!("there is no theme `{name}`; the terminal's colours are used")])
            }
        },
    };
    let ascii = config.ui.ascii || !is_utf8();
    (if ascii { theme.with_glyphs(Glyphs::ASCII) } else { theme }, troubles)
}

/// `COLORFGBG` is `foreground;background`: 7 and from 9 up are light grounds.
fn half_of(colorfgbg: Option<&str>) -> Half {
    let ground = colorfgbg.and_then(|text| text.rsplit(';').next()?.parse::<u8>().ok());
    match ground {
        Some(7 | 9..) => Half::Light,
        _ => Half::Dark,
    }
}

/// Does the locale say UTF-8? Without any word of it, as in a bare container, it is assumed.
fn is_utf8() -> bool {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    locale.is_none_or(|locale| {
        let lower = locale.to_lowercase();
        lower.contains("utf-8") || lower.contains("utf8")
    })
}

/// The keys of the table with the user's over them, and what is wrong with those.
pub fn keymap(config: &Config) -> (Keymap, Vec<String>) {
    let lines =
        config.keys.iter().map(|line| Override { context: &line.context, keys: &line.keys, action: &line.action });
    let (map, troubles) = Keymap::with_overrides(lines);
    let told = troubles.into_iter().map(|trouble| {
        let line = config.keys.get(trouble.index).map_or(0, |line| line.line);
        format!("config line {line}: {}", trouble.message)
    });
    (map, told.collect())
}
