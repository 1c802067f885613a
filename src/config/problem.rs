//! Problems as a person reads them: the line of the file with the place underlined. What stands
//! for a password in that line is covered.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use super::{Problem, Severity};
use crate::mail::clean::Clean;

/// Renders a problem with the line it concerns; `source` is the text of the file.
///
/// ```text
/// warning: unknown key `undo_sent`
///   --> /home/ada/.config/tern/config.toml:7:1
///  7 | undo_sent = "10s"
///    | ^^^^^^^^^ did you mean `undo_send`?
/// ```
pub fn render(problem: &Problem, source: &str) -> String {
    let word = match problem.severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let file = Clean::line(&problem.file.to_string_lossy());
    let mut out = format!("{word}: {}\n", problem.message);
    let line = problem.line.checked_sub(1).and_then(|index| source.lines().nth(index));
    let Some(line) = line else {
        let _infallible = writeln!(out, "  --> {file}");
        if let Some(hint) = &problem.hint {
            let _infallible = writeln!(out, "  = {hint}");
        }
        return out;
    };
    let line = covered(line);
    let before: String = line.chars().take(problem.column.saturating_sub(1)).collect();
    let meant: String = line.chars().skip(problem.column.saturating_sub(1)).take(problem.length).collect();
    let width = |text: &str| Clean::line(text).as_str().width();
    let number = problem.line.to_string();
    let gutter = " ".repeat(number.len());
    let blanks = " ".repeat(width(&before));
    let carets = "^".repeat(width(&meant).max(1));
    let hint = problem.hint.as_ref().map(|hint| format!(" {hint}")).unwrap_or_default();
    let _infallible = writeln!(out, "  --> {file}:{}:{}", problem.line, problem.column);
    let _infallible = writeln!(out, " {number} | {}", Clean::line(&line));
    let _infallible = writeln!(out, " {gutter} | {blanks}{carets}{hint}");
    out
}

/// The line with stars in place of what is given directly to `password` or `token`, be it in quotes
/// or not: it is a secret, and what is printed may be copied into a bug report.
fn covered(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(after_key) = ["password", "token"].iter().filter_map(|key| Some(rest.find(key)? + key.len())).min() {
        let Some((head, tail)) = rest.split_at_checked(after_key) else { break };
        out.push_str(head);
        rest = tail;
        // A quoted key ends in its quote.
        let Some(value) = tail.trim_start_matches(['"', '\'', ' ', '\t']).strip_prefix('=') else { continue };
        let value = value.trim_start();
        if value.starts_with('{') {
            continue;
        }
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let body = quote.map_or(value, |quote| value.trim_start_matches(quote));
        let Some((before, body)) = tail.split_at_checked(tail.len() - body.len()) else { break };
        let Some((secret, after)) = body.split_at_checked(secret_end(body, quote)) else { break };
        out.push_str(before);
        out.extend(secret.chars().map(|_| '*'));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Where the text ends that `quote` ends, or one without quotes, in bytes.
fn secret_end(body: &str, quote: Option<char>) -> usize {
    let Some(quote) = quote else {
        let end = body.find([',', '}', '#']).unwrap_or(body.len());
        return body.get(..end).map_or(end, |text| text.trim_end().len());
    };
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        if c == quote && !escaped {
            return at;
        }
        escaped = quote == '"' && c == '\\' && !escaped;
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn problem(line: usize, column: usize, length: usize, hint: Option<&str>) -> Problem {
        Problem {
            severity: Severity::Error,
            file: PathBuf::from("/etc/x.toml"),
            line,
            column,
            length,
            message: Clean::line("it is wrong"),
            hint: hint.map(Clean::line),
        }
    }

    #[test]
    fn the_place_is_underlined() {
        let source = "a = 1\n\tß = \"日本\" # 🙂\n";
        assert_eq!(
            render(&problem(2, 6, 4, Some("try 2")), source),
            "error: it is wrong\n  --> /etc/x.toml:2:6\n 2 |  ß = \"日本\" # 🙂\n   |      ^^^^^^ try 2\n"
        );
    }

    #[test]
    fn without_a_line_there_is_only_the_file() {
        let expected = "error: it is wrong\n  --> /etc/x.toml\n  = chmod\n";
        assert_eq!(render(&problem(0, 0, 0, Some("chmod")), "a = 1"), expected);
        assert_eq!(render(&problem(9, 1, 1, Some("chmod")), "a = 1"), expected);
    }

    #[test]
    fn secrets_are_covered() {
        let table = [
            (r#"password = "hunter2""#, r#"password = "*******""#),
            (r#"password="a\"b" # mine"#, r#"password="****" # mine"#),
            ("{ password = 'x', token = \"y\" }", "{ password = '*', token = \"*\" }"),
            (r#""password" = "x""#, r#""password" = "*""#),
            (r#"password = """hun"#, r#"password = """***"#),
            (r#"password = "no end"#, r#"password = "******"#),
            (r#"password = { cmd = "pass" }"#, r#"password = { cmd = "pass" }"#),
            ("password = hunter2 # mine", "password = ******* # mine"),
            ("imap = { password = ü, port = 1 }", "imap = { password = *, port = 1 }"),
            ("password =", "password ="),
            (r#"password = """"#, r#"password = """"#),
            (r#"name = "password""#, r#"name = "password""#),
            ("ünïcode = 1", "ünïcode = 1"),
        ];
        for (line, expected) in table {
            assert_eq!(covered(line), expected);
        }
    }
}
