//! The note beside an entry: what was tried, what each recipient's verdict is, how far the last
//! attempt got. Small, replaced as a whole, written before what it announces happens. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::policy::History;
use crate::fault::{Cause, Doing, Fault, Scope};
use crate::job::outbox::Verdict;
use crate::mail::clean::Clean;
use crate::mail::ids::Timestamp;

/// The most lines of a conversation that are kept, and of what length.
const MAX_LINES: usize = 200;
const MAX_LINE: usize = 500;

/// What is known of an entry's way so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Note {
    /// How many attempts count.
    pub attempts: u32,
    /// When the first of them was.
    pub first: Option<Timestamp>,
    /// Not before then.
    pub next: Option<Timestamp>,
    /// Is it waiting for the account's sign-in?
    pub paused: bool,
    /// Was nobody reached the last time? Then it is due as soon as there is a network.
    pub offline: bool,
    /// What the server said last, or why it was not reached.
    pub why: Clean,
    /// Each recipient's verdict; who is missing is pending.
    pub verdicts: BTreeMap<String, Verdict>,
    /// The final dot was or is about to be sent to these, and no reply is known. Written before
    /// the dot; as long as it stands, nothing is sent again without the user's word.
    pub dotted: Vec<String>,
    /// How far the copy in Sent is.
    pub copy: CopyStep,
    /// The last conversation.
    pub transcript: Vec<Clean>,
}

/// How far the copy in Sent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CopyStep {
    /// It is still to be written.
    #[default]
    Owed,
    /// It is there, or somebody else writes it.
    Filed,
}

#[derive(Serialize, Deserialize)]
struct Written {
    attempts: u32,
    first: Option<i64>,
    next: Option<i64>,
    paused: bool,
    #[serde(default)]
    offline: bool,
    why: String,
    verdicts: BTreeMap<String, WrittenVerdict>,
    dotted: Vec<String>,
    copy: CopyStep,
    transcript: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "is", content = "said")]
enum WrittenVerdict {
    Pending,
    Accepted,
    Deferred(String),
    Refused(String),
}

