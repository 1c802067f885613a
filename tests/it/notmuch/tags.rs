//! Tags both ways.

use super::world::{Home, message};

fn three(settings: &str) -> Home {
    let home = Home::new(settings);
    for (n, title) in ["one", "two", "three"].into_iter().enumerate() {
        home.put(&format!("ada/INBOX/cur/100{n}.x:2,S"), &message(n, "grace@example.net", title, "words"));
    }
    home.notmuch_new();
    home.notmuch(&["tag", "-inbox", "--", "*"]);
    home
}

#[test]
fn what_others_tag_is_shown_and_what_is_tagged_here_is_there() {
    let home = three("");
    home.notmuch(&["tag", "+work", "+für später", "--", "subject:one"]);
    assert_eq!(home.tags("INBOX", "one"), ["f&APw-r_sp&AOQ-ter", "work"]);
    home.succeed(&["tag", "+later", "+work", "--", "subject:two"]);
    assert_eq!(home.tags_there(1), ["later", "work"]);
    assert_eq!(home.found("tag:later"), home.found_by_notmuch("tag:later"));
    assert_eq!(home.tags("INBOX", "two"), ["later", "work"]);
    // Taken away, on either side.
    home.notmuch(&["tag", "-work", "--", "subject:one"]);
    home.succeed(&["tag", "-work", "--", "subject:two"]);
    assert_eq!(home.tags("INBOX", "one"), ["f&APw-r_sp&AOQ-ter"]);
    assert_eq!((home.tags_there(0), home.tags_there(1)), (vec!["für später".to_owned()], vec!["later".to_owned()]));
    home.succeed(&["tag", "-für später", "--", "subject:one"]);
    assert!(home.tags_there(0).is_empty() && home.tags("INBOX", "one").is_empty());
    // No file was called otherwise for it, and nothing else of the database was touched.
    let names: Vec<String> = home
        .files("mail/ada/INBOX")
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, ["1000.x:2,S", "1001.x:2,S", "1002.x:2,S"]);
    home.assert_nothing_new();
}

#[test]
fn more_tags_than_there_are_letters() {
    let home = three("");
    for n in 0..30 {
        home.succeed(&["tag", &format!("+tag{n:02}"), "--", "subject:three"]);
    }
    assert_eq!(home.tags("INBOX", "three").len(), 30);
    assert_eq!(home.tags_there(2).len(), 30);
    home.succeed(&["index", "--rebuild"]);
    assert_eq!(home.tags("INBOX", "three").len(), 30, "the database remembers them");
}

#[test]
fn letters_of_file_names_that_others_wrote_are_tags_there_too_and_go_with_them() {
    let home = three("[new]\nignore=dovecot-keywords\n");
    home.put("ada/INBOX/dovecot-keywords", "0 todo\n");
    home.put("ada/INBOX/cur/1009.y:2,Sa", &message(9, "lin@example.net", "nine", "words"));
    home.notmuch_new();
    home.notmuch(&["tag", "-inbox", "--", "*"]);
    assert_eq!(home.tags("INBOX", "nine"), ["todo"]);
    assert_eq!(home.tags_there(9), ["todo"]);
    home.notmuch(&["tag", "-todo", "--", "subject:nine"]);
    assert!(home.tags("INBOX", "nine").is_empty());
    assert!(home.path("mail/ada/INBOX/cur/1009.y:2,S").exists(), "the letter is gone too");
    home.succeed(&["index"]);
    assert!(home.tags_there(9).is_empty());
    home.assert_nothing_new();
}

#[test]
fn flags_are_tags_only_where_notmuch_keeps_them_the_same() {
    for (setting, tags) in [("true", vec!["flagged"]), ("false", vec!["unread"])] {
        let home = Home::new(&format!("[maildir]\nsynchronize_flags={setting}\n[new]\ntags=unread;\n"));
        home.put("ada/INBOX/new/1000.x", &message(0, "grace@example.net", "one", "words"));
        home.notmuch_new();
        home.succeed(&["tag", "+flagged", "-unread", "--", "subject:one"]);
        assert_eq!(home.tags_there(0), tags, "{setting}");
        assert!(home.path("mail/ada/INBOX/cur/1000.x:2,FS").exists());
        home.assert_nothing_new();
    }
}

#[test]
fn the_same_profile_and_config_are_taken_as_notmuch_takes_them() {
    let home = three("");
    let config = std::fs::read_to_string(home.path("config/tern/config.toml")).unwrap();
    let config = config.replace("notmuch_config = ", "#notmuch_config = ");
    home.configure(&config);
    let mut command = home.command(&["search", "--count", "--", "tag:work or notmuch:\"subject:/^on/\""]);
    let output = command.env("NOTMUCH_CONFIG", home.path("notmuch-config")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "1", "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::rename(home.path("notmuch-config"), home.path(".notmuch-config.work")).unwrap();
    home.configure(
        &config
            .replace("#notmuch_profile", "notmuch_profile")
            .replace("[accounts.ada]", "notmuch_profile = \"work\"\n[accounts.ada]"),
    );
    assert_eq!(home.succeed(&["search", "--count", "--", "from:/grace/"]).trim(), "3");
}
