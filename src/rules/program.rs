//! The program of a rule: it gets the message on its standard input, says nothing to the screen, sees of the
//! environment what programs need and nothing that could be a secret, and has a time limit. No shell reads its
//! arguments, and no word of a mail is among them.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::fault::{Again, Cause, Doing, Fault, Scope};

/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(20);
/// How much of what it says on standard error is kept: the end of it.
const KEPT: usize = 4096;

/// What of the environment a program sees.
const SEEN: [&str; 22] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "TERM",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "DBUS_SESSION_BUS_ADDRESS",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "XDG_STATE_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_SESSION_TYPE",
    "NOTMUCH_CONFIG",
    "TERN_CONFIG",
];

/// A program that is to be run.
pub(super) struct Program<'a> {
    /// Its name and its arguments.
    pub(super) words: &'a [String],
    /// Where it runs.
    pub(super) directory: &'a Path,
    /// What it is told besides.
    pub(super) variables: Vec<(&'static str, String)>,
    /// How long it may take.
    pub(super) limit: Duration,
}

impl Program<'_> {
    /// Runs it with the file as its standard input, to its end.
    ///
    /// # Errors
    /// It cannot be started, takes too long, or says by its exit code that something went wrong.
    pub(super) fn run(&self, message: &Path) -> Result<(), Fault> {
        let Some((name, arguments)) = self.words.split_first() else {
            return Err(self.fault(Cause::Config, "no program is named"));
        };
        let input =
            File::open(message).map_err(|error| Fault::io(Doing::Reading, &message.to_string_lossy(), &error))?;
        let variables = std::env::vars_os().filter(|(name, _)| is_seen(name));
        let started = Command::new(name)
            .args(arguments)
            .env_clear()
            .envs(variables)
            .envs(self.variables.iter().map(|(name, value)| (*name, value)))
            .current_dir(self.directory)
            .stdin(input)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // What it starts itself ends with it.
            .process_group(0)
            .spawn();
        let mut child = started.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => self.fault(Cause::Missing, "it is not installed"),
            _ => self.fault(Cause::Other, &error.to_string()),
        })?;
        let mut said = Said::of(&mut child);
        let end = Instant::now() + self.limit;
        loop {
            said.listen();
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => {
                    said.listen();
                    return Err(self.fault(Cause::Other, &format!("{status}{}", said.last_line())));
                }
                Ok(None) if Instant::now() < end => std::thread::sleep(LOOK),
                Ok(None) => {
                    kill(&mut child);
                    let limit = self.limit.as_secs();
                    return Err(
                        self.fault(Cause::TimedOut, &format!("it was ended after {limit} s{}", said.last_line()))
                    );
                }
                Err(error) => {
                    kill(&mut child);
                    return Err(self.fault(Cause::Other, &error.to_string()));
                }
            }
        }
    }

    fn fault(&self, cause: Cause, why: &str) -> Fault {
        let name = self.words.first().map_or("a program", String::as_str);
        Fault::new(Doing::Running, name, cause).scope(Scope::Message).again(Again::Never).detail(why)
    }
}

fn is_seen(name: &OsString) -> bool {
    name.to_str().is_some_and(|name| SEEN.contains(&name) || name.starts_with("LC_"))
}

/// Ends it with all that it started.
fn kill(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    // It is dead: this only takes it off the list.
    let _ = child.wait();
}

/// What a program says on its standard error.
struct Said {
    pipe: Option<std::process::ChildStderr>,
    end: Vec<u8>,
}

impl Said {
    fn of(child: &mut Child) -> Self {
        // Whoever it left behind may hold the pipe open for ever, so that nobody waits for its end.
        let quick = |pipe: &std::process::ChildStderr| {
            rustix::fs::fcntl_getfl(pipe)
                .and_then(|flags| rustix::fs::fcntl_setfl(pipe, flags | rustix::fs::OFlags::NONBLOCK))
                .is_ok()
        };
        Self { pipe: child.stderr.take().filter(quick), end: Vec::new() }
    }

    /// Takes in what there is.
    fn listen(&mut self) {
        let mut some = [0; 1024];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut some) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    self.end.extend(some.iter().take(count));
                    let surplus = self.end.len().saturating_sub(KEPT);
                    self.end.drain(..surplus);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.pipe = None,
            }
        }
    }

    fn last_line(&self) -> String {
        let text = String::from_utf8_lossy(&self.end);
        text.lines().rev().find(|line| !line.trim().is_empty()).map_or_else(String::new, |line| format!(": {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, limit: Duration) -> (Result<(), Fault>, String) {
        let home = tempfile::tempdir().unwrap();
        let message = home.path().join("message");
        std::fs::write(&message, "Subject: x\n\nbody\n").unwrap();
        let words = ["sh", "-c", script].map(str::to_owned);
        let variables = vec![("TERN_RULE", "mine".to_owned())];
        let done = Program { words: &words, directory: home.path(), variables, limit }.run(&message);
        (done, std::fs::read_to_string(home.path().join("out")).unwrap_or_default())
    }

    #[test]
    fn it_gets_the_message_and_what_it_needs_of_the_environment() {
        let (done, out) = run("cat > out; echo $TERN_RULE >> out; env | grep -c CARGO >> out", Duration::from_secs(30));
        // `grep` finds nothing, and says so by its exit code.
        assert!(done.is_err());
        assert_eq!(out, "Subject: x\n\nbody\nmine\n0\n");
        assert_eq!(run("exit 0", Duration::from_secs(30)).0, Ok(()));
    }

    #[test]
    fn a_failure_is_told_with_its_last_words_made_harmless() {
        let fault = run("printf 'one\\n\\033[31mtwo\\n\\n' >&2; exit 3", Duration::from_secs(30)).0.unwrap_err();
        assert!(fault.detail.as_str().contains("exit status: 3: "), "{fault}");
        assert!(fault.detail.as_str().ends_with("[31mtwo") && !fault.to_string().contains('\u{1b}'), "{fault}");
        let much = run("yes >&2", Duration::from_millis(300)).0.unwrap_err();
        assert!(much.cause == Cause::TimedOut && much.detail.as_str().ends_with(": y"), "{much}");
    }

    #[test]
    fn one_that_takes_too_long_is_ended_and_so_is_what_it_started() {
        let begun = Instant::now();
        let fault = run("sleep 600 & sleep 600", Duration::from_millis(200)).0.unwrap_err();
        assert_eq!(fault.cause, Cause::TimedOut);
        assert!(begun.elapsed() < Duration::from_mins(1));
        // Nobody waits for what it leaves behind, either.
        assert_eq!(run("sleep 3 & exit 0", Duration::from_mins(5)).0, Ok(()));
        assert!(begun.elapsed() < Duration::from_mins(1));
    }
}
