//! What comes after an attempt: again and when, or failed, or ask. Pure: the table of reply classes
//! (RFC 5321 §4.2, §4.5.4; RFC 3463; RFC 4954 §6) and nothing else. It knows no clock and no dice;
//! both are given.

use crate::fault::Fault;
use crate::mail::clean::Clean;
use crate::mail::ids::Timestamp;

/// A server's reply that decided something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The three digits.
    pub code: u16,
    /// The enhanced status code (RFC 3463), cut from the text.
    pub enhanced: Option<(u8, u16, u16)>,
    /// The text, without the codes.
    pub text: Clean,
}

impl Reply {
    /// Makes a reply of its code and its text; cuts an enhanced code off the text if it agrees with
    /// the first digit (RFC 2034 §4).
    pub fn new(code: u16, text: &str) -> Self {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match enhanced(word).filter(|(class, ..)| u16::from(*class) == code / 100) {
            Some(found) => Self { code, enhanced: Some(found), text: Clean::line(rest) },
            None => Self { code, enhanced: None, text: Clean::line(text) },
        }
    }

    /// Code, enhanced code and text as one line.
    pub fn line(&self) -> Clean {
        let enhanced = self.enhanced.map_or_else(String::new, |(a, b, c)| format!(" {a}.{b}.{c}"));
        Clean::line(format!("{}{enhanced} {}", self.code, self.text).trim_end())
    }

    fn is(&self, subject: u16, detail: u16) -> bool {
        matches!(self.enhanced, Some((_, s, d)) if (s, d) == (subject, detail))
    }
}

fn enhanced(word: &str) -> Option<(u8, u16, u16)> {
    let mut parts = word.split('.');
    let class = parts.next()?.parse().ok()?;
    let (subject, detail) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (parts.next().is_none() && matches!(class, 2 | 4 | 5) && subject <= 999 && detail <= 999)
        .then_some((class, subject, detail))
}

/// One recipient's part in a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Accepted, and so was the message.
    Accepted,
    /// The server said no to this one.
    Refused(Reply),
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Nobody was reached: no name, no route, refused.
    Offline(Fault),
    /// No connection that can be trusted: certificate, TLS, STARTTLS or a mechanism not offered.
    Insecure(Fault),
    /// Sign-in was refused with that reply, or there is no password.
    SignIn(Fault, Option<Reply>),
    /// The connection broke, timed out or was closed by 421 before the final dot.
    Broken(Fault),
    /// The whole message was refused, at MAIL, DATA or after the dot.
    Refused(Reply),
    /// The transaction took its course: each recipient with what was said, in the order given.
    /// Where nobody was accepted the message was not transmitted.
    Answered(Vec<(String, Said)>),
    /// The final dot was sent to these, and no reply came.
    Unknown(Fault, Vec<String>),
}

/// What was tried before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct History {
    /// How many attempts count, the one just made not among them.
    pub attempts: u32,
    /// When the first of them was; `None` before it.
    pub first: Option<Timestamp>,
    /// When the message was queued.
    pub queued_at: Timestamp,
}

/// Who waits until the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// This message.
    Message,
    /// Every message of the account: the server itself is in trouble.
    Account,
}

/// Does the attempt count against the schedule?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// It does.
    Yes,
    /// Nobody was reached, so nothing was tried.
    No,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Every recipient was accepted.
    Done,
    /// Those left over get a further transaction at once.
    Rest,
    /// Another attempt.
    Retry {
        /// When.
        at: Timestamp,
        /// Does this one count?
        counts: Counts,
        /// Who waits.
        waits: Waits,
    },
    /// The account waits for the user; the mail stays queued.
    Pause,
    /// Refused for good, for those not accepted; can be edited.
    Failed,
    /// Perhaps sent: look, then ask.
    Ask,
}

