//! Submission by a program of the user's that behaves like sendmail: the message on its standard
//! input, the recipients as arguments. Exit 0: taken; 75 (`EX_TEMPFAIL` of sysexits): later; all
//! else: refused. No shell is involved.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::policy::{Outcome, Reply, Said};
use super::queue::is_safe;
use super::submit::{Observer, Parcel, Submit};
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::mail::clean::Clean;

/// How long the program may take.
const PATIENCE: Duration = Duration::from_mins(10);
/// How much of its complaint is read, in bytes.
const COMPLAINT: u64 = 8 * 1024;
/// The exit status that means "try again".
const TEMPFAIL: i32 = 75;

/// A program that takes messages.
#[derive(Debug, Clone)]
pub struct Program {
    words: Vec<String>,
}

impl Program {
    /// Takes the program and its first arguments; `-i`, `-f` and such are the user's to write.
    pub fn new(words: Vec<String>) -> Self {
        Self { words }
    }
}

impl Submit for Program {
    fn submit(&mut self, parcel: &Parcel<'_>, observer: &mut dyn Observer) -> Outcome {
        let Some((program, arguments)) = self.words.split_first() else {
            return Outcome::Insecure(
                fault("the program", Cause::Config).again(Again::AfterUser).detail("it is empty"),
            );
        };
        let recipients = &parcel.submission.recipients;
        if let Some(bad) = recipients.iter().find(|who| who.is_empty() || !is_safe(who)) {
            return Outcome::Refused(Reply::new(553, &format!("5.1.3 `{bad}` is no address")));
        }
        observer.line(Clean::line(&format!("$ {} -- {}", self.words.join(" "), recipients.join(" "))));
        // In a file, so that nobody has to read while the message is written.
        let file = tempfile::tempfile().and_then(|file| Ok((Stdio::from(file.try_clone()?), file)));
        let (complaint, kept) = match file {
            Ok(both) => both,
            Err(error) => return Outcome::Broken(Fault::io(Doing::Running, program, &error)),
        };
        let child = Command::new(program)
            .args(arguments)
            .arg("--")
            .args(recipients)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(complaint)
            .spawn();
        match child {
            Ok(child) => talk(child, kept, program, parcel, observer),
            Err(error) => Outcome::Insecure(Fault::io(Doing::Running, program, &error).again(Again::AfterUser)),
        }
    }
}

fn fault(program: &str, cause: Cause) -> Fault {
    Fault::new(Doing::Running, program, cause).scope(Scope::Account)
}

/// Gives the program the message and waits for its verdict. All but the last line end goes first:
/// only with that, and the end of the input, can it take the message.
fn talk(
    mut child: Child,
    mut complaint: File,
    program: &str,
    parcel: &Parcel<'_>,
    observer: &mut dyn Observer,
) -> Outcome {
    let Some(mut input) = child.stdin.take() else {
        end(&mut child);
        return Outcome::Broken(fault(program, Cause::Bug));
    };
    let (most, last) = parcel.wire.split_at_checked(parcel.wire.len().saturating_sub(2)).unwrap_or((parcel.wire, b""));
    if input.write_all(most).and_then(|()| input.flush()).is_err() {
        end(&mut child);
        return Outcome::Broken(fault(program, Cause::Closed).detail(&last_words(&mut complaint)));
    }
    if let Err(fault) = observer.dot(&parcel.submission.recipients) {
        end(&mut child);
        return Outcome::Broken(fault);
    }
    // A program that has read enough may be gone; its exit status counts.
    let _ = input.write_all(last);
    drop(input);
    let Some(status) = wait(&mut child) else {
        let fault = fault(program, Cause::TimedOut).detail("it did not end");
        return Outcome::Unknown(fault, parcel.submission.recipients.clone());
    };
    let text = last_words(&mut complaint);
    observer.line(Clean::line(&format!("{status} {text}")));
    verdict(status.code(), &text, parcel)
}

