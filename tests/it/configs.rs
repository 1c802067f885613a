//! The example config is the documentation and stays true; sample configs, good and bad, with all
//! that is said about them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tern::config::{self, Account, Config, Paths, SecretSource, Server, Severity, Submit};

fn paths() -> Paths {
    Paths::under(Path::new("/home/ada"))
}

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The example with every key that is commented out: `#key = …`, but not `# words`.
fn uncommented_example() -> String {
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| !c.is_whitespace() && c != '#') => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    file("config.example.toml").lines().map(uncomment).collect()
}

fn rendered(config: &Config, text: &str) -> String {
    config.problems.iter().map(|problem| config::render_problem(problem, text)).collect()
}

#[test]
fn the_example_as_it_stands_changes_nothing() {
    let text = file("config.example.toml");
    let config = config::parse(&text, &paths());
    assert_eq!(rendered(&config, &text), "");
    assert!(config.accounts.is_empty() && config.keys.is_empty());
}

#[test]
fn the_example_uncommented_shows_the_defaults_and_every_kind_of_account() {
    let text = uncommented_example();
    let mut config = config::parse(&text, &paths());
    // These files are the reader's to make.
    config.problems.retain(|problem| {
        let message = problem.message.as_str();
        !message.starts_with("there is no file") && !message.starts_with("the signature cannot be read")
    });
    assert_eq!(rendered(&config, &text), "");
    let default = Config::empty(paths());
    assert_eq!(config.ui, default.ui);
    assert_eq!(config.compose, default.compose);
    assert_eq!(config.keys.len(), 2);
    let names: Vec<&str> = config.accounts.iter().map(|account| account.id.as_str()).collect();
    assert_eq!(names, ["ada", "work", "local", "old", "club", "guild", "guest"]);
    for account in &config.accounts {
        let bare = bare_account(account);
        assert_eq!(account.sync.interval, bare.sync.interval, "{}", account.id);
        for server in account.incoming().into_iter().chain(account.smtp()) {
            assert_eq!(server.timeout, bare.imap.as_ref().unwrap().timeout);
        }
    }
}

/// The same account with nothing but what it must have.
fn bare_account(account: &Account) -> Account {
    let text = format!(
        "[accounts.{}]\naddress = {:?}\nimap = {{ host = \"imap.example.org\" }}\n",
        account.id, account.address.email
    );
    config::parse(&text, &paths()).accounts.remove(0)
}

#[test]
fn the_example_names_every_key_and_no_other() {
    let text = uncommented_example();
    let table: toml::Table = text.parse().unwrap();
    let mut written = BTreeSet::new();
    collect(&table, "", &mut written);
    let known: BTreeSet<(String, String)> =
        config::known_keys().map(|(table, key)| (table.to_owned(), key.to_owned())).collect();
    assert_eq!(known.difference(&written).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "not in the example");
    assert_eq!(written.difference(&known).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "not known");
}

/// Collects keys with the table they are in, what the user names being `NAME`.
fn collect(table: &toml::Table, path: &str, into: &mut BTreeSet<(String, String)>) {
    for (key, value) in table {
        let chosen = path == "accounts";
        if !chosen {
            into.insert((path.to_owned(), key.clone()));
        }
        let below = match (path, chosen) {
            ("", _) => key.clone(),
            (_, true) => "accounts.NAME".to_owned(),
            (_, false) => format!("{path}.{key}"),
        };
        match value {
            toml::Value::Array(items) if below == "rules" => {
                items.iter().filter_map(toml::Value::as_table).for_each(|inner| collect(inner, &below, into));
            }
            toml::Value::Table(inner) if !["keys", "searches"].contains(&below.as_str()) => {
                collect(inner, &below, into);
            }
            _ => {}
        }
    }
}

#[test]
fn samples_say_what_is_wrong_and_keep_what_is_right() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/configs");
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort();
    assert!(names.len() >= 10, "{names:?}");
    for name in names {
        let text = file(&format!("tests/data/configs/{name}.toml"));
        let config = config::parse(&text, &paths());
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../data/configs");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| {
            let all = format!("{}\n{}", rendered(&config, &text), summary(&config));
            insta::assert_snapshot!(name.as_str(), all);
        });
    }
}

