//! News of all mailboxes on one connection (NOTIFY, RFC 5465). IDLE alone tells of the mailbox that is
//! selected; where the server takes it, what comes, goes and changes in any of the user's mailboxes ends
//! the wait. Where it does not, the wait is for the one mailbox, as ever.

use crate::fault::{Doing, Fault};
use crate::remote::imap::limits::Limits;
use crate::remote::imap::replies::{Answer, Code, Kind, Status};
use crate::remote::imap::session::Session;

/// What is wanted, the most first: not every server tells everything (BADEVENT).
const WISHES: [&str; 2] = [
    "NOTIFY SET (selected (MessageNew MessageExpunge FlagChange)) \
     (personal (MessageNew MessageExpunge FlagChange MailboxName))",
    "NOTIFY SET (selected (MessageNew MessageExpunge FlagChange)) (personal (MessageNew MessageExpunge))",
];

/// What this untagged response is to one who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::remote::imap) enum News {
    /// None.
    None,
    /// Something changed.
    Some,
    /// There was more than the server cares to tell, and it tells nothing any more (RFC 5465 §5.8).
    Overflow,
}

/// What an untagged response is to one who waits.
pub(in crate::remote::imap) fn news(kind: &Kind) -> News {
    match kind {
        Kind::Exists(_) | Kind::Expunge | Kind::Vanished(_) | Kind::Fetch | Kind::MailboxStatus | Kind::List => {
            News::Some
        }
        Kind::Status(Status { code: Some(Code::Other(name)), .. }) if name == "NOTIFICATIONOVERFLOW" => News::Overflow,
        _ => News::None,
    }
}

impl Session {
    /// Asks once to be told of all mailboxes.
    pub(in crate::remote::imap) fn ask_for_news(&mut self) -> Result<(), Fault> {
        if self.hears_all || !self.capabilities.notify() {
            return Ok(());
        }
        for wish in WISHES {
            let told = self.converse(Doing::Watching, &[wish.to_owned()], Limits::USUAL, |_, _, _| ())?;
            match told.statuses.first().map(|status| status.answer) {
                Some(Answer::Ok) => {
                    self.hears_all = true;
                    return Ok(());
                }
                Some(Answer::No) => {}
                _ => break,
            }
        }
        tracing::info!("{}: it tells no news of all mailboxes, only of the one that is watched", self.host);
        self.capabilities.forget(&["NOTIFY"]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::imap::replies::{self, kind};
    use crate::remote::imap::tokens::Response;
    use proptest::prelude::*;

    #[test]
    fn what_is_news() {
        let table = [
            ("* 3 EXISTS", News::Some),
            ("* VANISHED 4", News::Some),
            ("* STATUS Lists/rust (UIDNEXT 5 MESSAGES 4)", News::Some),
            ("* LIST () \"/\" new", News::Some),
            ("* OK [NOTIFICATIONOVERFLOW] too much", News::Overflow),
            ("* OK still here", News::None),
            ("* BYE", News::None),
        ];
        for (line, expected) in table {
            assert_eq!(news(&kind(&Response::of(line))), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_news_or_none(bytes: Vec<u8>, word in "(STATUS|LIST|OK \\[NOTIFICATIONOVERFLOW\\]|OK \\[BADEVENT|[0-9]{1,5} [A-Z]{0,7}|VANISHED)") {
            for line in [[b"* ".as_slice(), &bytes].concat(), [format!("* {word}").as_bytes(), &bytes].concat()] {
                let kind = replies::kind(&Response::of(&line));
                if news(&kind) == News::Overflow {
                    prop_assert!(String::from_utf8_lossy(&line).to_ascii_uppercase().contains("[NOTIFICATIONOVERFLOW"));
                }
            }
        }
    }
}
