//! Secrets: the type that cannot be shown by mistake, and the ways to get one. A command gets no
//! shell, no standard input and no more than ten seconds; a file must be the user's alone.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::config::{Privacy, SecretSource, privacy};
use crate::fault::{Again, Cause, Doing, Fault};

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much is read of a command or a file: no secret is longer, and some files never end.
const LONGEST: usize = 64 * 1024;

/// A password or a token. It has no `Display`, shows stars in `Debug`, and is wiped when dropped.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Takes the text as it is.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for a server's ears alone.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Asks the user for a password; `None` where they would rather not.
pub type Ask<'a> = &'a dyn Fn() -> Option<Secret>;

/// Gets the secret. `ask` is for [`SecretSource::Prompt`]; without it nobody is there to be asked.
/// Blocks for at most ten seconds, but for the user's own time.
///
/// Every fault waits for the user, but that of a command or file that failed: a key ring that is
/// locked now may be open later.
pub fn fetch(source: &SecretSource, ask: Option<Ask<'_>>) -> Result<Secret, Fault> {
    match source {
        SecretSource::Command(words) | SecretSource::TokenCommand(words) => from_command(words, PATIENCE),
        SecretSource::File(path) => from_file(path),
        SecretSource::Environment(name) => from_environment(name),
        SecretSource::Prompt => match ask {
            Some(ask) => ask().filter(|secret| !secret.expose().is_empty()).ok_or_else(|| {
                Fault::new(Doing::SigningIn, "the server", Cause::SignInRefused)
                    .again(Again::AfterUser)
                    .detail("no password was given")
            }),
            None => Err(unusable("the password", "it must be typed, and nobody can be asked here")),
        },
        SecretSource::None => Err(unusable("the password", "the config does not say where it comes from")),
    }
}

fn unusable(subject: &str, detail: &str) -> Fault {
    Fault::new(Doing::Configuring, subject, Cause::Config).again(Again::AfterUser).detail(detail)
}

fn from_environment(name: &str) -> Result<Secret, Fault> {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => Ok(Secret::new(text)),
        Ok(_) => Err(unusable(name, "the variable is empty")),
        Err(std::env::VarError::NotPresent) => Err(unusable(name, "the variable is not set")),
        Err(std::env::VarError::NotUnicode(_)) => Err(unusable(name, "the variable is not UTF-8")),
    }
}

fn from_file(path: &Path) -> Result<Secret, Fault> {
    let shown = path.to_string_lossy();
    let failed = |error: std::io::Error| Fault::io(Doing::Configuring, &shown, &error).again(Again::AfterUser);
    // Before opening: to open a pipe is to wait for its other end.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(unusable(&shown, "it is not a plain file"));
    }
    let file = File::open(path).map_err(failed)?;
    match privacy(&file.metadata().map_err(failed)?) {
        Privacy::Private => {}
        Privacy::Readable | Privacy::Writable => {
            return Err(Fault::new(Doing::Configuring, &shown, Cause::Permission)
                .again(Again::AfterUser)
                .detail(&format!("others can read it; type: chmod 600 {shown}")));
        }
        Privacy::Foreign => {
            return Err(Fault::new(Doing::Configuring, &shown, Cause::Permission)
                .again(Again::AfterUser)
                .detail("it belongs to another user"));
        }
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST));
    file.take(LONGEST as u64).read_to_end(&mut bytes).map_err(failed)?;
    first_line(&bytes).ok_or_else(|| unusable(&shown, "its first line is empty or not UTF-8"))
}

/// The first line without its end.
fn first_line(bytes: &[u8]) -> Option<Secret> {
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).ok()?;
    (!text.is_empty()).then(|| Secret::new(text.to_owned()))
}

fn from_command(words: &[String], patience: Duration) -> Result<Secret, Fault> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(unusable("the password command", "it is empty"));
    };
    let fault = |cause| Fault::new(Doing::Running, program, cause);
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that what a script has started ends with it.
        .process_group(0)
        .spawn()
        .map_err(|error| Fault::io(Doing::Running, program, &error).again(Again::AfterUser))?;
    let heard = listen(&mut child, patience);
    let Some(heard) = heard.map_err(|error| Fault::io(Doing::Running, program, &error))? else {
        end(&mut child);
        return Err(fault(Cause::TimedOut).detail(&format!("no answer within {} s", patience.as_secs())));
    };
    if !heard.status.success() {
        let complaint = String::from_utf8_lossy(&heard.complaints);
        let last = complaint.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let detail = if last.is_empty() { heard.status.to_string() } else { format!("{}: {last}", heard.status) };
        return Err(fault(Cause::Other).detail(&detail));
    }
    first_line(&heard.answer)
        .ok_or_else(|| fault(Cause::Config).again(Again::AfterUser).detail("it wrote no password on its first line"))
}

