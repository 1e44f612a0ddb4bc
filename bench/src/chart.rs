//! Bar charts as small SVG files that follow the reader's light or dark mode.

use std::fmt::Write as _;

/// The bars of one workload, which share a scale.
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    pub(crate) bars: Vec<Bar>,
}

pub(crate) struct Bar {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    /// Whether it is highlighted.
    pub(crate) ours: bool,
}

const WIDTH: u32 = 720;
const LEFT: u32 = 120;
/// The maximum length of a bar; the rest of the width is for its number.
const MAX_LENGTH: f64 = 510.0;
const BAR: u32 = 18;
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#1f2328}.t{font-weight:600;font-size:15px}\
    .p{font-weight:600}.n{text-anchor:end}rect{fill:#8c959f}.o{fill:#0969da}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}rect{fill:#6e7681}.o{fill:#4493f8}}";

/// One chart with a panel for each workload, each with its own scale.
pub(crate) fn bars(title: &str, panels: &[Panel]) -> String {
    let mut body = String::new();
    let mut top = 24;
    text(&mut body, (0, top), "t", title);
    for panel in panels {
        top += 32;
        text(&mut body, (0, top), "p", panel.title);
        top += 8;
        let largest = panel.bars.iter().map(|bar| bar.value).fold(1.0, f64::max);
        for bar in &panel.bars {
            let width = bar.value / largest * MAX_LENGTH;
            let class = if bar.ours { " class=\"o\"" } else { "" };
            text(&mut body, (LEFT - 8, top + 14), "n", bar.name);
            let _ = writeln!(
                body,
                "<rect{class} x=\"{LEFT}\" y=\"{top}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\"/>"
            );
            let _ = writeln!(
                body,
                "<text x=\"{:.1}\" y=\"{}\">{}</text>",
                f64::from(LEFT) + width + 6.0,
                top + 14,
                thousands(bar.value)
            );
            top += BAR + 4;
        }
    }
    let height = top + 8;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n<style>{STYLE}</style>\n{body}</svg>\n"
    )
}

fn text(body: &mut String, (x, y): (u32, u32), class: &str, text: &str) {
    // Writing to a String does not fail; no name here needs escaping.
    let _ = writeln!(
        body,
        "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{text}</text>"
    );
}

/// Whole, with commas.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        assert_eq!(thousands(0.4), "0");
        assert_eq!(thousands(999.0), "999");
        assert_eq!(thousands(1_234_567.0), "1,234,567");
    }

    #[test]
    fn the_largest_bar_is_the_longest_and_ours_is_marked() {
        let bar = |name, value, ours| Bar { name, value, ours };
        let bars_of_one = vec![bar("a", 50.0, true), bar("b", 100.0, false)];
        let svg = bars(
            "x",
            &[Panel {
                title: "p",
                bars: bars_of_one,
            }],
        );
        assert!(svg.contains("<rect class=\"o\" x=\"120\" y=\"64\" width=\"255.0\""));
        assert!(svg.contains("<rect x=\"120\" y=\"86\" width=\"510.0\""));
    }
}
