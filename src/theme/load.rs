//! Reads a theme: a palette with names, and tokens made of these. A theme inherits tokens and
//! palette of another, so that most need no more than a palette. Reading never fails: what is wrong
//! is told and the inherited look stays.

use std::collections::BTreeMap;

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

use super::color::{self, Depth, Half};
use super::{Glyphs, TOKENS, Theme};

/// The themes that are built in: name and text.
pub const BUNDLED: [(&str, &str); 9] = [
    ("terminal", include_str!("../../themes/terminal.toml")),
    ("catppuccin", include_str!("../../themes/catppuccin.toml")),
    ("dracula", include_str!("../../themes/dracula.toml")),
    ("gruvbox", include_str!("../../themes/gruvbox.toml")),
    ("high-contrast", include_str!("../../themes/high-contrast.toml")),
    ("mono", include_str!("../../themes/mono.toml")),
    ("nord", include_str!("../../themes/nord.toml")),
    ("solarized", include_str!("../../themes/solarized.toml")),
    ("tokyo-night", include_str!("../../themes/tokyo-night.toml")),
];

/// How often a theme may inherit before it is taken for a circle.
const MAX_INHERIT: usize = 8;

/// The text of a theme that is built in.
pub fn bundled(name: &str) -> Option<&'static str> {
    BUNDLED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[derive(Debug, Default, Deserialize)]
struct Raw {
    name: Option<String>,
    inherits: Option<String>,
    #[serde(default)]
    palette: RawPalette,
    #[serde(default)]
    tokens: BTreeMap<String, RawToken>,
}

#[derive(Debug, Default, Deserialize)]
struct RawPalette {
    #[serde(default)]
    dark: BTreeMap<String, RawColor>,
    #[serde(default)]
    light: BTreeMap<String, RawColor>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum RawColor {
    Number(u8),
    Text(String),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum RawToken {
    Foreground(RawColor),
    Whole {
        fg: Option<RawColor>,
        bg: Option<RawColor>,
        #[serde(default)]
        mods: Vec<String>,
        ansi16: Option<RawColor>,
        mono: Option<Vec<String>>,
    },
}

type Palette = BTreeMap<String, RawColor>;

impl Theme {
    /// The default: the terminal's own colours.
    pub fn terminal(depth: Depth) -> Self {
        Self::load(bundled("terminal").unwrap_or(""), Half::Dark, depth).0
    }

    /// A theme that is built in.
    pub fn named(name: &str, half: Half, depth: Depth) -> Option<Self> {
        bundled(name).map(|text| Self::load(text, half, depth).0)
    }

    /// Makes a theme of its text, for a dark or a light ground and a terminal of this depth. What
    /// is wrong with it comes beside it, one line each.
    pub fn load(text: &str, half: Half, depth: Depth) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let layers = layers(text, &mut problems);
        let mut palette = Palette::new();
        let mut tokens = BTreeMap::new();
        for layer in layers.iter().rev() {
            let (own, other) = match half {
                Half::Dark => (&layer.palette.dark, &layer.palette.light),
                Half::Light => (&layer.palette.light, &layer.palette.dark),
            };
            // A theme with one half only is that half on any ground.
            palette.extend(if own.is_empty() { other } else { own }.clone());
            tokens.extend(layer.tokens.clone());
        }
        let name = layers.first().and_then(|raw| raw.name.clone()).unwrap_or_else(|| "unnamed".to_owned());
        let mut theme = Self { name, glyphs: Glyphs::UNICODE, ..Self::default() };
        let resolve = Resolve { palette: &palette, depth };
        let ground = tokens.get("fg").map_or_else(Style::new, |raw| resolve.style(raw, "fg", &mut problems));
        for token in TOKENS {
            let style = tokens.get(*token).map_or(ground, |raw| resolve.style(raw, token, &mut problems));
            if let Some(field) = theme.token_mut(token) {
                *field = style;
            }
        }
        let unknown = tokens.keys().filter(|token| !TOKENS.contains(&token.as_str()));
        problems.extend(unknown.map(|token| format!("there is no token `{token}`")));
        (theme, problems)
    }
}

/// The theme and those it inherits from, itself first.
fn layers(text: &str, problems: &mut Vec<String>) -> Vec<Raw> {
    let mut layers = Vec::new();
    let mut next = Some(text.to_owned());
    while let Some(text) = next.take() {
        let raw: Raw = match toml::from_str(&text) {
            Ok(raw) => raw,
            Err(error) => {
                problems.push(error.to_string());
                Raw { inherits: Some("terminal".to_owned()), ..Raw::default() }
            }
        };
        let last = layers.len() >= MAX_INHERIT;
        if let Some(parent) = raw.inherits.as_deref() {
            match bundled(parent) {
                Some(_) if last => problems.push(format!("the theme inherits from itself by `{parent}`")),
                Some(text) => next = Some(text.to_owned()),
                None => problems.push(format!("there is no theme `{parent}` to inherit from")),
            }
        }
        layers.push(raw);
    }
    layers
}

struct Resolve<'a> {
    palette: &'a Palette,
    depth: Depth,
}

