//! Waiting for what another process brings about: bounded, and with words for what did not come.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// How long anything may take at most; a test that is right never waits this long.
const LIMIT: Duration = Duration::from_secs(30);

/// Looks until there is what is wanted, or time is up; gives what was there last.
pub(crate) fn at_last<T>(look: impl Fn() -> T, wanted: impl Fn(&T) -> bool) -> T {
    let start = Instant::now();
    loop {
        let seen = look();
        if wanted(&seen) || start.elapsed() >= LIMIT {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// Waits until `look` gives what is wanted; panics with what it gave last.
pub(crate) fn eventually<T: Debug>(what: &str, look: impl Fn() -> T, wanted: impl Fn(&T) -> bool) -> T {
    let seen = at_last(look, &wanted);
    assert!(wanted(&seen), "{what}: that did not come about; what there is: {seen:?}");
    seen
}

/// Waits until `look` gives exactly this.
pub(crate) fn becomes<T: Debug + PartialEq>(what: &str, look: impl Fn() -> T, wanted: &T) {
    eventually(what, look, |seen| seen == wanted);
}
