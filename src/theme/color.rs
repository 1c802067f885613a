//! Colours: how many a terminal has, and the nearest one where it has fewer than the theme. The
//! distance is measured in Oklab, where it is as far as the eye says.

use ratatui::style::Color;

/// How many colours the terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None: bold, underline and reverse only.
    Mono,
    /// The 16 of the terminal's palette.
    Ansi16,
    /// 256.
    Ansi256,
    /// All.
    True,
}

impl Depth {
    /// What the variables `NO_COLOR`, `COLORTERM` and `TERM` say.
    pub fn detect(no_color: Option<&str>, colorterm: Option<&str>, term: Option<&str>) -> Self {
        if no_color.is_some_and(|value| !value.is_empty()) {
            return Self::Mono;
        }
        if colorterm.is_some_and(|value| value.contains("truecolor") || value.contains("24bit")) {
            return Self::True;
        }
        match term.unwrap_or("") {
            "" | "dumb" => Self::Mono,
            term if term.ends_with("-m") || term.starts_with("vt") => Self::Mono,
            term if term.contains("direct") => Self::True,
            term if term.contains("256color") || term.contains("kitty") || term.contains("alacritty") => Self::Ansi256,
            _ => Self::Ansi16,
        }
    }
}

/// Which half of a theme fits the terminal's ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// Light text on a dark ground.
    Dark,
    /// Dark text on a light ground.
    Light,
}

/// The names of the 16 colours, in the order of their numbers.
const NAMES: [(&str, Color); 16] = [
    ("black", Color::Black),
    ("red", Color::Red),
    ("green", Color::Green),
    ("yellow", Color::Yellow),
    ("blue", Color::Blue),
    ("magenta", Color::Magenta),
    ("cyan", Color::Cyan),
    ("white", Color::Gray),
    ("bright-black", Color::DarkGray),
    ("bright-red", Color::LightRed),
    ("bright-green", Color::LightGreen),
    ("bright-yellow", Color::LightYellow),
    ("bright-blue", Color::LightBlue),
    ("bright-magenta", Color::LightMagenta),
    ("bright-cyan", Color::LightCyan),
    ("bright-white", Color::White),
];

/// The usual values of the 16 colours (xterm), for measuring only.
const XTERM: [(u8, u8, u8); 16] = [
    (0, 0, 0),
    (205, 0, 0),
    (0, 205, 0),
    (205, 205, 0),
    (0, 0, 238),
    (205, 0, 205),
    (0, 205, 205),
    (229, 229, 229),
    (127, 127, 127),
    (255, 0, 0),
    (0, 255, 0),
    (255, 255, 0),
    (92, 92, 255),
    (255, 0, 255),
    (0, 255, 255),
    (255, 255, 255),
];

/// Reads a colour: `#rrggbb`, a number up to 255, `default`, or one of the 16 names.
pub(super) fn parse(text: &str) -> Option<Color> {
    if text == "default" {
        return Some(Color::Reset);
    }
    if let Some((_, color)) = NAMES.iter().find(|(name, _)| *name == text) {
        return Some(*color);
    }
    if let Some(hex) = text.strip_prefix('#') {
        if hex.len() != 6 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let value = u32::from_str_radix(hex, 16).ok()?;
        let [_, r, g, b] = value.to_be_bytes();
        return Some(Color::Rgb(r, g, b));
    }
    text.parse::<u8>().ok().map(Color::Indexed)
}

/// The nearest colour that a terminal of this depth has; `None` where it has none.
pub(super) fn fit(color: Color, depth: Depth) -> Option<Color> {
    match (color, depth) {
        (_, Depth::Mono) => None,
        (Color::Rgb(r, g, b), Depth::Ansi256) => Some(Color::Indexed(nearest256((r, g, b)))),
        (Color::Rgb(r, g, b), Depth::Ansi16) => Some(nearest16((r, g, b))),
        (Color::Indexed(n), Depth::Ansi16) => Some(nearest16(rgb_of_index(n))),
        _ => Some(color),
    }
}

fn nearest16(rgb: (u8, u8, u8)) -> Color {
    let wanted = oklab(rgb);
    let near = NAMES.iter().zip(XTERM).min_by(|(_, a), (_, b)| far(wanted, *a).total_cmp(&far(wanted, *b)));
    near.map_or(Color::Reset, |((_, color), _)| *color)
}