impl Resolve<'_> {
    fn style(&self, raw: &RawToken, token: &str, problems: &mut Vec<String>) -> Style {
        let mut style = Style::new();
        match raw {
            RawToken::Foreground(fg) => style.fg = self.color(fg, token, problems),
            RawToken::Whole { fg, bg, mods, ansi16, mono } => {
                let fg = match (ansi16, self.depth) {
                    (Some(few), Depth::Ansi16) => Some(few),
                    _ => fg.as_ref(),
                };
                style.fg = fg.and_then(|fg| self.color(fg, token, problems));
                style.bg = bg.as_ref().and_then(|bg| self.color(bg, token, problems));
                let words = match (mono, self.depth) {
                    (Some(words), Depth::Mono) => words,
                    _ => mods,
                };
                for word in words {
                    match modifier(word) {
                        Some(modifier) => style = style.add_modifier(modifier),
                        None => problems.push(format!("`{token}`: there is no modifier `{word}`")),
                    }
                }
            }
        }
        style
    }

    fn color(&self, raw: &RawColor, token: &str, problems: &mut Vec<String>) -> Option<Color> {
        let named = match raw {
            RawColor::Text(name) => self.palette.get(name).unwrap_or(raw),
            RawColor::Number(_) => raw,
        };
        let color = match named {
            RawColor::Number(n) => Some(Color::Indexed(*n)),
            RawColor::Text(text) => color::parse(text),
        };
        if color.is_none() {
            problems.push(format!("`{token}`: {named:?} is no colour"));
        }
        color.and_then(|color| color::fit(color, self.depth))
    }
}

fn modifier(word: &str) -> Option<Modifier> {
    Some(match word {
        "bold" => Modifier::BOLD,
        "dim" => Modifier::DIM,
        "italic" => Modifier::ITALIC,
        "underline" => Modifier::UNDERLINED,
        "reverse" => Modifier::REVERSED,
        "strike" => Modifier::CROSSED_OUT,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundled_theme_is_whole_and_without_problems() {
        let terminal: Raw = toml::from_str(bundled("terminal").unwrap()).unwrap();
        for token in TOKENS {
            assert!(terminal.tokens.contains_key(*token), "terminal.toml does not say `{token}`");
        }
        for (name, text) in BUNDLED {
            for half in [Half::Dark, Half::Light] {
                for depth in [Depth::True, Depth::Ansi256, Depth::Ansi16, Depth::Mono] {
                    let (theme, problems) = Theme::load(text, half, depth);
                    assert_eq!(theme.name, name);
                    assert!(problems.is_empty(), "{name}: {problems:?}");
                }
            }
        }
    }

    #[test]
    fn text_can_be_read_on_its_ground() {
        let faint = ["border", "border.focus"];
        for (name, text) in BUNDLED {
            for half in [Half::Dark, Half::Light] {
                let (theme, _) = Theme::load(text, half, Depth::True);
                let Some(ground) = theme.fg.bg else { continue };
                for token in TOKENS {
                    let style = theme.token(token).unwrap();
                    let fg = style.fg.or(theme.fg.fg).unwrap();
                    let bg = style.bg.unwrap_or(ground);
                    let Some(ratio) = color::contrast(fg, bg) else { continue };
                    let least = match (name, faint.contains(token)) {
                        (_, true) => 1.2,
                        ("high-contrast", _) => 7.0,
                        _ => 4.5,
                    };
                    assert!(ratio >= least, "{name} {half:?} {token}: contrast {ratio:.2} is under {least}");
                }
            }
        }
    }

    #[test]
    fn states_differ_without_colour() {
        for (name, text) in BUNDLED {
            let (theme, _) = Theme::load(text, Half::Dark, Depth::Mono);
            assert_ne!(theme.list_unread, theme.list_read, "{name}");
            assert_ne!(theme.cursor_row, theme.list_read, "{name}");
            assert_ne!(theme.error, theme.fg, "{name}");
            for token in TOKENS {
                let style = theme.token(token).unwrap();
                assert!(style.fg.is_none() && style.bg.is_none(), "{name} {token} has a colour without colours");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told_and_the_rest_is_used() {
        let text = r##"
            name = "mine"
            inherits = "terminal"
            [palette.dark]
            red = "#ff0000"
            [tokens]
            "error" = { fg = "red", mods = ["bold", "loud"] }
            "warn" = "mauve"
            "list.colour" = 3
        "##;
        let (theme, problems) = Theme::load(text, Half::Light, Depth::True);
        assert_eq!(theme.error.fg, Some(Color::Rgb(255, 0, 0)));
        assert_eq!(problems.len(), 3, "{problems:?}");
        let (theme, problems) = Theme::load("= nonsense", Half::Dark, Depth::True);
        assert_eq!(problems.len(), 1);
        assert_eq!(theme.error, Theme::terminal(Depth::True).error);
    }
}
