//! Gmail's labels on the wire (X-GM-EXT-1, <https://developers.google.com/gmail/imap/imap-extensions>):
//! X-GM-LABELS in FETCH, and STORE of it. Labels of the provider's own are words with a backslash, with
//! quotes or without; all others are mailbox names in modified UTF-7.

use crate::mail::ids::Uid;
use crate::mail::labels::{Label, Labels};
use crate::mail::mailbox::{from_modified_utf7, to_modified_utf7};
use crate::remote::imap::push::AT_ONCE;
use crate::remote::imap::session::{Session, quote, sets};
use crate::remote::imap::tokens::{Malformed, Tokens};

/// The longest list of labels in one command, in bytes: with the set of UIDs it fits a line.
const LIST_BYTES: usize = 1000;

/// Are the labels of messages asked for along with their flags?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::remote::imap) enum Labelling {
    /// They are not.
    Unasked,
    /// They are.
    Asked,
}

impl Labelling {
    /// What a listing asks of each message.
    pub(in crate::remote::imap) fn items(self) -> &'static str {
        match self {
            Self::Unasked => "UID FLAGS",
            Self::Asked => "UID FLAGS X-GM-LABELS",
        }
    }
}

impl Session {
    /// From now on labels are asked for, if the server knows any. What SELECT tells by itself (QRESYNC) has
    /// none, so that is not used then.
    pub(in crate::remote::imap) fn tell_labels(&mut self) {
        if self.capabilities.labels() {
            self.labelling = Labelling::Asked;
            self.capabilities.forget(&["QRESYNC"]);
        }
    }
}

/// Reads a list of labels. What is no modified UTF-7 is taken as it is written; labels that mean nothing
/// here are passed over.
pub(in crate::remote::imap) fn read(tokens: &mut Tokens<'_>) -> Result<Labels, Malformed> {
    let words = tokens.strings()?;
    let label = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).ok()?;
        let decoded = if text.is_ascii() { from_modified_utf7(text) } else { None };
        Label::read(decoded.as_deref().unwrap_or(text))
    };
    Ok(words.iter().filter_map(|word| label(word)).collect())
}

/// The commands that give (`+`) or take away (`-`) labels, each line short enough for any server.
pub(in crate::remote::imap) fn stores(uids: &[Uid], sign: char, labels: &Labels) -> Vec<String> {
    let mut lists: Vec<String> = Vec::new();
    for label in labels {
        let word = match (label.word(), label) {
            (Some(own), _) => own.to_owned(),
            (None, Label::Named(name)) => quote(&to_modified_utf7(name.as_str())),
            (None, _) => continue,
        };
        match lists.last_mut().filter(|list| list.len() + word.len() < LIST_BYTES) {
            Some(list) => {
                list.push(' ');
                list.push_str(&word);
            }
            None => lists.push(word),
        }
    }
    let sets = sets(uids, AT_ONCE);
    let command = |list: &String| {
        let line = |(set, _): &(String, Vec<Uid>)| format!("UID STORE {set} {sign}X-GM-LABELS ({list})");
        sets.iter().map(line).collect::<Vec<_>>()
    };
    lists.iter().flat_map(command).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::mailbox::MailboxName;
    use crate::remote::imap::replies::{self, Extent};
    use crate::remote::imap::tokens::{Held, Response};
    use proptest::prelude::*;

    fn named(name: &str) -> Label {
        Label::Named(MailboxName::new(name).unwrap())
    }

    fn labels(line: &str) -> Option<Labels> {
        replies::fetch(&Response::of(line), Extent::Whole).unwrap().labels.map(|labels| *labels)
    }

    #[test]
    fn labels_are_read_as_they_are_documented_and_as_they_are_sent() {
        let table: [(&str, Option<Vec<Label>>); 7] = [
            // The reply of the documentation, where `Important` has no backslash and is a name.
            (
                "(X-GM-LABELS (\\Inbox \\Sent Important \"Muy Importante\") UID 1)",
                Some(vec![Label::Inbox, Label::Sent, named("Important"), named("Muy Importante")]),
            ),
            // What is really sent.
            ("(X-GM-LABELS (\"\\\\Inbox\" \"\\\\Starred\") UID 1)", Some(vec![Label::Inbox, Label::Starred])),
            ("(UID 1 X-GM-LABELS ())", Some(vec![])),
            ("(UID 1 X-GM-LABELS NIL)", Some(vec![])),
            ("(UID 1 X-GM-LABELS (\"Gr&APwA3w-e/R&-D\" foo))", Some(vec![named("Grüße/R&D"), named("foo")])),
            ("(UID 1 X-GM-LABELS (\"say \\\"a\\\\b\\\"\" \\Muted))", Some(vec![named("say \"a\\b\"")])),
            ("(UID 1 FLAGS ())", None),
        ];
        for (items, expected) in table {
            let found = labels(&format!("* 1 FETCH {items}"));
            assert_eq!(found, expected.map(|labels| labels.into_iter().collect()), "{items}");
        }
        let mut literal = Response::of("* 1 FETCH (X-GM-LABELS ({3}");
        literal.literal(Held::Bytes(b"a)b".to_vec()));
        literal.text.extend(b") UID 1)");
        let item = replies::fetch(&literal, Extent::Whole).unwrap();
        assert_eq!(
            (item.labels.map(|labels| *labels), item.uid),
            (Some([named("a)b")].into_iter().collect()), Uid::new(1))
        );
    }

    #[test]
    fn labels_are_written_so_that_they_are_read_the_same() {
        let uids: Vec<Uid> = [1, 2, 3].into_iter().filter_map(Uid::new).collect();
        let set: Labels = [Label::Inbox, named("say \"a\\b\""), named("Grüße/R&D")].into_iter().collect();
        let commands = stores(&uids, '-', &set);
        assert_eq!(commands, ["UID STORE 1:3 -X-GM-LABELS (\\Inbox \"Gr&APwA3w-e/R&-D\" \"say \\\"a\\\\b\\\"\")"]);
        assert!(stores(&uids, '+', &Labels::none()).is_empty() && stores(&[], '+', &set).is_empty());
        let many: Labels = (0..100).map(|n| named(&format!("{n:0>100}"))).collect();
        let commands = stores(&uids, '+', &many);
        assert!(commands.len() > 9 && commands.iter().all(|command| command.len() < 2 * LIST_BYTES));
    }

    proptest! {
        #[test]
        fn any_label_comes_back(names in prop::collection::btree_set("[^\\p{Cc}\\\\][^\\p{Cc}]{0,20}", 1..5)) {
            let set: Labels = names.iter().filter_map(|name| Label::read(name)).collect();
            for command in stores(&[Uid::MIN], '+', &set) {
                let list = command.split_once("LABELS ").unwrap().1;
                prop_assert_eq!(labels(&format!("* 1 FETCH (X-GM-LABELS {list})")), Some(set.clone()));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let mut line = b"* 1 FETCH (X-GM-LABELS ".to_vec();
            line.extend(bytes);
            let _ = replies::fetch(&Response::of(line), Extent::Whole);
        }
    }
}
