//! Links of a message: which may be followed, how they are numbered, which deceive. Only http,
//! https and mailto; nothing here ever opens or fetches one.

use std::collections::BTreeMap;

use linkify::{LinkFinder, LinkKind};

use super::clean::Clean;
use super::document::{Link, Span, SpanStyle};

/// The longest target that is followed.
const MAX_TARGET: usize = 2048;
/// The most links of one message.
const MAX_LINKS: usize = 2000;
/// The most bytes of one line that are searched for links.
const MAX_SEARCHED: usize = 8 * 1024;

/// The links of a message while they are gathered; one number a target.
#[derive(Debug, Clone, Default)]
pub struct Links {
    links: Vec<Link>,
    known: BTreeMap<(String, bool), usize>,
}

impl Links {
    /// Takes in a target that [`permitted`] gave; its number, unless there are too many.
    pub(super) fn add(&mut self, target: &str, mismatch: bool) -> Option<usize> {
        if let Some(number) = self.known.get(&(target.to_owned(), mismatch)) {
            return Some(*number);
        }
        let number = self.links.len();
        if number >= MAX_LINKS {
            return None;
        }
        self.known.insert((target.to_owned(), mismatch), number);
        self.links.push(Link { target: Clean::line(target), mismatch });
        Some(number)
    }

    /// All of them, in the order of their numbers.
    pub fn into_links(self) -> Vec<Link> {
        self.links
    }

    /// Splits a line of text into runs, the links in it numbered. Tabs must be blanks by now.
    pub(super) fn spans(&mut self, text: &str, style: SpanStyle) -> Vec<Span> {
        let mut spans = Vec::new();
        let plain = |from: usize, to: usize, spans: &mut Vec<Span>| {
            let text = text.get(from..to).unwrap_or_default();
            if !text.is_empty() {
                spans.push(Span { text: Clean::line(text), style, link: None });
            }
        };
        let searched = text.get(..text.floor_char_boundary(MAX_SEARCHED)).unwrap_or(text);
        // Most lines have no link: a look for what every link has is cheaper than the finder.
        if !searched.contains("://") && !searched.contains('@') && !searched.contains("www.") {
            plain(0, text.len(), &mut spans);
            return spans;
        }
        let mut done = 0;
        let mut finder = LinkFinder::new();
        finder.kinds(&[LinkKind::Url, LinkKind::Email]).url_must_have_scheme(false);
        for found in finder.links(searched) {
            let Some(target) = target_of(found.as_str(), found.kind()) else { continue };
            let mismatch = has_user_info(&target);
            let Some(number) = self.add(&target, mismatch) else { continue };
            plain(done, found.start(), &mut spans);
            spans.push(Span { text: Clean::line(found.as_str()), style, link: Some(number) });
            done = found.end();
        }
        plain(done, text.len(), &mut spans);
        spans
    }
}

/// What a link found in text goes to.
fn target_of(text: &str, kind: &LinkKind) -> Option<String> {
    match kind {
        LinkKind::Email => permitted(&format!("mailto:{text}")),
        _ if starts_with_ignore_case(text, "www.") => permitted(&format!("http://{text}")),
        _ => permitted(text),
    }
}

/// The target in the form in which it may be followed, if it may: http, https or mailto, not too
/// long, blanks encoded, control characters dropped as browsers do.
pub(super) fn permitted(target: &str) -> Option<String> {
    let target: String = target.trim().chars().filter(|c| !c.is_control()).collect();
    let scheme = ["http://", "https://", "mailto:"].into_iter().find(|s| starts_with_ignore_case(&target, s))?;
    let rest = target.get(scheme.len()..)?;
    if rest.is_empty() || target.len() > MAX_TARGET {
        return None;
    }
    Some(format!("{scheme}{}", rest.replace(' ', "%20").replace('"', "%22")))
}

fn starts_with_ignore_case(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

/// Does the target carry a user name? It stands where a hurried reader looks for the host.
pub(super) fn has_user_info(target: &str) -> bool {
    !target.starts_with("mailto:") && authority(target).contains('@')
}

fn authority(target: &str) -> &str {
    let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
    // Browsers take a backslash for a slash.
    rest.split(['/', '?', '#', '\\']).next().unwrap_or(rest)
}

/// The host of a target, lower case and in ASCII where that can be; for mailto the domain.
pub(super) fn host(target: &str) -> String {
    let host = if let Some(address) = target.strip_prefix("mailto:") {
        address.split('?').next().and_then(|address| address.rsplit_once('@')).map_or("", |(_, domain)| domain)
    } else {
        let authority = authority(target);
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        host.rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
            .map_or(host, |(host, _)| host)
    };
    let host = host.trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '[' | ']'));
    if host.len() > 255 {
        return host.to_lowercase();
    }
    idna::domain_to_ascii(host).unwrap_or_else(|_| host.to_lowercase())
}