/// What the program makes of a config, one line each.
fn summary(config: &Config) -> String {
    let default = Config::empty(paths());
    let mut out = String::new();
    if config.ui != default.ui {
        writeln!(out, "{:?}", config.ui).unwrap();
    }
    if config.compose != default.compose {
        writeln!(out, "{:?}", config.compose).unwrap();
    }
    for key in &config.keys {
        writeln!(out, "key {} {:?} = {} (line {})", key.context, key.keys, key.action, key.line).unwrap();
    }
    for account in &config.accounts {
        writeln!(out, "account {}: {:?} <{}>", account.id, account.address.name, account.address.email).unwrap();
        writeln!(out, "  {} {:?} {:?}", account.maildir.display(), account.layout, account.secret).unwrap();
        if let Some(imap) = &account.imap {
            writeln!(out, "  imap {}", server(imap)).unwrap();
        }
        if let Some(pop3) = &account.pop3 {
            writeln!(out, "  pop3 {}, {:?}, {:?}", server(&pop3.server), pop3.sign_in, pop3.retention).unwrap();
        }
        match &account.submit {
            Some(Submit::Smtp(smtp)) => writeln!(out, "  smtp {}", server(smtp)).unwrap(),
            Some(Submit::Command(words)) => writeln!(out, "  sendmail {words:?}").unwrap(),
            None => {}
        }
        writeln!(out, "  {:?} aliases {:?} folders {:?}", account.sync, account.aliases, account.folders.by_role)
            .unwrap();
        writeln!(out, "  signature {:?} files sent {}", account.signature, account.server_files_sent).unwrap();
    }
    out
}

fn server(server: &Server) -> String {
    format!(
        "{}:{} {:?} as {} by {:?}, pin {}, ca {:?}, {:?}",
        server.host,
        server.port,
        server.tls,
        server.user,
        server.auth,
        server.pin.is_some(),
        server.ca,
        server.timeout
    )
}

#[test]
fn no_secret_of_a_config_is_ever_printed() {
    let text = file("tests/data/configs/secret_inside.toml");
    let config = config::parse(&text, &paths());
    let said = rendered(&config, &text) + &format!("{:?}", config.problems);
    for secret in ["horse", "ya29"] {
        assert!(text.contains(secret) && !said.contains(secret), "{said}");
    }
    assert!(config.accounts.iter().all(|account| !matches!(account.secret, SecretSource::None)));
}

#[test]
fn any_beginning_of_the_example_can_be_read() {
    let text = uncommented_example();
    for (end, _) in text.char_indices().step_by(7) {
        let part = &text[..end];
        let config = config::parse(part, &paths());
        let _rendered = rendered(&config, part);
    }
}

#[test]
fn a_config_of_brackets_does_not_reach_the_end_of_the_stack() {
    for piece in ["[", "{a=", "[a.", "a.", "a=[", "'''", "[[a]]\n"] {
        let text = format!("x = {}", piece.repeat(50_000));
        let config = config::parse(&text, &paths());
        assert!(config.has_problem(Severity::Warning), "{piece}");
        let text = piece.repeat(50_000);
        let _problems = config::parse(&text, &paths());
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

    /// Whatever stands in the file, the program starts and can say what is wrong.
    #[test]
    fn any_text_gives_a_config(pieces in proptest::collection::vec(piece(), 0..40)) {
        let text = pieces.concat();
        let config = config::parse(&text, &paths());
        for problem in &config.problems {
            let _rendered = config::render_problem(problem, &text);
            proptest::prop_assert!(problem.line <= text.lines().count() + 1);
        }
    }
}

/// A piece of TOML, a key that there is, or anything.
fn piece() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::{any, prop_oneof};
    use proptest::sample::select;
    let marks = ["\n", " = ", "\"", "'", "{ ", " }", "[", "]", ", ", ".", "#", "\"\"\"", "-1", "true", "~/", "*", "\\"];
    let account = "\n[accounts.ada]\naddress = \"ada@example.org\"\nimap = { host = \"mail\" }\n".to_owned();
    let lines = config::known_keys().flat_map(|(table, key)| {
        [key.to_owned(), format!("\n[{table}]\n"), format!("\n{key} = \"ada@example.org\"\n")]
    });
    prop_oneof![
        select(marks.map(str::to_owned).to_vec()),
        select(lines.chain([account]).collect::<Vec<_>>()),
        any::<String>(),
    ]
}

