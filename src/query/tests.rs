//! Tests of the search language: tables of what is read and refused, and print∘parse = id.

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::ast::{Field, Pattern, State};
use super::forms::{Forms, Language};
use super::*;
use crate::mail::ids::{ThreadId, Timestamp};

/// Friday, 21 November 2025, 10:00 UTC.
const NOW: i64 = 1_763_719_200;

fn read(text: &str) -> Query {
    parse(text, Timestamp::new(NOW), &TimeZone::UTC).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn word(text: &str) -> Query {
    Query::Text { field: Field::Any, pattern: Pattern::Word(text.to_owned()) }
}

fn forms(word: &str, code: &str) -> Pattern {
    let language = if code.is_empty() { Language::default() } else { Language::of(code).unwrap() };
    Pattern::Forms(Forms { word: word.to_owned(), language })
}

#[test]
fn examples_can_be_read() {
    for example in EXAMPLES {
        read(example);
    }
}

#[test]
fn every_term_means_what_it_says() {
    let text = |field, pattern| Query::Text { field, pattern };
    let table = [
        ("", Query::And(vec![])),
        ("budget", word("budget")),
        ("bud*", text(Field::Any, Pattern::Prefix("bud".into()))),
        ("budgets~", text(Field::Any, forms("budgets", ""))),
        ("subject:läufe~de", text(Field::Subject, forms("läufe", "de"))),
        ("a~b", text(Field::Any, Pattern::Word("a~b".into()))),
        ("\"purple \\\"budget\"", text(Field::Any, Pattern::Phrase("purple \"budget".into()))),
        ("from:ada", text(Field::From, Pattern::Word("ada".into()))),
        ("FROM:a*", text(Field::From, Pattern::Prefix("a".into()))),
        ("to:and", text(Field::To, Pattern::Word("and".into()))),
        ("subject:\"q3 numbers\"", text(Field::Subject, Pattern::Phrase("q3 numbers".into()))),
        ("has:attachment", Query::HasAttachment),
        ("is:answered", Query::Is(State::Replied)),
        ("in:\"Sent Items\"", Query::In("Sent Items".into())),
        ("larger:3M", Query::Larger(3 << 20)),
        ("smaller:20kb", Query::Smaller(20 << 10)),
        ("id:<a@b>", Query::Id("a@b".into())),
        ("12:30", word("12:30")),
        ("XOR", text(Field::Any, Pattern::Phrase("XOR".into()))),
        ("near budget", Query::And(vec![word("near"), word("budget")])),
        ("subject:\"/usr/lib/\"", text(Field::Subject, Pattern::Phrase("/usr/lib/".into()))),
        ("subject:/usr/lib", text(Field::Subject, Pattern::Word("/usr/lib".into()))),
        ("/usr/lib/", word("/usr/lib/")),
        ("tag:\"to*\"", Query::Tag("to*".into())),
        ("in:\"snoozed\"", Query::In("snoozed".into())),
        ("a b", Query::And(vec![word("a"), word("b")])),
        ("a and b or c", Query::Or(vec![Query::And(vec![word("a"), word("b")]), word("c")])),
        ("not a -b", Query::And(vec![Query::Not(Box::new(word("a"))), Query::Not(Box::new(word("b")))])),
        ("-(a OR b)", Query::Not(Box::new(Query::Or(vec![word("a"), word("b")])))),
        ("a - b", Query::And(vec![word("a"), word("b")])),
        ("tag:todo", Query::Tag("todo".into())),
        ("tag:\"unread\"", Query::Tag("unread".into())),
        ("in:lists/**", Query::In("lists/**".into())),
        ("thread:4d2", Query::Thread(ThreadId(0x4d2))),
        ("thread:{a or b}", Query::Together(Box::new(Query::Or(vec![word("a"), word("b")])))),
        ("-thread:{}", Query::Not(Box::new(Query::Together(Box::new(Query::everything()))))),
        ("https://example.org/a", word("https://example.org/a")),
        ("{a -b}", Query::Or(vec![word("a"), Query::Not(Box::new(word("b")))])),
        ("a {b}", Query::And(vec![word("a"), word("b")])),
        (
            "cc:(x y*)",
            Query::And(vec![text(Field::Cc, Pattern::Word("x".into())), text(Field::Cc, Pattern::Prefix("y".into()))]),
        ),
    ];
    for (written, meant) in table {
        assert_eq!(read(written), meant, "{written}");
        assert_eq!(read(&print(&meant)), meant, "{written}");
    }
}

#[test]
fn dates_are_days_of_the_zone() {
    let span = |text: &str| match read(text) {
        Query::Date { from, until } => {
            let day = |at: Option<Timestamp>| at.map_or(String::new(), |at| date::moment(at).replace("T00:00:00Z", ""));
            format!("{}..{}", day(from), day(until))
        }
        other => panic!("{other:?}"),
    };
    let table = [
        ("date:2025", "2025-01-01..2026-01-01"),
        ("date:2024-02", "2024-02-01..2024-03-01"),
        ("date:2025-11-03", "2025-11-03..2025-11-04"),
        ("d:today", "2025-11-21..2025-11-22"),
        ("date:yesterday", "2025-11-20..2025-11-21"),
        ("date:last week", "2025-11-10..2025-11-17"),
        ("date:\"this week\"", "2025-11-17..2025-11-24"),
        ("date:last-month", "2025-10-01..2025-11-01"),
        ("date:3d..", "2025-11-18.."),
        ("date:2w", "2025-11-07..2025-11-08"),
        ("date:..2024", "..2025-01-01"),
        ("date:2024-05..yesterday", "2024-05-01..2025-11-21"),
        ("date:2h..", "2025-11-21T08:00:00Z.."),
        ("date:2-weeks-ago..", "2025-11-07.."),
        ("date:november", "2025-11-01..2025-12-01"),
        ("date:dec", "2024-12-01..2025-01-01"),
        ("date:feb-2024", "2024-02-01..2024-03-01"),
        ("date:friday", "2025-11-21..2025-11-22"),
        ("date:saturday", "2025-11-15..2025-11-16"),
        ("date:2025/11/03", "2025-11-03..2025-11-04"),
        ("date:@1763719200..", "2025-11-21T10:00:00Z.."),
        ("date:2025-11-03T09:30..", "2025-11-03T09:30:00Z.."),
        ("after:2024/04/16", "2024-04-16.."),
        ("after:04/16/2024", "2024-04-16.."),
        ("before:2024-04-16", "..2024-04-16"),
        ("before:last week", "..2025-11-10"),
        ("after:1763719200", "2025-11-21T10:00:00Z.."),
        ("older_than:2d", "..2025-11-19"),
        ("newer_than:1y", "2024-11-21.."),
        ("date:..", ".."),
        ("date:2025-11-03T09:30", "2025-11-03T09:30:00Z..2025-11-03T09:31:00Z"),
        ("date:2h", "2025-11-21T08:00:00Z..2025-11-21T08:01:00Z"),
    ];
    for (written, meant) in table {
        assert_eq!(span(written), meant, "{written}");
    }
    let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let query = parse("date:2025-07-01", Timestamp::new(NOW), &berlin).unwrap();
    assert_eq!(print(&query), "date:2025-06-30T22:00:00Z..2025-07-01T22:00:00Z");
}

#[test]
fn errors_point_at_the_column() {
    let table = [
        ("foo fro:ada", 5, "a field"),
        ("a from:", 8, "a word after `from:`"),
        ("(a b", 1, "a closing parenthesis"),
        ("a b)", 4, "an opening parenthesis"),
        ("a \"b c", 3, "a closing quote"),
        ("x \"\"", 3, "words between"),
        ("a and", 6, "a word after `and`"),
        ("and a", 1, "a word before `and`"),
        ("a or ", 3, "a word on both sides"),
        ("ä is:odd", 6, "unread, read"),
        ("larger:many", 8, "a size"),
        ("larger:99999999999G", 8, "a size"),
        ("date:soon", 6, "a date"),
        ("date:2025..2023", 6, "the earlier"),
        ("date:2025-13", 6, "a date"),
        ("from:*", 6, "letters before"),
        ("older_than:2024", 12, "an age"),
        ("thread:{from:ada", 8, "a closing brace for this one"),
        ("thread:{from:ada)", 8, "a closing brace for this one"),
        ("thread:\"{from:ada\"", 9, "a closing brace for this one"),
        ("thread:\"{x from:}\"", 17, "a word after `from:`"),
        ("thread:xyz", 8, "the number of a conversation"),
        ("{a (b}", 4, "a closing parenthesis"),
        ("{a b", 1, "a closing brace"),
        ("{a and b}", 4, "parentheses around"),
        ("a }", 3, "an opening brace"),
        ("has:image", 5, "`attachment`"),
        ("not", 1, "a word after `not`"),
        ("x from:/ada.*/", 8, "no `/` around it"),
        ("subject:/a(b|c)/", 9, "no `/` around it"),
        ("folder:/^lists/", 8, "no `/` around it"),
        ("tag:to*", 5, "a whole tag"),
        ("label:to*", 7, "a whole tag"),
        ("purple NEAR budget", 8, "`and`, `or` or `not`"),
        ("purple ADJ/3 budget", 8, "`and`, `or` or `not`"),
        ("(purple AROUND 5 budget)", 9, "`and`, `or` or `not`"),
        ("purple XOR budget", 8, "`and`, `or` or `not`"),
        ("is:sleepy", 4, "unread, read, starred, replied, forwarded, draft, sent, snoozed, waiting or muted"),
    ];
    for (written, column, expected) in table {
        let error = parse(written, Timestamp::new(NOW), &TimeZone::UTC).expect_err(written);
        assert_eq!(error.column, column, "{written}: {error}");
        assert!(error.expected.starts_with(expected), "{written}: {error}");
    }
    let deep = format!("{}a{}", "(".repeat(2000), ")".repeat(2000));
    assert!(parse(&deep, Timestamp::new(NOW), &TimeZone::UTC).is_err());
    assert!(parse(&"-".repeat(2000), Timestamp::new(NOW), &TimeZone::UTC).is_err());
    assert!(parse(&"a ".repeat(2000), Timestamp::new(NOW), &TimeZone::UTC).is_err());
    assert!(parse(&"{".repeat(2000), Timestamp::new(NOW), &TimeZone::UTC).is_err());
}

/// What others write on the left, our own words for it on the right.
#[test]
fn other_spellings_mean_the_same() {
    let table = [
        // notmuch
        ("*", ""),
        ("tag:unread", "is:unread"),
        ("tag:flagged and not tag:replied", "is:starred -is:replied"),
        ("tag:attachment", "has:attachment"),
        ("tag:inbox", "in:inbox"),
        ("tag:passed", "is:forwarded"),
        ("folder:lists/rust", "in:lists/rust"),
        ("path:lists/rust/cur", "in:lists/rust"),
        ("path:lists/**", "in:lists/**"),
        ("path:**", "*"),
        ("subject:\"purple budget\"", "subject:\"purple budget\""),
        ("attachment:report.pdf", "file:report.pdf"),
        ("mid:a@b", "id:a@b"),
        ("thread:00000000000004d2", "thread:4d2"),
        ("conversation:{ from:ada budget }", "thread:{from:ada budget}"),
        ("from:(ada thread:{grace})", "from:ada thread:{grace}"),
        ("thread:\"{from:ada \\\"a b\\\"}\" x", "thread:{from:ada \"a b\"} x"),
        ("date:2024..2025", "date:2024-01-01..2025-12-31"),
        ("date:yesterday..today", "date:1d..0d"),
        ("from:ada AND (to:grace OR cc:lin)", "from:ada (to:grace or cc:lin)"),
        // Gmail
        ("label:todo", "tag:todo or in:todo"),
        ("label:inbox", "in:inbox"),
        ("label:\"a-b\"", "tag:a-b or in:a-b"),
        ("label:a-b", "tag:a-b or in:a-b or tag:\"a b\" or in:\"a b\" or tag:a/b or in:a/b"),
        ("label:starred", "is:starred"),
        ("in:anywhere budget", "* budget"),
        ("in:spam", "in:spam"),
        ("in:snoozed", "is:snoozed"),
        ("is:important", "tag:important"),
        ("is:read", "is:read"),
        ("filename:pdf", "file:pdf"),
        ("larger:10M", "larger:10485760"),
        ("size:1000", "larger:1000"),
        ("{from:ada from:grace}", "from:ada or from:grace"),
        ("from:{ada grace}", "from:(ada or grace)"),
        ("subject:(dinner movie)", "subject:dinner subject:movie"),
        ("after:2024/04/16 before:2024/04/18", "date:2024-04-16.. date:..2024-04-17"),
        ("older_than:1y", "before:1y"),
        ("newer_than:2d", "date:2d.."),
        ("rfc822msgid:<200503292@example.com>", "id:200503292@example.com"),
        ("deliveredto:ada@example.org", "to:ada@example.org"),
    ];
    for (theirs, ours) in table {
        assert_eq!(read(theirs), read(ours), "{theirs}");
        let printed = print(&read(theirs));
        assert_eq!(read(&printed), read(theirs), "{theirs} printed as {printed}");
    }
}

#[test]
fn a_query_that_is_being_typed_ends_with_the_beginning_of_a_word() {
    let typed = |text: &str| parse_typed(text, Timestamp::new(NOW), &TimeZone::UTC).unwrap();
    let table = [
        ("pur", "pur*"),
        ("p", "p"),
        ("purple b", "purple b"),
        ("purple bu", "purple bu*"),
        ("purple budget ", "purple budget"),
        ("from:ad", "from:ad*"),
        ("(purple bu", "("),
        ("bu or", "bu"),
        ("\"purple bu\"", "\"purple bu\""),
        ("in:inb", "in:inb"),
        ("re-", "re-"),
    ];
    for (text, meant) in table {
        match parse(meant, Timestamp::new(NOW), &TimeZone::UTC) {
            Ok(meant) if !text.ends_with("or") => assert_eq!(typed(text), meant, "{text}"),
            _ => assert!(parse_typed(text, Timestamp::new(NOW), &TimeZone::UTC).is_err(), "{text}"),
        }
    }
}

fn pattern() -> impl Strategy<Value = Pattern> {
    prop_oneof![
        "[a-zä中.@+:/_]{1,6}"
            .prop_filter("it can stand without quotes", |w| spelling::is_bare(w) && spelling::is_bare_value(w))
            .prop_map(Pattern::Word),
        "[a-z]{1,6}".prop_map(Pattern::Prefix),
        ("[a-z]{1,6}", prop_oneof![Just(""), Just("de"), Just("fr")]).prop_map(|(word, code)| forms(&word, code)),
        "[a-z\"\\\\*:(){} -]{0,8}x".prop_map(Pattern::Phrase),
    ]
}

fn queries() -> impl Strategy<Value = Query> {
    let field = prop_oneof![
        Just(Field::Any),
        Just(Field::From),
        Just(Field::To),
        Just(Field::Cc),
        Just(Field::Subject),
        Just(Field::Body),
        Just(Field::List),
        Just(Field::File),
    ];
    let at = proptest::option::of((0i64..4_000_000_000).prop_map(Timestamp::new));
    let leaf = prop_oneof![
        4 => (field, pattern()).prop_map(|(field, pattern)| Query::Text { field, pattern }),
        1 => Just(Query::HasAttachment),
        1 => (0..7usize).prop_map(|n| Query::Is(terms::STATES[n].1)),
        1 => "[a-z /*\"{]{0,6}x".prop_map(Query::In),
        1 => prop_oneof![Just("unread".to_owned()), Just("anywhere".to_owned()), "[a-zA-Z /*\"(é]{0,6}x"].prop_map(Query::Tag),
        1 => Just(Query::In("anywhere".to_owned())),
        1 => Just(Query::everything()),
        1 => any::<i64>().prop_map(|id| Query::Thread(ThreadId(id))),
        1 => "[a-z ]{0,6}x".prop_map(Query::Account),
        1 => (0..i64::MAX.unsigned_abs()).prop_map(Query::Larger),
        1 => (0..5000u64).prop_map(Query::Smaller),
        1 => (at.clone(), at)
            .prop_filter("in order", |(from, until)| from.is_none() || until.is_none() || from <= until)
            .prop_map(|(from, until)| Query::Date { from, until }),
        1 => "[a-z.@]{1,9}".prop_map(Query::Id),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Query::And),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Query::Or),
            inner.clone().prop_map(|query| Query::Not(Box::new(query))),
            inner.prop_map(|query| Query::Together(Box::new(query))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_as_the_same_query(query in queries()) {
        let printed = print(&query);
        prop_assert_eq!(parse(&printed, Timestamp::new(NOW), &TimeZone::UTC), Ok(query), "{}", printed);
    }

    #[test]
    fn any_text_is_a_query_or_an_error_within_it(text in "[-a-c\"()*:\\\\ .]{0,24}|(from:|date:|is:|tag:|label:|in:|after:|NEAR |XOR|/x/|not |or |and |[(]|[)]|[{]|[}]|x |\\PC){0,9}") {
        match parse(&text, Timestamp::new(NOW), &TimeZone::UTC) {
            Ok(query) => {
                let printed = print(&query);
                prop_assert_eq!(parse(&printed, Timestamp::new(NOW), &TimeZone::UTC), Ok(query), "{}", printed);
            }
            Err(error) => prop_assert!(error.column <= text.chars().count() + 1),
        }
    }
}
