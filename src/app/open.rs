//! Outside programs: the editor, the opener of links and files, a command that a message is piped
//! into. Never a shell with words of a mail in it: targets are one argument, checked before.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::job::shell::OpenWhat;

/// Opens a link or a file with the user's program: `$BROWSER` for links, else `xdg-open` (`open` on
/// macOS). Does not wait for it.
pub fn open(what: &OpenWhat) -> Result<(), Fault> {
    let (program, target) = match what {
        OpenWhat::Link(link) => (browser(), checked_link(link)?),
        OpenWhat::File(path) => (opener(), path.as_os_str().to_owned()),
    };
    let child = Command::new(&program)
        .arg(target)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| failed(&program, &e))?;
    reap(child);
    Ok(())
}

/// Waits for the child where nobody waits for the answer, so that it leaves no zombie.
fn reap(mut child: std::process::Child) {
    tokio::task::spawn_blocking(move || {
        let _ = child.wait();
    });
}

fn browser() -> String {
    std::env::var("BROWSER").ok().filter(|b| !b.is_empty() && !b.contains(':')).unwrap_or_else(opener)
}

fn opener() -> String {
    if cfg!(target_os = "macos") { "open".to_owned() } else { "xdg-open".to_owned() }
}

/// Lets http, https and mailto through, and nothing that a program could take for an option.
fn checked_link(link: &str) -> Result<std::ffi::OsString, Fault> {
    let lower = link.to_ascii_lowercase();
    let known = ["http://", "https://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme));
    if !known || link.len() > 2048 || link.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Fault::new(Doing::Running, link, Cause::Refused)
            .scope(Scope::Message)
            .again(Again::Never)
            .detail("only http, https and mailto links are opened"));
    }
    Ok(link.into())
}

/// Starts the user's editor on `file`. The terminal must have been given back before.
pub fn editor(editor: &[String], file: &Path) -> Result<tokio::process::Child, Fault> {
    let Some((program, arguments)) = editor.split_first() else {
        return Err(Fault::new(Doing::Running, "editor", Cause::Config)
            .again(Again::AfterUser)
            .detail("no editor is set"));
    };
    tokio::process::Command::new(program).args(arguments).arg(file).spawn().map_err(|e| failed(program, &e))
}

/// Judges how a program ended: an editor that failed is a fault, and the text stays as it was.
pub fn ended(program: &str, status: io::Result<std::process::ExitStatus>) -> Result<(), Fault> {
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Fault::new(Doing::Running, program, Cause::Other)
            .scope(Scope::Message)
            .again(Again::AfterUser)
            .detail(&format!("it ended with {status}; the text is as it was before"))),
        Err(error) => Err(failed(program, &error)),
    }
}

/// Feeds the file at `path` to a command line that the user typed. Its output is not shown; its
/// failure is.
pub fn pipe(command: &str, path: &Path) -> Result<(), Fault> {
    let input = File::open(path).map_err(|e| Fault::io(Doing::Reading, &path.to_string_lossy(), &e))?;
    let output = Command::new("sh").arg("-c").arg(command).stdin(input).output().map_err(|e| failed("sh", &e))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let last = words.lines().last().unwrap_or_default();
    Err(Fault::new(Doing::Running, command, Cause::Other)
        .scope(Scope::Message)
        .again(Again::AfterUser)
        .detail(&format!("{}: {last}", output.status)))
}

/// A file below `directory` that only the user can read, with `text` in it, for an editor.
pub fn editable(directory: &Path, name: &str, text: &str) -> io::Result<PathBuf> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = directory.join(format!("{name}.eml"));
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(path)
}

fn failed(program: &str, error: &io::Error) -> Fault {
    let detail =
        if error.kind() == io::ErrorKind::NotFound { format!("{program} is not installed") } else { error.to_string() };
    Fault::new(Doing::Running, program, Cause::Missing).scope(Scope::Message).again(Again::AfterUser).detail(&detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_links_are_opened() {
        for bad in ["javascript:alert(1)", "file:///etc/passwd", "--help", "https://a b", "http://a\u{1b}[0m", "data:x"]
        {
            assert!(checked_link(bad).is_err(), "{bad}");
        }
        assert!(checked_link("HTTPS://example.org/?q=1").is_ok());
        assert!(checked_link("mailto:ada@example.org").is_ok());
    }

    #[test]
    fn an_editor_that_fails_is_a_fault() {
        let status = |program: &str| Command::new(program).status();
        let fault = ended("false", status("false")).unwrap_err();
        assert_eq!(fault.again, Again::AfterUser);
        assert!(ended("true", status("true")).is_ok());
        assert!(ended("/nonexistent/editor", status("/nonexistent/editor")).is_err());
    }
}
