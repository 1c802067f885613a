//! Are the properties any good? Faults are planted into the pure rooms, one at a time, and the
//! properties have to find each that matters. The rooms are small and stand on next to nothing, so
//! each is tried in a package of these rooms and the properties alone.
//!
//! To run it: `cargo test --test it -- --ignored mutants --nocapture` (some minutes).
//!
//! What came of the 43 faults of the table: 39 are found, and 4 are harmless, since no history ends
//! otherwise (each of these rows says why).

mod table;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use table::{Matters, Mutant, TABLE};

/// What the pure rooms of the sync need of `mail`.
const LIBRARY: &str = "
pub mod mail {
    mod charset;
    pub mod clean;
    pub mod flags;
    mod folder_names;
    mod header;
    pub mod ids;
    pub mod labels;
    pub mod mailbox;
    pub mod place;
    pub mod ranges;
    mod transfer;
}
pub mod sync {
    pub mod changes;
    pub mod guard;
    pub mod moves;
    pub mod plan;
}
";

const TESTS: &str = "mod support {\n    pub(crate) mod histories;\n}\nmod sync_properties;\n";

const MANIFEST: &str = r#"
[package]
name = "tern"
version = "0.1.0"
edition = "2024"
autotests = false
[[test]]
name = "it"
path = "tests/it/main.rs"
[dependencies]
base64 = "0.22"
charset = "0.1.5"
encoding_rs = "0.8"
mailparse = "0.18"
unicode-width = "0.2"
[dev-dependencies]
fastrand = "2"
proptest = { version = "1.12", default-features = false, features = ["std"] }
[profile.dev]
debug = false
opt-level = 1
[workspace]
"#;

fn source(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap().flatten() {
        let (from, to) = (file.path(), to.join(file.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}

/// The pure rooms with their properties, in a package of their own.
struct Laboratory {
    home: tempfile::TempDir,
    target: PathBuf,
}

impl Laboratory {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for part in ["src/mail", "src/sync", "tests/it/sync_properties"] {
            copy(&root.join(part), &home.path().join(part));
        }
        let write = |name: &str, text: &str| {
            let path = home.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("src/lib.rs", LIBRARY);
        write("tests/it/main.rs", TESTS);
        write("Cargo.toml", MANIFEST);
        let text = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
        write("tests/it/support/histories.rs", &text("tests/it/support/histories.rs"));
        write("Cargo.lock", &text("Cargo.lock"));
        let target = home.path().join("target");
        Self { home, target }
    }

    fn cargo(&self, percent: u32) -> Command {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(self.home.path()).args(["test", "--offline", "--test", "it"]);
        cargo.env("CARGO_TARGET_DIR", &self.target).env("TERN_SHRINKS", "0").env("RUST_BACKTRACE", "0");
        cargo.env("TERN_HISTORIES", percent.to_string()).env_remove("TERN_SEED").stdin(Stdio::null());
        cargo
    }

    /// Do the properties hold? Else the first of those that do not.
    fn broken(&self, percent: u32) -> Option<String> {
        let built = self.cargo(percent).arg("--no-run").output().unwrap();
        assert!(built.status.success(), "it does not compile:\n{}", String::from_utf8_lossy(&built.stderr));
        // Without shrinking, the test of shrinking has nothing to say.
        let run = self.cargo(percent).args(["--", "--skip", "a_planted_fault"]).output().unwrap();
        if run.status.success() {
            return None;
        }
        let text = String::from_utf8_lossy(&run.stdout);
        let failed =
            text.lines().filter_map(|line| line.strip_prefix("test sync_properties::")?.strip_suffix(" ... FAILED"));
        Some(failed.collect::<Vec<_>>().join(", "))
    }

    fn try_one(&self, mutant: &Mutant) -> Option<String> {
        let path = self.home.path().join("src").join(mutant.file);
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, whole.replacen(mutant.text, mutant.instead, 1)).unwrap();
        // Most show in few histories, some only in many.
        let broken = self.broken(5).or_else(|| self.broken(100));
        std::fs::write(&path, whole).unwrap();
        broken
    }
}

/// The table must not rot: what it replaces stands exactly once in the code.
#[test]
fn each_fault_can_still_be_planted() {
    assert!(TABLE.iter().filter(|mutant| mutant.matters == Matters::Yes).count() >= 20);
    let mut rotten = Vec::new();
    for mutant in TABLE {
        let text = std::fs::read_to_string(source(mutant.file)).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        if code.matches(mutant.text).count() != 1 || mutant.text == mutant.instead {
            rotten.push(format!("{}: {}", mutant.file, mutant.text));
        }
    }
    assert!(rotten.is_empty(), "{rotten:#?}");
}

/// Plants each fault and runs the properties.
#[test]
#[ignore = "builds the pure rooms once for each fault: some minutes"]
fn mutants_that_matter_are_found() {
    let laboratory = Laboratory::new();
    assert_eq!(laboratory.broken(5), None, "without a fault the properties hold");
    let mut survivors = Vec::new();
    for mutant in TABLE {
        let found = laboratory.try_one(mutant);
        let line = format!(
            "{} | {} | {} | {}",
            mutant.file,
            mutant.text.trim(),
            mutant.why,
            found.as_deref().unwrap_or("survives")
        );
        eprintln!("{line}");
        if found.is_none() && mutant.matters == Matters::Yes {
            survivors.push(line);
        }
    }
    assert!(survivors.is_empty(), "faults that no property finds:\n{}", survivors.join("\n"));
}