/// Does the text of a link name another host than the one it goes to? A subdomain of the same
/// host, or the host without it, is no other.
pub(super) fn deceives(text: &str, target: &str) -> bool {
    if has_user_info(target) {
        return true;
    }
    let real = host(target);
    let mut words = text.split_whitespace();
    // A host inside prose ("Stamps.com seals a deal") is a name; alone, or as a URL, it is a promise.
    let is_alone = words.next().is_some() && words.next().is_none();
    let is_promise =
        |word: &&str| is_alone || word.contains("://") || word.contains('@') || starts_with_ignore_case(word, "www.");
    let mut promised = text.split_whitespace().take(20).filter(is_promise).filter_map(named_host);
    promised.any(|named| !are_related(&named, &real))
}

/// Is one host the other, or in it?
pub(super) fn are_related(one: &str, other: &str) -> bool {
    let (one, other) = (without_www(one).to_ascii_lowercase(), without_www(other).to_ascii_lowercase());
    let is_in =
        |a: &str, b: &str| a == b || (!b.is_empty() && a.strip_suffix(b).is_some_and(|rest| rest.ends_with('.')));
    is_in(&one, &other) || is_in(&other, &one)
}

fn without_www(host: &str) -> &str {
    host.strip_prefix("www.").unwrap_or(host)
}

/// Endings of files that look like top-level domains: `plan.pdf` is no host.
const FILES: [&str; 16] =
    ["pdf", "doc", "docx", "xls", "xlsx", "txt", "zip", "png", "jpg", "jpeg", "gif", "html", "htm", "php", "js", "md"];

/// The host that a word of a link's text names, if it names one: a URL, or a name whose last label
/// looks like a top-level domain.
fn named_host(word: &str) -> Option<String> {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '/');
    if word.is_empty() || word.len() > 500 {
        return None;
    }
    let is_url = starts_with_ignore_case(word, "http://") || starts_with_ignore_case(word, "https://");
    let host = host(word);
    let (labels, last) = host.rsplit_once('.')?;
    let is_name = labels.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    let is_domain = last.len() >= 2
        && (last.starts_with("xn--") || last.bytes().all(|b| b.is_ascii_alphabetic()))
        && !FILES.contains(&last);
    (is_name && !labels.is_empty() && (is_url || is_domain)).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_some_targets_are_permitted() {
        assert_eq!(permitted(" HTTPS://x.org/a b ").as_deref(), Some("https://x.org/a%20b"));
        assert_eq!(permitted("mailto:a@b").as_deref(), Some("mailto:a@b"));
        for bad in
            ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "ftp://x", "//x.org", "http://", ""]
        {
            assert_eq!(permitted(bad), None, "{bad}");
        }
        assert_eq!(permitted(&format!("http://x/{}", "a".repeat(3000))), None);
        assert_eq!(permitted("ht\ntp://x.org\u{1b}").as_deref(), Some("http://x.org"));
    }

    #[test]
    fn links_that_deceive() {
        let table = [
            ("https://paypal.com/login", "https://evil.example/x", true),
            ("paypal.com", "https://paypal.com.evil.example/", true),
            ("www.example.org", "https://example.org/a", false),
            ("example.org", "https://click.example.org/x", false),
            ("Stamps.com seals a deal", "https://news.example/", false),
            ("read https://stamps.com/ now", "https://news.example/", true),
            ("ada@example.org,", "mailto:ada@example.org,", false),
            ("click here", "https://evil.example/", false),
            ("see plan.pdf", "https://example.org/f", false),
            ("bücher.example", "https://xn--bcher-kva.example/", false),
            ("ada@example.org", "mailto:eve@evil.example", true),
            ("ada@example.org", "mailto:ada@example.org", false),
            ("x", "https://paypal.com@evil.example/", true),
            ("http://example.org:80/", "http://example.org/", false),
        ];
        for (text, target, expected) in table {
            assert_eq!(deceives(text, target), expected, "{text} -> {target}");
        }
    }

    #[test]
    fn links_in_text_are_numbered_once() {
        let mut links = Links::default();
        let spans = links
            .spans("see https://x.org/a(b). or www.y.org, a@z.org, main.rs, https://x.org/a(b)", SpanStyle::default());
        let shown: Vec<_> = spans.iter().filter_map(|s| Some((s.text.as_str(), s.link?))).collect();
        assert_eq!(shown, [("https://x.org/a(b)", 0), ("www.y.org", 1), ("a@z.org", 2), ("https://x.org/a(b)", 0)]);
        let targets: Vec<_> = links.into_links().into_iter().map(|l| l.target.to_string()).collect();
        assert_eq!(targets, ["https://x.org/a(b)", "http://www.y.org", "mailto:a@z.org"]);
    }
}
