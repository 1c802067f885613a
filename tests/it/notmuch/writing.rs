//! New mail and what becomes of it: the database follows, as `notmuch new` would.

use std::fs;

use super::world::{Home, message};

fn put(home: &Home, below: &str, number: usize) -> std::path::PathBuf {
    home.put(below, &message(number, "grace@example.net", &format!("title {number}"), "words"))
}

/// A home whose mail is all taken in.
fn settled(settings: &str) -> Home {
    let home = Home::new(settings);
    for n in 0..5 {
        put(&home, &format!("ada/INBOX/cur/100{n}.x:2,S"), n);
    }
    home.notmuch_new();
    home.succeed(&["index", "--quiet"]);
    home
}

#[test]
fn new_mail_is_there_without_notmuch_new_with_the_tags_of_new_mail() {
    let home = settled("[new]\ntags=unread;inbox;fresh\nignore=.mbsyncstate;junk;/^bob\\/INBOX\\/cur\\/9/\n");
    put(&home, "ada/INBOX/new/2000.y", 10);
    put(&home, "ada/Archive/cur/2001.y:2,S", 11);
    put(&home, "ada/junk/new/2002.y", 12);
    put(&home, "bob/INBOX/cur/9000.y:2,", 13);
    put(&home, "bob/INBOX/cur/8000.y:2,", 14);
    let other = home.put("bob/INBOX/new/2003.y", "this is no mail at all\n");
    home.succeed(&["index", "--quiet"]);
    assert_eq!(home.notmuch(&["count", "*"]).trim(), "8");
    assert_eq!(home.tags_there(10), ["fresh", "inbox", "unread"]);
    assert_eq!(home.tags_there(11), ["fresh", "inbox"]);
    assert_eq!(home.tags("INBOX", "title 10"), ["fresh", "inbox"]);
    assert!(home.tags_there(12).is_empty() && home.tags_there(13).is_empty());
    assert_eq!(home.tags_there(14), ["fresh", "inbox", "unread"]);
    // It would be looked at each time.
    fs::remove_file(other).unwrap();
    home.assert_nothing_new();
}

#[test]
fn files_that_are_renamed_moved_and_removed_are_followed_and_keep_their_tags() {
    let home = settled("");
    home.notmuch(&["tag", "+keep", "--", "*"]);
    let at = |below: &str| home.path("mail/ada").join(below);
    fs::rename(at("INBOX/cur/1000.x:2,S"), at("INBOX/cur/1000.x:2,FRS")).unwrap();
    fs::rename(at("INBOX/cur/1001.x:2,S"), at("Archive/cur/1001.x:2,S")).unwrap();
    fs::remove_file(at("INBOX/cur/1002.x:2,S")).unwrap();
    fs::copy(at("INBOX/cur/1003.x:2,S"), at("Archive/cur/3003.x:2,S")).unwrap();
    home.succeed(&["index", "--quiet"]);
    assert_eq!(home.notmuch(&["count", "*"]).trim(), "4");
    assert_eq!(home.notmuch(&["count", "--output=files", "*"]).trim(), "5");
    assert_eq!(home.tags_there(0), ["flagged", "inbox", "keep", "replied"]);
    assert_eq!(home.tags_there(1), ["inbox", "keep"]);
    assert_eq!(home.tags("Archive", "title 1"), ["inbox", "keep"]);
    home.assert_nothing_new();
    // A folder as a whole, with all that is in it.
    fs::rename(at("Archive"), at("Old")).unwrap();
    home.succeed(&["index", "--quiet"]);
    assert_eq!(home.tags_there(1), ["inbox", "keep"]);
    home.assert_nothing_new();
    fs::remove_dir_all(at("Old")).unwrap();
    home.succeed(&["index", "--quiet"]);
    assert_eq!(home.notmuch(&["count", "*"]).trim(), "3");
    home.assert_nothing_new();
}

#[test]
fn what_another_program_took_in_first_has_its_tags_here() {
    let home = settled("");
    put(&home, "ada/INBOX/cur/4000.x:2,S", 20);
    home.notmuch_new();
    home.notmuch(&["tag", "+hook", "--", "subject:\"title 20\""]);
    home.succeed(&["tag", "+own", "--", "subject:\"title 1\""]);
    assert_eq!(home.tags("INBOX", "title 20"), ["hook", "inbox"]);
    home.assert_nothing_new();
}

#[test]
fn a_database_that_did_not_hear_of_tern_for_a_while_catches_up() {
    let home = settled("");
    let config = fs::read_to_string(home.path("config/tern/config.toml")).unwrap();
    home.configure(&config.replace("engine = \"notmuch\"", "engine = \"own\""));
    put(&home, "ada/INBOX/cur/5000.x:2,S", 30);
    fs::remove_file(home.path("mail/ada/INBOX/cur/1000.x:2,S")).unwrap();
    home.succeed(&["index", "--quiet"]);
    assert_eq!(home.notmuch(&["count", "*"]).trim(), "5");
    home.configure(&config);
    home.succeed(&["index", "--quiet"]);
    assert_eq!(home.notmuch(&["count", "*"]).trim(), "5");
    assert_eq!(home.tags_there(30), ["inbox"]);
    home.assert_nothing_new();
}
