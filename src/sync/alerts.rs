//! What a server wants the user to read (ALERT, RFC 9051 §7.1), and what it says as it hangs up (BYE): some say the
//! same at every sign-in, and a warning that comes each five minutes is read by nobody. Pure.

use std::collections::BTreeMap;

use crate::mail::clean::Clean;
use crate::mail::ids::Timestamp;

/// How long a text that was told is not told again: a day.
const LONG: i64 = 24 * 3600;
/// How many texts are remembered; a server that makes up more is told as often as it does.
const MOST: usize = 64;

/// What was told, and when.
#[derive(Debug, Default)]
pub(crate) struct Alerts(BTreeMap<Clean, Timestamp>);

impl Alerts {
    /// Is it worth telling now? Then it counts as told.
    pub(crate) fn is_news(&mut self, text: &Clean, now: Timestamp) -> bool {
        self.0.retain(|_, told| (0..LONG).contains(&now.get().saturating_sub(told.get())));
        if self.0.contains_key(text) {
            return false;
        }
        if self.0.len() < MOST {
            self.0.insert(text.clone(), now);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_are_told_once_a_day() {
        let mut alerts = Alerts::default();
        let mut told = |text: &str, at: i64| alerts.is_news(&Clean::line(text), Timestamp::new(at));
        assert!(told("quota", 1000) && told("upgrade", 1001));
        assert!(!told("quota", 1300) && !told("quota", 1000 + LONG - 1));
        assert!(told("quota", 1000 + LONG) && !told("quota", 1000 + LONG + 300));
        // A clock that was set back does not keep it silent for ever.
        assert!(told("quota", 5));
    }

    #[test]
    fn memory_has_a_bound() {
        let mut alerts = Alerts::default();
        for number in 0..1000 {
            assert!(alerts.is_news(&Clean::line(&number.to_string()), Timestamp::new(1)));
        }
        assert_eq!(alerts.0.len(), MOST);
    }
}
