//! What the screen says of a message of which only the header is here: while the rest is on its way, when it
//! came, and when it cannot be had.

use tern::fault::{Cause, Doing, Fault};
use tern::job::sync::SyncReport;
use tern::job::{Job, Report, SyncJob};
use tern::mail::place::{Place, UniqueName};
use tern::theme::{Depth, Glyphs, Half, Theme};

use crate::support::driver::{Driver, World};

/// A stub of 5.2 MB at the top of the list, an ordinary message below it.
fn world() -> World {
    let mut world = World::with(&["ada"]);
    let stub = world.add("ada", "INBOX", "Grace Hopper", "the plans");
    stub.place.unique = UniqueName::new("1.V1U1H0.tern,S=800,T=5234567").unwrap();
    stub.lines.clear();
    world.add("ada", "INBOX", "Lin Wei", "lunch");
    world
}

/// The stubs that are to be fetched, since this was last asked.
fn fetches(driver: &mut Driver) -> Vec<Place> {
    let fetch = |job| if let Job::Sync(SyncJob::Fetch(place)) = job { Some(place) } else { None };
    std::mem::take(&mut driver.outside).into_iter().filter_map(fetch).collect()
}

/// The same place once the message is whole there.
fn whole(stub: &Place) -> Place {
    Place { unique: UniqueName::new("1.V1U1H0.tern,S=5234567").unwrap(), ..stub.clone() }
}

/// The rest has come, as disk and index know by now.
fn arrive(driver: &mut Driver, stub: &Place) {
    let mail = driver.world.mails.iter_mut().find(|mail| mail.place == *stub).unwrap();
    mail.place = whole(stub);
    mail.lines = vec![(0, "Here they are.".to_owned())];
    driver.report(Report::Sync(SyncReport::Fetched { stub: stub.clone(), now: Ok(whole(stub)) }));
}

#[test]
fn the_header_is_there_at_once_and_the_rest_when_it_comes() {
    let mut driver = Driver::new(world(), &["ada"], (80, 24));
    driver.press("Enter").expect("Grace Hopper").expect("The rest of this message (5.2 MB) is on the server; fetching");
    let asked = fetches(&mut driver);
    assert_eq!(asked.len(), 1);
    arrive(&mut driver, &asked[0]);
    driver.expect("Here they are.").expect_no("The rest of this message");
    // It is an ordinary message now.
    driver.press("q").press("Enter").expect("Here they are.");
    assert_eq!(fetches(&mut driver), []);
}

#[test]
fn what_cannot_be_fetched_says_why_and_is_tried_again_when_it_is_opened_again() {
    let mut driver = Driver::new(world(), &["ada"], (80, 24));
    driver.press("Enter");
    let asked = fetches(&mut driver);
    let fault = Fault::new(Doing::Connecting, "imap.example.org", Cause::Unreachable);
    driver.report(Report::Sync(SyncReport::Fetched { stub: asked[0].clone(), now: Err(fault.clone()) }));
    driver.expect("The rest of this message could not be fetched").expect("imap.example.org").expect("Open it again");
    driver.expect_no("fetching ...");
    driver.press("q").press("Enter").expect("fetching ...");
    assert_eq!(fetches(&mut driver), asked);
    arrive(&mut driver, &asked[0]);
    driver.expect("Here they are.");
}

#[test]
fn what_comes_for_a_message_that_is_not_on_screen_any_more_changes_nothing_there() {
    let mut driver = Driver::new(world(), &["ada"], (80, 24));
    driver.press("Enter");
    let asked = fetches(&mut driver);
    driver.press("q").press("j").press("Enter").expect("The text of lunch.").expect_no("The rest of");
    arrive(&mut driver, &asked[0]);
    driver.expect("The text of lunch.").expect_no("Here they are.");
}

#[test]
fn a_mark_tells_them_from_others_in_every_theme_and_the_help_says_what_it_means() {
    let mut all: Vec<Theme> = Vec::new();
    for (name, _) in tern::theme::BUNDLED {
        all.extend([Half::Dark, Half::Light].map(|half| Theme::named(name, half, Depth::True).unwrap()));
        all.push(Theme::named(name, Half::Dark, Depth::Mono).unwrap());
    }
    for theme in all {
        for glyphs in [Glyphs::ASCII, Glyphs::UNICODE] {
            for size in [(120, 35), (80, 24), (60, 10), (40, 12)] {
                let mut driver = Driver::new(world(), &["ada"], size);
                driver.theme = theme.clone().with_glyphs(glyphs);
                driver.wait(1);
                let marked: Vec<String> =
                    driver.screen().lines().filter(|line| line.contains(glyphs.stub)).map(str::to_owned).collect();
                assert!(marked.iter().any(|line| line.contains("Grace Hopper")), "{size:?}:\n{}", driver.screen());
                if glyphs == Glyphs::UNICODE {
                    assert!(marked.iter().all(|line| !line.contains("Lin Wei")), "{marked:?}");
                }
            }
        }
    }
    let mut driver = Driver::new(world(), &["ada"], (40, 12));
    driver.press("?").type_text("header is here").expect("h         Mark: only the header");
    // A row that only explains does nothing.
    driver.press("Enter").expect("Grace Hopper").expect_no("Help");
}