/// Seconds to the next attempt, by the number of attempts before.
const SCHEDULE: [i64; 7] = [30, 60, 120, 300, 600, 1200, 1800];
/// From then on, in seconds.
const HOURLY: i64 = 3600;
/// Greylisting wants a minute, then five, then fifteen.
const GREYLISTED: [i64; 3] = [60, 300, 900];
/// Five days from the first attempt the message has failed.
const GIVE_UP: i64 = 5 * 24 * 3600;

/// Words in a 5xx reply that mean "later": limits on how much may be sent, which pass by themselves.
const THROTTLED: [&str; 6] =
    ["sending limit", "rate limit", "sending quota", "too many messages", "try again later", "temporarily"];

/// Says what comes after an attempt. `jitter` is from 0 to 1 and spreads the delays by a tenth
/// either way, so that many clients do not come back in the same second.
pub fn after(history: &History, outcome: &Outcome, now: Timestamp, jitter: f64) -> Next {
    match outcome {
        Outcome::Offline(_) => {
            Next::Retry { at: offline(history, now, jitter), counts: Counts::No, waits: Waits::Account }
        }
        Outcome::SignIn(_, reply) if reply.as_ref().is_some_and(|r| r.code / 100 == 4) => {
            again(history, &SCHEDULE, now, jitter, Waits::Account)
        }
        Outcome::Insecure(_) | Outcome::SignIn(..) => Next::Pause,
        Outcome::Broken(_) => again(history, &SCHEDULE, now, jitter, Waits::Account),
        Outcome::Unknown(..) => Next::Ask,
        Outcome::Refused(reply) => refused(history, &[reply], now, jitter),
        Outcome::Answered(said) => answered(history, said, now, jitter),
    }
}

/// Is this a reply that may change by itself?
pub fn is_for_now(reply: &Reply) -> bool {
    let text = reply.text.as_str().to_ascii_lowercase();
    match reply.code / 100 {
        4 => true,
        // Size and policy never change by waiting, whatever the words.
        5 if reply.code == 552 || reply.is(3, 4) => too_many(reply),
        5 => too_many(reply) || THROTTLED.iter().any(|words| text.contains(words)),
        _ => false,
    }
}

/// Does the server want the rest of the recipients in a further transaction (RFC 5321 §4.5.3.1.10)?
fn too_many(reply: &Reply) -> bool {
    let worded = reply.text.as_str().to_ascii_lowercase().contains("too many recipients");
    matches!(reply.code, 452 | 552) && (reply.is(5, 3) || worded)
}

fn answered(history: &History, said: &[(String, Said)], now: Timestamp, jitter: f64) -> Next {
    let replies: Vec<&Reply> = said
        .iter()
        .filter_map(|(_, said)| match said {
            Said::Refused(reply) => Some(reply),
            Said::Accepted => None,
        })
        .collect();
    let accepted = replies.len() < said.len();
    if replies.is_empty() {
        Next::Done
    } else if accepted && replies.iter().any(|reply| too_many(reply)) {
        Next::Rest
    } else {
        refused(history, &replies, now, jitter)
    }
}

fn refused(history: &History, replies: &[&Reply], now: Timestamp, jitter: f64) -> Next {
    // A server that wants a sign-in first may say so as late as here.
    if replies.iter().any(|reply| matches!(reply.code, 530 | 534 | 535)) {
        return Next::Pause;
    }
    let mut later = replies.iter().filter(|reply| is_for_now(reply)).peekable();
    if later.peek().is_none() {
        return Next::Failed;
    }
    let closing = replies.iter().any(|reply| reply.code == 421);
    let greylisted = later.all(|reply| matches!(reply.code, 450 | 451));
    let schedule: &[i64] = if greylisted { &GREYLISTED } else { &SCHEDULE };
    again(history, schedule, now, jitter, if closing { Waits::Account } else { Waits::Message })
}

