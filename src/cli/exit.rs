//! Exit codes (sysexits.h, as msmtp uses them).

use std::process::ExitCode;

use crate::fault::{Cause, Doing, Fault};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Everything was done.
    Done,
    /// Nothing was found, or only a part was done.
    Partly,
    /// The command line is wrong.
    Usage,
    /// The input is wrong (`EX_DATAERR`).
    BadInput,
    /// There is no such file or message (`EX_NOINPUT`).
    Missing,
    /// The server knows no such recipient (`EX_NOUSER`).
    NoRecipient,
    /// The server cannot be reached (`EX_UNAVAILABLE`).
    Unavailable,
    /// A mistake of ours (`EX_SOFTWARE`).
    Bug,
    /// The disk failed or is full (`EX_IOERR`).
    Disk,
    /// It may work later (`EX_TEMPFAIL`).
    Later,
    /// The server broke its protocol (`EX_PROTOCOL`).
    Protocol,
    /// Sign-in was refused (`EX_NOPERM`).
    SignIn,
    /// The configuration is wrong (`EX_CONFIG`).
    Config,
    /// A signal ended it before it was done.
    Interrupted,
}

impl Exit {
    /// From what is done to what a person has to look at first.
    const BY_WEIGHT: [Self; 14] = [
        Self::Done,
        Self::Partly,
        Self::Later,
        Self::Missing,
        Self::NoRecipient,
        Self::BadInput,
        Self::Unavailable,
        Self::Protocol,
        Self::Disk,
        Self::SignIn,
        Self::Config,
        Self::Usage,
        Self::Bug,
        Self::Interrupted,
    ];

    /// The one of two that weighs more.
    pub(super) fn worse(self, other: Self) -> Self {
        let weight = |exit: Self| Self::BY_WEIGHT.iter().position(|known| *known == exit);
        if weight(other) > weight(self) { other } else { self }
    }

    /// The code that fits a fault.
    pub(super) fn of(fault: &Fault) -> Self {
        match fault.cause {
            Cause::UnknownHost | Cause::Unreachable | Cause::TimedOut | Cause::Closed | Cause::Certificate => {
                Self::Unavailable
            }
            Cause::NotOffered | Cause::Config => Self::Config,
            Cause::SignInRefused => Self::SignIn,
            Cause::RefusedForNow | Cause::Busy => Self::Later,
            Cause::Refused | Cause::Protocol => Self::Protocol,
            Cause::DiskFull | Cause::Disk | Cause::Permission | Cause::Damaged => Self::Disk,
            Cause::Missing if fault.doing == Doing::Configuring => Self::Config,
            Cause::Missing => Self::Missing,
            Cause::Bug => Self::Bug,
            Cause::Other => Self::Partly,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Partly => 1,
            Exit::Usage => 2,
            Exit::BadInput => 65,
            Exit::Missing => 66,
            Exit::NoRecipient => 67,
            Exit::Unavailable => 69,
            Exit::Bug => 70,
            Exit::Disk => 74,
            Exit::Later => 75,
            Exit::Protocol => 76,
            Exit::SignIn => 77,
            Exit::Config => 78,
            Exit::Interrupted => 130,
        })
    }
}
