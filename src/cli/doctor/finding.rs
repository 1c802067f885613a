//! What the doctor finds, and how it is told: a line with a verdict, and the next step below it.

use serde_json::json;
use unicode_width::UnicodeWidthStr as _;

use crate::cli::exit::Exit;
use crate::cli::output;
use crate::fault::Fault;
use crate::mail::clean::Clean;
use crate::mail::ids::AccountId;

/// How wide the text is, in columns.
const WIDTH: usize = 80;
/// Where the words of a finding begin.
const INDENT: usize = 21;

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// It works, but something is not as it could be.
    Warn,
    /// It does not work; with the exit code that says so.
    Fail(Exit),
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail(_) => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    check: &'static str,
    verdict: Verdict,
    text: Clean,
    next: Option<Clean>,
}

impl Finding {
    /// Makes one. `check` is its name for ever: `imap.tls`.
    pub(super) fn new(check: &'static str, verdict: Verdict, text: &str) -> Self {
        Self { check, verdict, text: Clean::line(text), next: None }
    }

    /// All is well.
    pub(super) fn ok(check: &'static str, text: &str) -> Self {
        Self::new(check, Verdict::Ok, text)
    }

    /// It could be better.
    pub(super) fn warn(check: &'static str, text: &str) -> Self {
        Self::new(check, Verdict::Warn, text)
    }

    /// It failed, with the fault's own next step. The line belongs to the account already.
    pub(super) fn fail(check: &'static str, fault: &Fault) -> Self {
        let mut plain = fault.clone();
        plain.account = None;
        let finding = Self::new(check, Verdict::Fail(Exit::of(fault)), &plain.to_string());
        match fault.advice() {
            Some(advice) => finding.next(advice),
            None => finding,
        }
    }

    /// The same with what to do.
    pub(super) fn next(mut self, next: &str) -> Self {
        self.next = Some(Clean::line(next));
        self
    }

    fn lines(&self) -> Vec<String> {
        let label = format!("  {:<5}{:<14}", self.verdict.word(), self.check);
        let mut lines = wrapped(&label, self.text.as_str());
        if let Some(next) = &self.next {
            lines.extend(wrapped(&format!("{:INDENT$}next: ", ""), next.as_str()));
        }
        lines
    }
}

/// Breaks `text` behind `label` at blanks; what follows stands below the first word.
fn wrapped(label: &str, text: &str) -> Vec<String> {
    let indent = label.width().max(INDENT);
    let mut lines = Vec::new();
    let mut line = format!("{label:<INDENT$}");
    let mut is_empty = true;
    if label.width() >= INDENT && !label.ends_with(' ') {
        line.push(' ');
    }
    for word in text.split_whitespace() {
        if !is_empty && line.width() + 1 + word.width() > WIDTH {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    lines.push(line);
    lines
}

/// Tells findings as they come, and remembers what they come to.
pub(super) struct Tell {
    json: bool,
    account: Option<AccountId>,
    warnings: usize,
    failures: usize,
    worst: Option<Exit>,
}

impl Tell {
    pub(super) fn new(json: bool) -> Self {
        Self { json, account: None, warnings: 0, failures: 0, worst: None }
    }

    /// What follows is about this account, or about none.
    pub(super) fn about(&mut self, account: Option<&AccountId>) {
        self.account = account.cloned();
        if !self.json {
            match account {
                Some(account) => output::line(format_args!("\n{}", Clean::line(account.as_str()))),
                None => output::line(concat!("tern ", env!("CARGO_PKG_VERSION"))),
            }
        }
    }

    /// Tells one.
    #[expect(clippy::needless_pass_by_value, reason = "a finding is made to be told, and then over")]
    pub(super) fn tell(&mut self, finding: Finding) {
        match finding.verdict {
            Verdict::Ok => {}
            Verdict::Warn => self.warnings += 1,
            Verdict::Fail(exit) => {
                self.failures += 1;
                self.worst = self.worst.or(Some(exit));
            }
        }
        if !self.json {
            finding.lines().iter().for_each(output::line);
            return;
        }
        output::line(json!({
            "v": 1,
            "account": self.account.as_ref().map(|account| Clean::line(account.as_str()).as_str().to_owned()),
            "check": finding.check,
            "verdict": finding.verdict.word(),
            "text": finding.text.as_str(),
            "next": finding.next.as_ref().map(Clean::as_str),
        }));
    }

    /// Says what it comes to: 0 where all is well, 1 with warnings, else the code of the first failure.
    pub(super) fn end(self) -> Exit {
        if !self.json {
            let told = match (self.failures, self.warnings) {
                (0, 0) => "all is well".to_owned(),
                (0, warnings) => format!("it works; warnings: {warnings}"),
                (failures, warnings) => format!("failures: {failures}, warnings: {warnings}"),
            };
            output::line(format_args!("\n{told}"));
        }
        match (self.worst, self.warnings) {
            (Some(exit), _) => exit,
            (None, 0) => Exit::Done,
            (None, _) => Exit::Partly,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_into_eighty_columns() {
        let text = "TLS 1.3; the certificate is for mail.example.org and imap.example.org, is trusted by this \
                    system and good for 63 more days \u{1b}[2J";
        let finding = Finding::warn("imap.tls", text).next("renew it: the program that keeps it up to date may be off");
        assert_eq!(
            finding.lines(),
            [
                "  warn imap.tls      TLS 1.3; the certificate is for mail.example.org and",
                "                     imap.example.org, is trusted by this system and good for 63",
                "                     more days \u{241b}[2J",
                "                     next: renew it: the program that keeps it up to date may be",
                "                           off",
            ]
        );
        assert!(finding.lines().iter().all(|line| line.width() <= WIDTH));
        assert_eq!(Finding::ok("x", &"y".repeat(90)).lines().len(), 1, "a long word is not torn");
    }
}