/// The last line that the program complained.
fn last_words(complaint: &mut File) -> String {
    let mut bytes = Vec::new();
    let _ = complaint.rewind().and_then(|()| complaint.take(COMPLAINT).read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
}

fn verdict(code: Option<i32>, text: &str, parcel: &Parcel<'_>) -> Outcome {
    let refused =
        |digits, text: &str| Outcome::Refused(Reply { code: digits, enhanced: None, text: Clean::line(text) });
    match code {
        Some(0) => {
            Outcome::Answered(parcel.submission.recipients.iter().map(|who| (who.clone(), Said::Accepted)).collect())
        }
        Some(TEMPFAIL) => refused(451, text),
        Some(other) => refused(554, if text.is_empty() { "the program refused" } else { text }.trim()).with_exit(other),
        // Ended by a signal: whether it took the message is its secret.
        None => Outcome::Unknown(
            fault("the program", Cause::Closed).detail("it was ended by a signal"),
            parcel.submission.recipients.clone(),
        ),
    }
}

impl Outcome {
    /// The same refusal with the exit status in its text.
    fn with_exit(self, status: i32) -> Self {
        match self {
            Self::Refused(reply) => {
                Self::Refused(Reply { text: Clean::line(&format!("{} (exit {status})", reply.text)), ..reply })
            }
            other => other,
        }
    }
}

fn wait(child: &mut Child) -> Option<std::process::ExitStatus> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
            Ok(None) | Err(_) => {
                end(child);
                return None;
            }
        }
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::outbox::EntryId;
    use crate::mail::submission::Submission;

    #[derive(Default)]
    struct Seen(Vec<String>);

    impl Observer for Seen {
        fn dot(&mut self, accepted: &[String]) -> Result<(), Fault> {
            self.0.push(format!("dot {}", accepted.join(" ")));
            Ok(())
        }
        fn line(&mut self, _: Clean) {}
    }

    fn run(script: &str, wire: &[u8]) -> (Outcome, Vec<String>) {
        let words = ["sh", "-c", script, "sh"].map(str::to_owned).to_vec();
        let submission = Submission { sender: String::new(), recipients: vec!["a@b".to_owned(), "c@d".to_owned()] };
        let id = EntryId::new("e").unwrap();
        let mut seen = Seen::default();
        let outcome = Program::new(words).submit(&Parcel { id: &id, submission: &submission, wire }, &mut seen);
        (outcome, seen.0)
    }

    #[test]
    fn the_program_gets_the_message_and_the_recipients() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let wire = [b"x".repeat(300_000).as_slice(), b"\r\n.\r\n"].concat();
        let (outcome, seen) = run(&format!("echo \"$@\" > {0}.args; cat > {0}", out.display()), &wire);
        assert!(matches!(outcome, Outcome::Answered(ref said) if said.len() == 2), "{outcome:?}");
        assert_eq!(seen, ["dot a@b c@d"]);
        assert_eq!(std::fs::read(&out).unwrap(), wire);
        assert_eq!(std::fs::read_to_string(out.with_extension("args")).unwrap(), "-- a@b c@d\n");
    }

    #[test]
    fn exit_75_defers_and_others_fail() {
        let reply = |script| match run(script, b"x\r\n").0 {
            Outcome::Refused(reply) => reply.line().as_str().to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(reply("cat > /dev/null; echo busy >&2; exit 75"), "451 busy");
        assert_eq!(reply("cat > /dev/null; echo no such user >&2; exit 67"), "554 no such user (exit 67)");
        assert!(matches!(run("cat > /dev/null; kill -9 $$", b"x\r\n").0, Outcome::Unknown(..)));
    }

    #[test]
    fn a_program_that_is_not_there_waits_for_the_user() {
        let id = EntryId::new("e").unwrap();
        let submission = Submission { sender: String::new(), recipients: vec!["a@b".to_owned()] };
        let parcel = Parcel { id: &id, submission: &submission, wire: b"x\r\n" };
        let outcome = Program::new(vec!["/nowhere/sendmail".to_owned()]).submit(&parcel, &mut Seen::default());
        assert!(matches!(outcome, Outcome::Insecure(ref fault) if fault.cause == Cause::Missing), "{outcome:?}");
    }
}
