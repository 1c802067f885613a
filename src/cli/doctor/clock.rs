//! Is the clock right? Certificates and dates of mail hang on it. Nobody is asked: that it is later than
//! the program's own age is what can be told without.

use super::finding::{Finding, Tell, Verdict};
use crate::app;
use crate::cli::exit::Exit;
use crate::cli::json;
use crate::mail::ids::Timestamp;

/// The program is younger than this: 2026-01-01.
const BORN: i64 = 1_767_225_600;
/// And nobody has it after this: 2100-01-01.
const GONE: i64 = 4_102_444_800;

pub(super) fn look(tell: &mut Tell) {
    tell.tell(judge(app::now()));
}

fn judge(now: Timestamp) -> Finding {
    let told = json::time(now);
    if (BORN..GONE).contains(&now.get()) {
        return Finding::ok("clock", &format!("it is {told}"));
    }
    Finding::new("clock", Verdict::Fail(Exit::Config), &format!("it says {told}, which cannot be"))
        .next("set the clock of this machine: certificates cannot be checked without")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_the_program_is_wrong() {
        assert_eq!(judge(Timestamp::new(BORN)), Finding::ok("clock", "it is 2026-01-01T00:00:00Z"));
        for wrong in [0, BORN - 1, GONE] {
            assert_ne!(judge(Timestamp::new(wrong)), Finding::ok("clock", ""));
            assert!(matches!(judge(Timestamp::new(wrong)), f if f != Finding::ok("clock", "it is 2026")));
        }
    }
}