/// Only the cube and the greys: the first 16 are whatever the user made of them.
fn nearest256(rgb: (u8, u8, u8)) -> u8 {
    let wanted = oklab(rgb);
    (16..=255).min_by(|a, b| far(wanted, rgb_of_index(*a)).total_cmp(&far(wanted, rgb_of_index(*b)))).unwrap_or(7)
}

fn rgb_of_index(n: u8) -> (u8, u8, u8) {
    if let Some(rgb) = XTERM.get(usize::from(n)) {
        return *rgb;
    }
    if n >= 232 {
        let grey = 8 + (n - 232) * 10;
        return (grey, grey, grey);
    }
    let step = |level: u8| if level == 0 { 0 } else { 55 + level * 40 };
    let n = n - 16;
    (step(n / 36), step(n / 6 % 6), step(n % 6))
}

fn linear(channel: u8) -> f64 {
    let c = f64::from(channel) / 255.0;
    if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
}

fn far(wanted: [f64; 3], rgb: (u8, u8, u8)) -> f64 {
    wanted.iter().zip(oklab(rgb)).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Oklab of an sRGB colour (Björn Ottosson's matrices).
fn oklab((red, green, blue): (u8, u8, u8)) -> [f64; 3] {
    let light = [linear(red), linear(green), linear(blue)];
    let cones = times(
        &[
            [0.412_221_470_8, 0.536_332_536_3, 0.051_445_992_9],
            [0.211_903_498_2, 0.680_699_545_1, 0.107_396_956_6],
            [0.088_302_461_9, 0.281_718_837_6, 0.629_978_700_5],
        ],
        light,
    );
    times(
        &[
            [0.210_454_255_3, 0.793_617_785_0, -0.004_072_046_8],
            [1.977_998_495_1, -2.428_592_205_0, 0.450_593_709_9],
            [0.025_904_037_1, 0.782_771_766_2, -0.808_675_766_0],
        ],
        cones.map(f64::cbrt),
    )
}

fn times(matrix: &[[f64; 3]; 3], vector: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row.iter().zip(vector).map(|(factor, value)| factor * value).sum())
}

/// The contrast of two colours by WCAG 2.1, from 1 to 21; `None` where one of them is the
/// terminal's own, which nobody knows.
pub fn contrast(one: Color, other: Color) -> Option<f64> {
    let luminance = |color: Color| match color {
        Color::Rgb(r, g, b) => Some(0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)),
        _ => None,
    };
    let (a, b) = (luminance(one)?, luminance(other)?);
    Some((a.max(b) + 0.05) / (a.min(b) + 0.05))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_colours_take_the_nearest() {
        assert_eq!(fit(Color::Rgb(250, 5, 5), Depth::Ansi16), Some(Color::LightRed));
        assert_eq!(fit(Color::Rgb(255, 0, 0), Depth::Ansi256), Some(Color::Indexed(196)));
        assert_eq!(fit(Color::Rgb(1, 2, 3), Depth::Mono), None);
        assert_eq!(fit(Color::Red, Depth::Ansi16), Some(Color::Red));
    }

    #[test]
    fn the_terminal_says_how_many() {
        let table = [
            (Some("1"), Some("truecolor"), Some("xterm-256color"), Depth::Mono),
            (Some(""), Some("truecolor"), Some("xterm"), Depth::True),
            (None, None, Some("xterm-256color"), Depth::Ansi256),
            (None, None, Some("linux"), Depth::Ansi16),
            (None, None, Some("vt220"), Depth::Mono),
            (None, None, None, Depth::Mono),
        ];
        for (no_color, colorterm, term, depth) in table {
            assert_eq!(Depth::detect(no_color, colorterm, term), depth, "{term:?}");
        }
    }

    #[test]
    fn colours_are_read() {
        assert_eq!(parse("#0a0B0c"), Some(Color::Rgb(10, 11, 12)));
        assert_eq!(parse("bright-black"), Some(Color::DarkGray));
        assert_eq!(parse("17"), Some(Color::Indexed(17)));
        assert_eq!(parse("#12345"), None);
        assert_eq!(parse("#é2345"), None);
    }
}