/// A config file in a directory of its own, with these rights.
fn loaded(text: &str, mode: u32) -> (tempfile::TempDir, Config) {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::under(root.path());
    std::fs::create_dir_all(&paths.config).unwrap();
    std::fs::write(&paths.config_file, text).unwrap();
    std::fs::set_permissions(&paths.config_file, std::fs::Permissions::from_mode(mode)).unwrap();
    let config = config::load(&paths, None);
    (root, config)
}

const ONE: &str = "[accounts.ada]\naddress = \"ada@example.org\"\n";

#[test]
fn a_config_that_others_can_write_is_refused_with_the_chmod_to_type() {
    for mode in [0o666, 0o620, 0o602] {
        let (_root, config) = loaded(ONE, mode);
        assert!(config.accounts.is_empty(), "{mode:o}");
        assert_eq!(config.problems[0].severity, Severity::Error);
        let hint = config.problems[0].hint.as_ref().unwrap().to_string();
        assert_eq!(hint, format!("type: chmod 600 {}", config.paths.config_file.display()));
    }
}

#[test]
fn a_config_that_others_can_read_is_used_with_a_warning_and_a_private_one_without() {
    let (_root, config) = loaded(ONE, 0o644);
    assert_eq!(config.accounts.len(), 1);
    assert_eq!(config.problems.len(), 1);
    assert_eq!(config.problems[0].severity, Severity::Warning);
    assert!(config.problems[0].hint.as_ref().unwrap().as_str().contains("chmod 600"));
    let (_root, config) = loaded(ONE, 0o600);
    assert_eq!((config.accounts.len(), config.problems.len()), (1, 0));
}

#[test]
fn a_config_with_a_secret_in_it_that_others_can_read_is_refused() {
    let text = format!("{ONE}imap = {{ host = \"localhost\" }}\npassword = \"hunter2\"\n");
    let (_root, config) = loaded(&text, 0o644);
    assert!(config.accounts.is_empty());
    let last = config.problems.last().unwrap();
    assert_eq!(last.severity, Severity::Error);
    assert!(last.hint.as_ref().unwrap().as_str().starts_with("type: chmod 600"));
    let (_root, config) = loaded(&text, 0o600);
    assert_eq!((config.accounts.len(), config.problems.len()), (1, 1));
}

#[test]
fn a_secret_file_that_others_can_read_is_refused_with_the_chmod_to_type() {
    let root = tempfile::tempdir().unwrap();
    let secret = root.path().join("pw");
    std::fs::write(&secret, "hunter2\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    let text = format!("{ONE}imap = {{ host = \"localhost\" }}\npassword = {{ file = {secret:?} }}\n");
    let (_root, config) = loaded(&text, 0o600);
    assert_eq!(config.problems.len(), 1);
    assert_eq!(config.problems[0].line, 4);
    assert_eq!(config.problems[0].hint.as_ref().unwrap().as_str(), format!("type: chmod 600 {}", secret.display()));
    let fault = tern::login::fetch(&config.accounts[0].secret, None).unwrap_err();
    assert!(fault.detail.as_str().contains("chmod 600"), "{fault}");
}

#[test]
fn no_config_is_the_first_start_but_one_that_was_named_must_be_there() {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::under(root.path());
    assert_eq!(config::load(&paths, None).problems, []);
    let named = root.path().join("other.toml");
    let config = config::load(&paths, Some(&named));
    assert!(config.has_problem(Severity::Error));
    assert_eq!(config.problems[0].file, named);
    let config = config::load(&paths, Some(root.path()));
    assert!(config.has_problem(Severity::Error), "a directory is no config");
}

#[test]
fn what_cannot_be_read_at_all_is_one_problem() {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::under(root.path());
    std::fs::create_dir_all(&paths.config).unwrap();
    for (bytes, expected) in [
        (&b"[ui]\ntheme = \"\xff\"\n"[..], "the config cannot be read: line 2 is not UTF-8"),
        (&vec![b'#'; 1024 * 1024 + 1][..], "the config cannot be read: it is longer than 1 MiB"),
    ] {
        std::fs::write(&paths.config_file, bytes).unwrap();
        let config = config::load(&paths, None);
        assert_eq!(config.problems[0].message.as_str(), expected);
    }
}
