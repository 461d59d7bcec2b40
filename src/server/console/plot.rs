//! Plots that are drawn on the server: inline SVG with a title and a description, told apart by pattern as well as by colour.

use maud::{Markup, html};

/// The drawing's own units; CSS gives it the room there is.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 140.0;

/// Room for the axis below and the numbers above.
const BELOW: f64 = 18.0;
const ABOVE: f64 = 14.0;

/// One line of a plot.
pub(super) struct Series {
    /// Its name in the legend.
    pub(super) name: &'static str,
    /// Its class: colour and dashes come from the style.
    pub(super) class: &'static str,
    /// Its values, the oldest first; a gap where there is none.
    pub(super) values: Vec<Option<f64>>,
}

impl Series {
    pub(super) fn of_counts(
        name: &'static str,
        class: &'static str,
        counts: impl Iterator<Item = u32>,
    ) -> Self {
        Self { name, class, values: counts.map(|count| Some(f64::from(count))).collect() }
    }

    fn max(&self) -> f64 {
        self.values.iter().flatten().copied().fold(0.0, f64::max)
    }

    fn last(&self) -> Option<f64> {
        self.values.iter().rev().find_map(|value| *value)
    }
}

/// A plot of lines over time.
pub(super) struct Plot<'a> {
    /// The id in the page.
    pub(super) id: &'static str,
    /// What is seen.
    pub(super) title: &'a str,
    /// The unit of the values: empty for a count.
    pub(super) unit: &'static str,
    /// What stands at the left end of the time axis; at the right end is now.
    pub(super) from: &'static str,
    /// The lines, all of the same length.
    pub(super) series: Vec<Series>,
}

impl Plot<'_> {
    /// Draws it, with its legend and the highest and the last value of each line in words.
    pub(super) fn draw(&self) -> Markup {
        let top = ceiling(self.series.iter().map(Series::max).fold(0.0, f64::max));
        let (title_id, text_id) = (format!("{}-title", self.id), format!("{}-text", self.id));
        let middle = ABOVE + (HEIGHT - ABOVE - BELOW) / 2.0;
        html! {
            figure.plot id=(self.id) {
                figcaption { (self.title) }
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" preserveAspectRatio="none"
                    aria-labelledby={ (title_id) " " (text_id) } {
                    title id=(title_id) { (self.title) }
                    desc id=(text_id) { (self.in_words()) }
                    @for y in [ABOVE, middle, HEIGHT - BELOW] {
                        line.grid x1="0" x2=(WIDTH) y1=(y) y2=(y) {}
                    }
                    @for series in &self.series {
                        path class={ "line " (series.class) } d=(path(&series.values, top)) {}
                    }
                }
                div.axis { span { (self.from) } span { "top of the plot: " (number(top)) (self.unit) } span { "now" } }
                ul.legend {
                    @for series in &self.series {
                        li {
                            svg.key viewBox="0 0 24 8" aria-hidden="true" { path class={ "line " (series.class) } d="M0 4H24" {} }
                            (series.name)
                            " " span.value { @match series.last() { Some(value) => { (number(value)) (self.unit) }, None => "none" } }
                        }
                    }
                }
            }
        }
    }

    fn in_words(&self) -> String {
        let line = |series: &Series| {
            let last = series.last().map_or_else(|| "none".to_owned(), |value| number(value) + self.unit);
            format!("{}: {last} last, {}{} at most.", series.name, number(series.max()), self.unit)
        };
        self.series.iter().map(line).collect::<Vec<_>>().join(" ")
    }
}

/// The line through the values; a gap ends it, and one value between gaps is a dot.
fn path(values: &[Option<f64>], top: f64) -> String {
    use std::fmt::Write as _;
    let mut path = String::new();
    let mut pen_is_down = false;
    for (n, value) in values.iter().enumerate() {
        let Some(value) = value else {
            pen_is_down = false;
            continue;
        };
        let is_flat = n > 0 && values[n - 1] == Some(*value) && values.get(n + 1) == Some(&Some(*value));
        if is_flat {
            continue;
        }
        let (x, y) = (along(n, values.len()), up(*value, top));
        let _ = write!(path, "{}{x:.1} {y:.1}", if pen_is_down { "L" } else { "M" });
        let alone = !pen_is_down && values.get(n + 1).is_none_or(Option::is_none);
        if alone {
            path.push_str("h2");
        }
        pen_is_down = true;
    }
    path
}

#[expect(clippy::cast_precision_loss, reason = "at most some thousand points")]
fn along(n: usize, of: usize) -> f64 {
    WIDTH * n as f64 / of.saturating_sub(1).max(1) as f64
}

fn up(value: f64, top: f64) -> f64 {
    HEIGHT - BELOW - (HEIGHT - ABOVE - BELOW) * (value / top).clamp(0.0, 1.0)
}

/// The next of 1, 2, 5, 10, 20, …: what the top of the plot stands for.
fn ceiling(max: f64) -> f64 {
    let mut step = 1.0;
    while step < 1e15 {
        for top in [step, 2.0 * step, 5.0 * step] {
            if max <= top {
                return top;
            }
        }
        step *= 10.0;
    }
    max
}

/// A number as short as it is read.
fn number(value: f64) -> String {
    if value.fract() == 0.0 || value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_lifts_the_pen_and_no_value_leaves_the_drawing() {
        assert_eq!(
            path(&[Some(0.0), Some(10.0), None, Some(20.0)], 10.0),
            "M0.0 122.0L200.0 14.0M600.0 14.0h2"
        );
        assert_eq!(path(&[None, None], 1.0), "");
    }

    #[test]
    fn the_top_is_a_round_number_that_is_high_enough() {
        for (max, top) in [(0.0, 1.0), (1.0, 1.0), (1.5, 2.0), (3.0, 5.0), (99.0, 100.0), (101.0, 200.0)] {
            assert!((ceiling(max) - top).abs() < 1e-9, "{max}");
        }
    }

    #[test]
    fn a_plot_can_be_read_without_seeing_it() {
        let series = vec![Series::of_counts("401", "bad", [0, 7, 2].into_iter())];
        let text = Plot { id: "x", title: "Refusals <", unit: "", from: "then", series }.draw().into_string();
        assert!(text.contains("<title id=\"x-title\">Refusals &lt;</title>"));
        assert!(text.contains("401: 2 last, 7 at most."));
        assert!(text.contains("aria-labelledby=\"x-title x-text\""));
    }
}