fn again(history: &History, schedule: &[i64], now: Timestamp, jitter: f64, waits: Waits) -> Next {
    if history.first.is_some_and(|first| now.get() - first.get() >= GIVE_UP) {
        return Next::Failed;
    }
    let attempt = usize::try_from(history.attempts).unwrap_or(usize::MAX);
    let rest = attempt.saturating_sub(schedule.len());
    // A short schedule goes on where the long one is past its end.
    let tail = SCHEDULE.iter().copied().filter(|delay| schedule.last().is_some_and(|last| delay > last));
    let delay = schedule.get(attempt).copied().or_else(|| tail.into_iter().nth(rest)).unwrap_or(HOURLY);
    Next::Retry { at: now.plus(spread(delay, jitter)), counts: Counts::Yes, waits }
}

/// Looking for the network costs little, so it is looked for often at first.
fn offline(history: &History, now: Timestamp, jitter: f64) -> Timestamp {
    let age = now.get() - history.queued_at.get();
    let delay = match age {
        ..600 => 15,
        600..86_400 => 60,
        _ => 300,
    };
    now.plus(spread(delay, jitter))
}

/// The delay and up to a tenth more or less.
fn spread(delay: i64, jitter: f64) -> i64 {
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.5 };
    #[expect(clippy::cast_possible_truncation, reason = "a whole number of thousandths between 900 and 1100")]
    let thousandths = (900.0 + 200.0 * jitter).round() as i64;
    delay * thousandths / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Cause, Doing};

    fn fault() -> Fault {
        Fault::new(Doing::Submitting, "smtp.example.org", Cause::Other)
    }

    fn refuse(code: u16, text: &str) -> Outcome {
        Outcome::Refused(Reply::new(code, text))
    }

    fn answers(said: &[(u16, &str)]) -> Outcome {
        let said = said.iter().enumerate().map(|(n, (code, text))| {
            let verdict = if *code == 250 { Said::Accepted } else { Said::Refused(Reply::new(*code, text)) };
            (format!("r{n}@x"), verdict)
        });
        Outcome::Answered(said.collect())
    }

    const NOW: i64 = 1_795_304_969;

    fn next(attempts: u32, outcome: &Outcome) -> Next {
        let first = (attempts > 0).then(|| Timestamp::new(NOW - 60));
        after(&History { attempts, first, queued_at: Timestamp::new(NOW - 60) }, outcome, Timestamp::new(NOW), 0.5)
    }

    fn retry(delay: i64, waits: Waits) -> Next {
        Next::Retry { at: Timestamp::new(NOW + delay), counts: Counts::Yes, waits }
    }

    #[test]
    fn table() {
        use Waits::{Account, Message};
        let offline = Next::Retry { at: Timestamp::new(NOW + 15), counts: Counts::No, waits: Account };
        for (attempts, outcome, expected) in [
            (0, Outcome::Offline(fault()), offline),
            (9, Outcome::Offline(fault()), offline),
            (0, Outcome::Insecure(fault()), Next::Pause),
            (0, Outcome::Broken(fault()), retry(30, Account)),
            (3, Outcome::Broken(fault()), retry(300, Account)),
            (0, Outcome::Unknown(fault(), vec![]), Next::Ask),
            (0, Outcome::SignIn(fault(), Some(Reply::new(535, "5.7.8 no"))), Next::Pause),
            (0, Outcome::SignIn(fault(), Some(Reply::new(534, "5.7.9 app password"))), Next::Pause),
            (0, Outcome::SignIn(fault(), None), Next::Pause),
            (1, Outcome::SignIn(fault(), Some(Reply::new(454, "4.7.0 later"))), retry(60, Account)),
            (1, Outcome::SignIn(fault(), Some(Reply::new(432, "4.7.12 transition"))), retry(60, Account)),
            (0, refuse(421, "4.3.2 shutting down"), retry(30, Account)),
            (0, refuse(452, "4.3.1 disk full"), retry(30, Message)),
            (0, refuse(450, "4.2.0 greylisted"), retry(60, Message)),
            (1, refuse(451, "4.7.1 come back"), retry(300, Message)),
            (2, refuse(451, "4.7.1 come back"), retry(900, Message)),
            (3, refuse(451, "4.7.1 come back"), retry(1200, Message)),
            (4, refuse(451, "4.7.1 come back"), retry(1800, Message)),
            (5, refuse(451, "4.7.1 come back"), retry(3600, Message)),
            (6, refuse(452, "4.3.1"), retry(1800, Message)),
            (7, refuse(452, "4.3.1"), retry(3600, Message)),
            (99, refuse(452, "4.3.1"), retry(3600, Message)),
            (0, refuse(530, "5.7.0 authentication required"), Next::Pause),
            (0, refuse(550, "5.1.1 no such user"), Next::Failed),
            (0, refuse(554, "5.7.1 spam"), Next::Failed),
            (0, refuse(552, "5.3.4 too big, try again later"), Next::Failed),
            (0, refuse(550, "5.4.5 Daily user sending limit exceeded"), retry(30, Message)),
            (0, answers(&[(250, ""), (250, "")]), Next::Done),
            (0, answers(&[(250, ""), (550, "5.1.1 unknown")]), Next::Failed),
            (0, answers(&[(250, ""), (550, "5.1.1 unknown"), (450, "4.2.0 grey")]), retry(60, Message)),
            (0, answers(&[(450, "4.2.0 grey"), (452, "4.2.2 full")]), retry(30, Message)),
            (0, answers(&[(250, ""), (452, "4.5.3 too many")]), Next::Rest),
            (0, answers(&[(250, ""), (552, "too many recipients")]), Next::Rest),
            (0, answers(&[(452, "4.5.3 too many")]), retry(30, Message)),
            (0, answers(&[(550, "a"), (551, "b")]), Next::Failed),
        ] {
            assert_eq!(next(attempts, &outcome), expected, "after {attempts} attempts: {outcome:?}");
        }
    }

    #[test]
    fn gives_up_after_five_days_of_trying_and_never_for_being_offline() {
        let history = |age: i64| History {
            attempts: 120,
            first: Some(Timestamp::new(NOW - age)),
            queued_at: Timestamp::new(NOW - 30 * 86_400),
        };
        let at = |age, outcome: &Outcome| after(&history(age), outcome, Timestamp::new(NOW), 0.5);
        let later = refuse(451, "4.3.0 later");
        assert_eq!(at(GIVE_UP - 1, &later), retry(3600, Waits::Message));
        assert_eq!(at(GIVE_UP, &later), Next::Failed);
        assert!(matches!(at(GIVE_UP * 9, &Outcome::Offline(fault())), Next::Retry { counts: Counts::No, .. }));
    }

    #[test]
    fn jitter_stays_within_a_tenth() {
        for jitter in [0.0, 0.3, 1.0, -5.0, 7.0, f64::NAN, f64::INFINITY] {
            let delay = spread(3600, jitter);
            assert!((3240..=3960).contains(&delay), "{jitter}: {delay}");
        }
    }

    #[test]
    fn enhanced_codes_are_cut_off_only_where_they_agree() {
        let cut = |code, text: &str| {
            let reply = Reply::new(code, text);
            (reply.enhanced, reply.text.as_str().to_owned())
        };
        assert_eq!(cut(550, "5.1.1 No such user"), (Some((5, 1, 1)), "No such user".to_owned()));
        assert_eq!(cut(550, "4.1.1 odd"), (None, "4.1.1 odd".to_owned()));
        assert_eq!(cut(250, "2.0.0"), (Some((2, 0, 0)), String::new()));
        assert_eq!(cut(550, "5.1 x"), (None, "5.1 x".to_owned()));
        assert_eq!(cut(550, ""), (None, String::new()));
        assert_eq!(Reply::new(550, "5.1.1 No\u{1b}[m").line().as_str(), "550 5.1.1 No\u{241b}[m");
    }
}
