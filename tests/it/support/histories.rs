//! Runs a property over many random histories: in blocks, each with a seed of its own, so that a
//! failure names one small number that brings it back. `TERN_LONG=1` asks for ten times as many, and for
//! others each time, as does `TERN_HISTORIES=n` for n percent of the normal number; `TERN_SEED=n` asks for
//! one block alone.

use std::fmt::Debug;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseResult, TestError, TestRunner};

/// Histories that share a seed.
const BLOCK: u32 = 500;

fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// Are the tests to take their time?
pub(crate) fn long() -> bool {
    std::env::var("TERN_LONG").is_ok_and(|value| !value.is_empty() && value != "0")
}

/// How many histories, where a normal run has `normal`: `TERN_HISTORIES` is a percentage of that.
pub(crate) fn how_many(normal: u32) -> u32 {
    let percent = number("TERN_HISTORIES").unwrap_or(if long() { 1000 } else { 100 });
    u32::try_from(u64::from(normal) * percent / 100).unwrap_or(u32::MAX)
}

/// Runs histories of one seed; gives the smallest that fails and why.
pub(crate) fn search<S: Strategy>(
    seed: u64,
    cases: u32,
    histories: &S,
    holds: impl Fn(S::Value) -> TestCaseResult,
) -> Option<(S::Value, String)>
where
    S::Value: Debug,
{
    let config = Config {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        max_shrink_iters: number("TERN_SHRINKS").unwrap_or(20_000),
        ..Config::default()
    };
    match TestRunner::new(config).run(histories, holds) {
        Ok(()) => None,
        Err(TestError::Fail(why, smallest)) => Some((smallest, why.to_string())),
        Err(TestError::Abort(why)) => panic!("the histories could not be made: {why}"),
    }
}

/// Demands that `holds` for `normal` random histories (ten times as many in the long mode).
pub(crate) fn for_all<S: Strategy>(property: &str, normal: u32, histories: &S, holds: impl Fn(S::Value))
where
    S::Value: Debug,
{
    let again: Option<u64> = number("TERN_SEED");
    let mut left = if again.is_some() { BLOCK } else { how_many(normal) };
    // A normal run says the same of the same code each time; new histories are for those who look for faults.
    let chosen = property
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let mut seeds = if long() || number::<u32>("TERN_HISTORIES").is_some() {
        fastrand::Rng::new()
    } else {
        fastrand::Rng::with_seed(chosen)
    };
    while left > 0 {
        let cases = left.min(BLOCK);
        let seed = again.unwrap_or_else(|| seeds.u64(..1_000_000_000));
        let failed = search(seed, cases, histories, |history| {
            holds(history);
            Ok(())
        });
        if let Some((smallest, why)) = failed {
            panic!(
                "{property}: {why}\nsmallest history: {smallest:#?}\nagain: TERN_SEED={seed} cargo test --test it -- {property}"
            );
        }
        left -= cases;
    }
}
