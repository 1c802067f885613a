//! What an SMTP server is told beside the message: RFC 5321's envelope, here called submission.

/// Sender and recipients of one transaction (RFC 5321 §2.3.1). Plain addr-specs, already checked:
/// no blanks, no control characters, no angle brackets; domains in ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The reverse-path; empty means the null sender `<>`.
    pub sender: String,
    /// The forward-paths, never empty, no address twice.
    pub recipients: Vec<String>,
}
