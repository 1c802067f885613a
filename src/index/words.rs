//! Text to words and patterns to FTS5 expressions. What a reader takes for the same letters is made the same here,
//! in the text and in the question alike, before the tokenizer of SQLite (unicode61) sees it: that knows the accents
//! of Latin letters alone. It takes a run of characters for one word where no blanks part words (Chinese, Japanese,
//! Thai …); such runs are cut into pairs, so that any part of a run is found.

use std::borrow::Cow;

use crate::mail::letters::{self, runs_on};
use crate::query::ast::{Field, Pattern};

/// Text as it goes into the index: `abc中文字` becomes `abc 中文 文字 字`. The last character of a run
/// also stands alone, so that a single character is found wherever it stands.
pub(super) fn for_index(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let text = folded(text);
    if text.chars().any(runs_on) { Cow::Owned(paired(&text)) } else { text }
}

/// Letters as they are compared, and pictures as words.
fn folded(text: &str) -> Cow<'_, str> {
    let text = letters::folded(text);
    if !text.chars().any(is_picture) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_picture(c) {
            out.push_str(&format!(" u{:x} ", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Emoji and signs of currencies.
fn is_picture(c: char) -> bool {
    matches!(c, '\u{20a0}'..='\u{20cf}' | '\u{2600}'..='\u{27bf}' | '\u{1f000}'..='\u{1faff}')
}

/// The beginning that a pattern looks for, where that is one plain word: as it stands in the full text.
pub(super) fn lone_beginning(pattern: &Pattern) -> Option<String> {
    let Pattern::Prefix(text) = pattern else { return None };
    let text = folded(text);
    let text = text.trim_end_matches(|c: char| !c.is_alphanumeric());
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then(|| text.to_ascii_lowercase())
}

/// The columns of the full text that a field is; all of them where none is given.
pub(super) fn columns(field: Field) -> &'static [&'static str] {
    match field {
        Field::Any => &[],
        Field::From => &["sender"],
        Field::To => &["recipients", "cc"],
        Field::Cc => &["cc"],
        Field::Subject => &["subject"],
        Field::Body => &["body"],
        Field::List => &["list"],
        Field::File => &["files"],
    }
}

/// The column of that name.
pub(super) fn column(name: &str) -> Option<&'static str> {
    ["subject", "sender", "recipients", "cc", "body", "files", "list"].into_iter().find(|column| *column == name)
}

/// The term for a word of the full text.
pub(super) fn exactly(word: &str) -> String {
    format!("\"{word}\"")
}

/// The term for all words of the full text that begin so.
pub(super) fn begun(word: &str) -> String {
    format!("\"{word}\" *")
}

/// What finds any of these terms; `None`: there are none.
pub(super) fn one_of(field: Field, terms: &[String]) -> Option<String> {
    (!terms.is_empty()).then(|| format!("{}({})", within(field), terms.join(" OR ")))
}

/// The columns, as an expression names them.
fn within(field: Field) -> String {
    match columns(field) {
        [] => String::new(),
        [one] => format!("{one} : "),
        many => format!("{{{}}} : ", many.join(" ")),
    }
}

/// A pattern as an FTS5 expression; `None` where there is nothing in it that could be found, such as
/// a lone dash.
///
/// `known` are terms that are looked for instead, one by one: the words that begin so, or the forms of a word.
pub(super) fn expression(field: Field, pattern: &Pattern, known: &[String]) -> Option<String> {
    let (text, mut prefix) = match pattern {
        Pattern::Word(text) | Pattern::Phrase(text) => (text, false),
        Pattern::Prefix(text) => (text, true),
        Pattern::Forms(forms) => (&forms.word, false),
    };
    let text = folded(text);
    if !text.chars().any(char::is_alphanumeric) {
        return None;
    }
    if let Some(known) = one_of(field, known) {
        return Some(known);
    }
    let text = text.trim_end_matches(|c: char| !c.is_alphanumeric());
    let mut words = for_index(text).into_owned();
    if let Some(run) = last_run(text) {
        // In the text more of the run may follow: the character that stands alone at its end does
        // not have to.
        if run > 1 {
            let alone = words.trim_end().char_indices().next_back().map_or(0, |(at, _)| at);
            words.truncate(alone);
        } else {
            prefix = true;
        }
    }
    let star = if prefix { " *" } else { "" };
    Some(format!("{}\"{}\"{star}", within(field), words.trim().replace(['"', '\0'], " ")))
}

/// How long the run is that `text` ends with.
fn last_run(text: &str) -> Option<usize> {
    let run = text.chars().rev().take_while(|c| runs_on(*c)).count();
    (run > 0).then_some(run)
}

fn paired(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut before: Option<char> = None;
    for c in text.chars() {
        match (before, runs_on(c)) {
            (Some(first), true) => {
                out.extend([first, c, ' ']);
                before = Some(c);
            }
            (None, true) => {
                out.push(' ');
                before = Some(c);
            }
            (Some(last), false) => {
                out.extend([last, ' ', c]);
                before = None;
            }
            (None, false) => out.push(c),
        }
    }
    out.extend(before);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_cut_into_pairs() {
        let table = [
            ("plain", "plain"),
            ("Straße", "strasse"),
            ("Łukasz Sørensen", "lukasz sorensen"),
            ("e\u{301}te\u{301}", "ete"),
            ("ＡＢＣ ﬁn", "abc fin"),
            ("Ελλάδα", "ελλαδα"),
            ("ไทย", " ไท ทย ย"),
            ("bud\u{ad}get", "budget"),
            ("party🎉", "party u1f389 "),
            ("ﾆﾎﾝ", " ニホ ホン ン"),
            ("日", " 日"),
            ("日本", " 日本 本"),
            ("abc日本語def", "abc 日本 本語 語 def"),
            ("안녕 하", " 안녕 녕   하"),
        ];
        for (text, cut) in table {
            assert_eq!(for_index(text), cut, "{text}");
        }
    }

    #[test]
    fn patterns_become_expressions() {
        let word = |text: &str| expression(Field::Any, &Pattern::Word(text.into()), &[]);
        assert_eq!(word("a\"b").as_deref(), Some("\"a b\""));
        assert_eq!(word("日本語").as_deref(), Some("\"日本 本語\""));
        assert_eq!(word("日").as_deref(), Some("\"日\" *"));
        assert_eq!(word("x日本!").as_deref(), Some("\"x 日本\""));
        assert_eq!(word("--"), None);
        assert_eq!(word("🎉").as_deref(), Some("\"u1f389\""));
        let gra = Pattern::Prefix("gra".into());
        assert_eq!(expression(Field::To, &gra, &[]).as_deref(), Some("{recipients cc} : \"gra\" *"));
        let known = ["grace", "gray"].map(exactly);
        let to = expression(Field::To, &gra, &known);
        assert_eq!(to.as_deref(), Some("{recipients cc} : (\"grace\" OR \"gray\")"));
    }

    #[test]
    fn a_beginning_is_listed_where_it_is_one_plain_word() {
        let lone = |text: &str| lone_beginning(&Pattern::Prefix(text.into()));
        assert_eq!(lone("Budg").as_deref(), Some("budg"));
        assert_eq!(lone("straß").as_deref(), Some("strass"), "as it is written in the full text");
        assert_eq!(lone("q3.").as_deref(), Some("q3"));
        assert_eq!(lone("über").as_deref(), Some("uber"));
        for other in ["", "-", "new yo", "жук", "日", "a-b"] {
            assert_eq!(lone(other), None, "{other}");
        }
        assert_eq!(lone_beginning(&Pattern::Word("budg".into())), None);
    }
}
