//! What was seen, as a table and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{machine::Machine, wire::Counts};

/// All of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
    pub(crate) figures: Vec<Figure>,
    /// What the application asked of the database, by what was asked of it.
    pub(crate) statements: Vec<Asked>,
}

/// How much was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Settings {
    pub(crate) rounds: usize,
    pub(crate) looks: usize,
    pub(crate) connections: usize,
    pub(crate) login_rounds: usize,
    pub(crate) logins: usize,
    pub(crate) small: i64,
    pub(crate) large: i64,
    /// Requests a second while the latency is measured.
    pub(crate) rate: u32,
    /// Seconds of each part of a round of latency.
    pub(crate) span: u64,
    pub(crate) latency_rounds: usize,
    pub(crate) starts: usize,
    pub(crate) memory_logins: usize,
    /// How many answers of each class are compared where time may tell who has an account.
    pub(crate) samples: usize,
}

#[derive(Debug, Serialize)]
pub(crate) struct Asked {
    pub(crate) requests: String,
    pub(crate) statements: Counts,
}

/// Median, least and most of some rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        Self {
            median: f64::midpoint(at(values.len().saturating_sub(1) / 2), at(values.len() / 2)),
            least: at(0),
            most: at(values.len().saturating_sub(1)),
        }
    }
}

/// What is hoped for.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Expected {
    AtLeast(f64),
    AtMost(f64),
}

/// One line of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) floor: Option<f64>,
    pub(crate) ours: f64,
    /// Of paired rounds; what is expected is expected of its median, or of `ours` where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<Spread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expected: Option<Expected>,
}

impl Figure {
    pub(crate) fn new(what: impl Into<String>, unit: &'static str, ours: f64) -> Self {
        Self {
            what: what.into(),
            unit,
            floor: None,
            ours,
            ratio: None,
            expected: None,
        }
    }

    pub(crate) fn floor(mut self, floor: f64) -> Self {
        self.floor = Some(floor);
        self
    }

    pub(crate) fn ratio(mut self, ratio: Spread) -> Self {
        self.ratio = Some(ratio);
        self
    }

    pub(crate) fn expect(mut self, expected: Expected) -> Self {
        self.expected = Some(expected);
        self
    }

    fn verdict(&self) -> (String, &'static str) {
        let value = self.ratio.map_or(self.ours, |ratio| ratio.median);
        let (text, met) = match self.expected {
            None => return (String::new(), ""),
            Some(Expected::AtLeast(least)) => (format!("≥ {least}"), value >= least),
            Some(Expected::AtMost(most)) => (format!("≤ {most}"), value <= most),
        };
        (text, if met { "met" } else { "missed" })
    }
}

impl Report {
    /// The table.
    pub(crate) fn text(&self) -> String {
        let Machine {
            processor,
            cores,
            kernel,
            load,
            pinned,
            postgres,
            optimised,
        } = &self.machine;
        let mut text = format!(
            "{cores} cores ({processor}), Linux {kernel}, PostgreSQL {postgres}, load {load}; {}\n",
            if *pinned {
                "server and database on one core, clients on another"
            } else {
                "nothing is pinned to a core"
            }
        );
        if !optimised {
            text.push_str("NOT OPTIMISED: these figures mean nothing; use `cargo run --release`\n");
        }
        let Settings {
            rounds,
            looks,
            connections,
            login_rounds,
            logins,
            ..
        } = &self.settings;
        let _ = writeln!(
            text,
            "medians of {rounds} interleaved rounds of {looks} requests over {connections} connections, \
             and of {login_rounds} rounds of {logins} logins\n"
        );
        let number = |value: f64| format!("{value:.*}", usize::from(value.fract() != 0.0) * 2);
        let mut rows = vec![["", "floor", "axum-users", "unit", "ratio", "expected", ""].map(str::to_owned)];
        for figure in &self.figures {
            let ratio = figure.ratio.map_or_else(String::new, |ratio| {
                format!("{:.3} ({:.3}–{:.3})", ratio.median, ratio.least, ratio.most)
            });
            let (expected, met) = figure.verdict();
            rows.push([
                figure.what.clone(),
                figure.floor.map_or_else(String::new, number),
                number(figure.ours),
                figure.unit.to_owned(),
                ratio,
                expected,
                met.to_owned(),
            ]);
        }
        table(&mut text, &rows);
        for asked in &self.statements {
            let _ = writeln!(text, "\n{} ran:", asked.requests);
            for (statement, count) in &asked.statements {
                let _ = writeln!(text, "{count:>6} × {statement}");
            }
        }
        text
    }
}

fn table(text: &mut String, rows: &[[String; 7]]) {
    let width = |column: usize| {
        let widths = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        widths.max().unwrap_or_default()
    };
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            // Numbers stand to the right.
            let width = width(column);
            let _ = match column {
                1 | 2 => write!(line, "{cell:>width$}  "),
                _ => write!(line, "{cell:<width$}  "),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        let of = |values: &[f64]| Spread::of(values.iter().copied()).median;
        assert!((of(&[4.0, 1.0, 3.0]) - 3.0).abs() < 1e-9);
        assert!((of(&[4.0, 1.0, 3.0, 2.0]) - 2.5).abs() < 1e-9);
    }

    #[test]
    fn an_expectation_is_of_the_ratio_where_there_is_one() {
        let figure = Figure::new("x", "µs", 100.0)
            .floor(80.0)
            .expect(Expected::AtLeast(0.85));
        assert_eq!(figure.verdict().1, "met");
        let figure = figure.ratio(Spread::of([0.8]));
        assert_eq!(figure.verdict(), ("≥ 0.85".to_owned(), "missed"));
    }
}