/// What a command had to say.
struct Heard {
    answer: Zeroizing<Vec<u8>>,
    complaints: Vec<u8>,
    status: std::process::ExitStatus,
}

/// Reads both outputs until the command ends; `None` where it takes too long. It is not waited for
/// the outputs to be closed: a daemon that the command left behind may hold them for ever.
fn listen(child: &mut Child, patience: Duration) -> std::io::Result<Option<Heard>> {
    let deadline = Instant::now() + patience;
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let mut answer = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut complaints = Vec::new();
    loop {
        // Asked for before reading: what was written before the end is then surely read.
        let status = child.try_wait()?;
        let mut progress = drain(&mut out, &mut answer)?;
        progress |= drain(&mut err, &mut complaints)?;
        if let (Some(status), false) = (status, progress) {
            return Ok(Some(Heard { answer, complaints, status }));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        if !progress {
            rest(out.as_ref(), err.as_ref())?;
        }
    }
}

/// Reads what is there now, without waiting. Was there something, or an end?
fn drain<R: Read + std::os::fd::AsFd>(pipe: &mut Option<R>, into: &mut Vec<u8>) -> std::io::Result<bool> {
    let Some(open) = pipe.as_mut() else { return Ok(false) };
    let mut fds = [PollFd::new(open, PollFlags::IN)];
    wait(&mut fds, Timespec { tv_sec: 0, tv_nsec: 0 })?;
    if fds.iter().all(|fd| fd.revents().is_empty()) {
        return Ok(false);
    }
    let mut chunk = Zeroizing::new([0u8; 4096]);
    let count = match open.read(&mut *chunk) {
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(true),
        other => other?,
    };
    if count == 0 {
        *pipe = None;
    }
    let room = LONGEST.saturating_sub(into.len());
    into.extend_from_slice(chunk.get(..count.min(room)).unwrap_or_default());
    Ok(true)
}

/// Waits a moment for more to read; a command that has closed its outputs is looked at again soon.
fn rest<A: std::os::fd::AsFd, B: std::os::fd::AsFd>(out: Option<&A>, err: Option<&B>) -> std::io::Result<()> {
    const MOMENT: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
    let mut fds = Vec::with_capacity(2);
    fds.extend(out.map(|fd| PollFd::new(fd, PollFlags::IN)));
    fds.extend(err.map(|fd| PollFd::new(fd, PollFlags::IN)));
    wait(&mut fds, MOMENT)
}

/// Waits until one of them has something, or for so long; a signal ends the wait early.
fn wait(fds: &mut [PollFd<'_>], limit: Timespec) -> std::io::Result<()> {
    match poll(fds, Some(&limit)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Ends the command and whatever it has started.
fn end(child: &mut Child) {
    let group = rustix::process::Pid::from_child(child);
    let _already_gone = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    let _reaped = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn run(script: &str) -> Result<Secret, Fault> {
        fetch(&SecretSource::Command(["sh", "-c", script].map(str::to_owned).to_vec()), None)
    }

    #[test]
    fn a_secret_shows_stars() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "Secret(***) Some(Secret(***))");
    }

    #[test]
    fn a_command_gives_its_first_line_and_keeps_its_blanks() {
        assert_eq!(run("printf ' a b \\r\\nlogin: ada\\n'").unwrap().expose(), " a b ");
        assert_eq!(run("printf secret").unwrap().expose(), "secret");
    }

    #[test]
    fn a_command_has_nothing_to_read_and_no_shell() {
        assert_eq!(run("cat; echo done").unwrap().expose(), "done");
        let words = ["printf", "%s", "$HOME;x"].map(str::to_owned).to_vec();
        assert_eq!(fetch(&SecretSource::Command(words), None).unwrap().expose(), "$HOME;x");
    }

    #[test]
    fn a_failing_command_tells_its_last_words_and_not_its_output() {
        let fault = run("echo hunter2; echo first >&2; echo 'the key ring is locked' >&2; exit 3").unwrap_err();
        assert_eq!(fault.detail.as_str(), "exit status: 3: the key ring is locked");
        assert!(!fault.to_string().contains("hunter2"));
    }

    #[test]
    fn a_command_that_says_nothing_or_is_not_there_is_a_fault() {
        assert_eq!(run("true").unwrap_err().cause, Cause::Config);
        assert_eq!(run("printf '\\nsecond line'").unwrap_err().cause, Cause::Config);
        let missing = fetch(&SecretSource::Command(vec!["/nowhere/at/all".to_owned()]), None).unwrap_err();
        assert_eq!((missing.cause, missing.again), (Cause::Missing, Again::AfterUser));
        assert!(fetch(&SecretSource::Command(Vec::new()), None).is_err());
    }

    #[test]
    fn a_command_that_hangs_is_ended_with_all_it_started() {
        let root = tempfile::tempdir().unwrap();
        let mark = root.path().join("pid");
        let script = format!("sleep 300 & echo $! >{}; wait", mark.display());
        let words = ["sh".to_owned(), "-c".to_owned(), script];
        // On a busy machine the script may not come to its mark at once.
        let pid = [1, 2, 4, 8].into_iter().find_map(|patience| {
            let fault = from_command(&words, Duration::from_secs(patience)).unwrap_err();
            assert_eq!(fault.cause, Cause::TimedOut);
            std::fs::read_to_string(&mark).ok().filter(|pid| pid.ends_with('\n'))
        });
        let stat = format!("/proc/{}/stat", pid.unwrap().trim());
        let gone = || std::fs::read_to_string(&stat).map_or(true, |state| state.contains(") Z"));
        let limit = Instant::now() + PATIENCE;
        while !gone() {
            assert!(Instant::now() < limit, "the sleeper lives on");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_daemon_that_holds_the_pipe_does_not_hold_us() {
        let root = tempfile::tempdir().unwrap();
        let mark = root.path().join("pid");
        let started = Instant::now();
        assert_eq!(run(&format!("sleep 300 & echo $! >{}; echo pw", mark.display())).unwrap().expose(), "pw");
        assert!(started.elapsed() < PATIENCE);
        let pid = std::fs::read_to_string(&mark).unwrap().trim().parse().unwrap();
        let daemon = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(daemon, rustix::process::Signal::KILL).unwrap();
    }

    #[test]
    fn much_output_neither_blocks_nor_grows() {
        assert_eq!(run("echo pw; head -c 3000000 /dev/zero").unwrap().expose(), "pw");
        assert!(run("head -c 3000000 /dev/zero >&2; exit 1").is_err());
    }

    #[test]
    fn a_file_must_be_the_users_alone() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("pw");
        std::fs::write(&file, "hunter2\nnotes\n").unwrap();
        let source = SecretSource::File(file.clone());
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            match fetch(&source, None) {
                Ok(secret) => assert!(good && secret.expose() == "hunter2", "{mode:o}"),
                Err(fault) => {
                    assert!(!good, "{mode:o}: {fault}");
                    assert!(fault.detail.as_str().ends_with(&format!("chmod 600 {}", file.display())), "{fault}");
                }
            }
        }
        assert!(fetch(&SecretSource::File(root.path().to_path_buf()), None).is_err());
        assert_eq!(fetch(&SecretSource::File(root.path().join("no")), None).unwrap_err().cause, Cause::Missing);
    }

    #[test]
    fn who_must_be_asked_is_asked() {
        let ask = || Some(Secret::new("typed".to_owned()));
        assert_eq!(fetch(&SecretSource::Prompt, Some(&ask)).unwrap().expose(), "typed");
        assert_eq!(fetch(&SecretSource::Prompt, Some(&|| None)).unwrap_err().again, Again::AfterUser);
        assert_eq!(fetch(&SecretSource::Prompt, None).unwrap_err().cause, Cause::Config);
        assert_eq!(fetch(&SecretSource::None, None).unwrap_err().cause, Cause::Config);
        let unset = SecretSource::Environment("TERN_TEST_NO_SUCH_VARIABLE".to_owned());
        assert!(fetch(&unset, None).unwrap_err().to_string().contains("is not set"));
    }
}
