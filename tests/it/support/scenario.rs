//! One sync in the middle of two states: run at once, stopped at each of its steps, and cut off at each of
//! its commands, it comes to the same end, and a further run does nothing.

use std::sync::atomic::Ordering;

use tern::remote::fake::Cut;

use super::meeting::Meeting;

/// A state that both sides agree on, what happened since, and how it ends.
pub(crate) trait Scenario {
    /// What the messages of a failed test call it.
    fn name(&self) -> &str;

    /// Both sides, right before the sync that matters.
    fn start(&self) -> Meeting;

    /// Panics unless both sides are as they shall be; says `what` led there.
    fn check_end(&self, m: &Meeting, what: &str);

    /// Panics unless the end is reached and a second run does nothing.
    fn check_rest(&self, m: &Meeting, what: &str) {
        self.check_end(m, what);
        let again = m.sync_well();
        assert!(again.counts.is_zero(), "{}: {what}: a second run does {:?}", self.name(), again.counts);
    }

    /// Runs until a run goes through and does nothing more.
    fn resume(&self, m: &Meeting, what: &str) {
        for _ in 0..5 {
            let summary = m.sync().unwrap_or_else(|fault| panic!("{}: {what}: {fault}", self.name()));
            if summary.counts.is_zero() && summary.faults.is_empty() {
                return;
            }
        }
        panic!("{}: {what}: it does not come to rest", self.name());
    }

    /// Runs to the end at once.
    fn run(&self) {
        let m = self.start();
        m.sync_well();
        self.check_rest(&m, "at once");
    }

    /// Stops before each step, and goes on.
    fn run_stopped(&self) {
        for step in 0.. {
            let m = self.start();
            m.fuse.store(step, Ordering::SeqCst);
            let stopped = m.sync().unwrap().stopped;
            m.fuse.store(u64::MAX, Ordering::SeqCst);
            let what = format!("stopped at step {step}");
            self.resume(&m, &what);
            self.check_rest(&m, &what);
            if !stopped {
                break;
            }
        }
    }

    /// Loses the connection before each command, and after it was obeyed, and goes on.
    fn run_cut(&self) {
        for cut in [Cut::Before, Cut::After] {
            for step in 0.. {
                let m = self.start();
                m.server.cut_after(step, cut);
                let _ = m.sync();
                let over = m.server.cancel_cut();
                let what = format!("cut at step {step}, {cut:?}");
                self.resume(&m, &what);
                self.check_rest(&m, &what);
                if over {
                    break;
                }
            }
        }
    }
}