impl Note {
    /// The recipients of `all` that have not been accepted or refused for good.
    pub fn open<'a>(&self, all: &'a [String]) -> Vec<&'a String> {
        all.iter()
            .filter(|who| !matches!(self.verdicts.get(*who), Some(Verdict::Accepted | Verdict::Refused(_))))
            .collect()
    }

    /// Was the message accepted for somebody?
    pub fn accepted_for_some(&self) -> bool {
        self.verdicts.values().any(|verdict| *verdict == Verdict::Accepted)
    }

    /// Was it accepted for all of `all`?
    pub fn accepted_for_all(&self, all: &[String]) -> bool {
        all.iter().all(|who| self.verdicts.get(who) == Some(&Verdict::Accepted))
    }

    /// Takes the user's word, or the server's, that those the dot was sent to have the message.
    pub fn believe_sent(&mut self) {
        for who in std::mem::take(&mut self.dotted) {
            self.verdicts.insert(who, Verdict::Accepted);
        }
    }

    /// Forgets what stood against another attempt; what was accepted stays accepted.
    pub fn start_over(&mut self) {
        self.verdicts.retain(|_, verdict| *verdict == Verdict::Accepted);
        self.dotted.clear();
        (self.attempts, self.first, self.next) = (0, None, None);
        (self.paused, self.offline) = (false, false);
    }

    /// What the policy wants to know.
    pub fn history(&self, queued_at: Timestamp) -> History {
        History { attempts: self.attempts, first: self.first, queued_at }
    }

    /// Writes the note.
    pub fn write(&self) -> Vec<u8> {
        let verdict = |verdict: &Verdict| match verdict {
            Verdict::Pending => WrittenVerdict::Pending,
            Verdict::Accepted => WrittenVerdict::Accepted,
            Verdict::Deferred(why) => WrittenVerdict::Deferred(why.as_str().to_owned()),
            Verdict::Refused(why) => WrittenVerdict::Refused(why.as_str().to_owned()),
        };
        let skipped = self.transcript.len().saturating_sub(MAX_LINES);
        let written = Written {
            attempts: self.attempts,
            first: self.first.map(Timestamp::get),
            next: self.next.map(Timestamp::get),
            paused: self.paused,
            offline: self.offline,
            why: self.why.as_str().to_owned(),
            verdicts: self.verdicts.iter().map(|(who, v)| (who.clone(), verdict(v))).collect(),
            dotted: self.dotted.clone(),
            copy: self.copy,
            transcript: self
                .transcript
                .iter()
                .skip(skipped)
                .map(|l| l.as_str().chars().take(MAX_LINE).collect())
                .collect(),
        };
        serde_json::to_vec(&written).unwrap_or_default()
    }

    /// Reads a note.
    ///
    /// # Errors
    /// A note that is there and cannot be read: then nobody knows what was accepted.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, Fault> {
        let written: Written = serde_json::from_slice(bytes).map_err(|error| {
            Fault::new(Doing::Queueing, name, Cause::Damaged)
                .scope(Scope::Message)
                .detail(&format!("its note cannot be read, so it is not known who got it: {error}"))
        })?;
        let verdict = |verdict| match verdict {
            WrittenVerdict::Pending => Verdict::Pending,
            WrittenVerdict::Accepted => Verdict::Accepted,
            WrittenVerdict::Deferred(why) => Verdict::Deferred(Clean::line(&why)),
            WrittenVerdict::Refused(why) => Verdict::Refused(Clean::line(&why)),
        };
        Ok(Self {
            attempts: written.attempts,
            first: written.first.map(Timestamp::new),
            next: written.next.map(Timestamp::new),
            paused: written.paused,
            offline: written.offline,
            why: Clean::line(&written.why),
            verdicts: written.verdicts.into_iter().map(|(who, v)| (who, verdict(v))).collect(),
            dotted: written.dotted,
            copy: written.copy,
            transcript: written.transcript.iter().map(|line| Clean::line(line)).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_comes_back_as_it_was() {
        let note = Note {
            attempts: 3,
            first: Some(Timestamp::new(5)),
            next: Some(Timestamp::new(9)),
            paused: true,
            offline: true,
            why: Clean::line("450 4.2.0 grey"),
            verdicts: BTreeMap::from([
                ("a@x".to_owned(), Verdict::Accepted),
                ("b@x".to_owned(), Verdict::Refused(Clean::line("550 no"))),
                ("c@x".to_owned(), Verdict::Deferred(Clean::line("450 later"))),
                ("d@x".to_owned(), Verdict::Pending),
            ]),
            dotted: vec!["a@x".to_owned()],
            copy: CopyStep::Filed,
            transcript: vec![Clean::line("S: 220 hi")],
        };
        assert_eq!(Note::read("n", &note.write()).unwrap(), note);
        let all: Vec<String> = ["a@x", "b@x", "c@x", "d@x", "e@x"].map(str::to_owned).to_vec();
        assert_eq!(note.open(&all), ["c@x", "d@x", "e@x"]);
        assert!(note.accepted_for_some() && !note.accepted_for_all(&all) && note.accepted_for_all(&all[..1]));
    }

    #[test]
    fn a_damaged_note_is_a_fault_and_not_an_empty_one() {
        for bad in ["", "{}", "{\"attempts\":1", "\0"] {
            assert_eq!(Note::read("n", bad.as_bytes()).unwrap_err().cause, Cause::Damaged);
        }
    }

    #[test]
    fn long_conversations_keep_their_end() {
        let transcript = (0..1000).map(|n| Clean::line(&format!("{n} {}", "x".repeat(1000)))).collect();
        let back = Note::read("n", &Note { transcript, ..Note::default() }.write()).unwrap();
        assert_eq!(back.transcript.len(), MAX_LINES);
        assert!(back.transcript.last().unwrap().as_str().starts_with("999 "));
    }
}
