//! Figures of one or several rounds, of one subject or two: median, lowest, highest and ratio, as text or JSON. Pure.

use super::units::{grouped, kib, micros, rate};
use serde_json::{Map, Value, json};

/// How a figure is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A second.
    Rate,
    /// Microseconds.
    Micros,
    /// KiB.
    Kib,
    /// A plain count.
    Count,
    /// CPU cores, ratios.
    Plain,
    /// Seconds.
    Seconds,
    /// Bytes a second.
    Bandwidth,
}

/// One figure of one round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// Name in JSON.
    pub key: &'static str,
    /// Name in text.
    pub label: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// Its value.
    pub value: f64,
}

/// A figure.
pub fn figure(key: &'static str, label: &'static str, unit: Unit, value: f64) -> Figure {
    Figure {
        key,
        label,
        unit,
        value,
    }
}

/// All rounds of one subject: a broker or the relay.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// Each round's figures.
    pub rounds: Vec<Vec<Figure>>,
    /// Each round in full, for JSON.
    pub details: Vec<Value>,
}

/// Median, lowest and highest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle value, or the mean of the two middle ones.
    pub median: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
}

impl Spread {
    /// None of no values.
    pub fn of(mut values: Vec<f64>) -> Option<Spread> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            (values[middle - 1] + values[middle]) / 2.0
        };
        Some(Spread { median, min, max })
    }

    fn json(&self) -> Value {
        json!({ "median": rounded(self.median), "min": rounded(self.min), "max": rounded(self.max) })
    }
}

impl Subject {
    /// The figures that any round has, in their order.
    fn keys(&self) -> Vec<Figure> {
        let mut keys: Vec<Figure> = Vec::new();
        for figure in self.rounds.iter().flatten() {
            if keys.iter().all(|known| known.key != figure.key) {
                keys.push(*figure);
            }
        }
        keys
    }

    fn values(&self, key: &str) -> Vec<Option<f64>> {
        let value = |round: &Vec<Figure>| {
            round
                .iter()
                .find(|figure| figure.key == key)
                .map(|figure| figure.value)
        };
        self.rounds.iter().map(value).collect()
    }

    /// Over all rounds.
    pub fn spread(&self, key: &str) -> Option<Spread> {
        Spread::of(self.values(key).into_iter().flatten().collect())
    }

    /// This subject's figure over the other's, round by round.
    pub fn ratio(&self, other: &Subject, key: &str) -> Option<Spread> {
        let pairs = self.values(key).into_iter().zip(other.values(key));
        let ratios = pairs.filter_map(|pair| match pair {
            (Some(ours), Some(theirs)) if theirs > 0.0 => Some(ours / theirs),
            _ => None,
        });
        Spread::of(ratios.collect())
    }

    fn summary(&self) -> Value {
        let spreads = self
            .keys()
            .into_iter()
            .filter_map(|figure| Some((figure.key.to_owned(), self.spread(figure.key)?.json())));
        Value::Object(spreads.collect::<Map<_, _>>())
    }
}

/// Everything as JSON. Ratios are the first subject's figures over the second's.
pub fn json(command: &str, load: &str, subjects: &[Subject]) -> Value {
    let each = subjects.iter().map(|subject| json!({ "name": subject.name, "summary": subject.summary(), "rounds": subject.details }));
    let mut all = json!({ "command": command, "load": load, "subjects": each.collect::<Vec<_>>() });
    if let [first, second] = subjects {
        let ratios = first.keys().into_iter().filter_map(|figure| {
            Some((
                figure.key.to_owned(),
                first.ratio(second, figure.key)?.json(),
            ))
        });
        all["ratios"] = Value::Object(ratios.collect());
    }
    all
}

/// Everything as text: a column for each subject, and their ratio.
pub fn text(load: &str, subjects: &[Subject]) -> String {
    let Some(first) = subjects.first() else {
        return String::new();
    };
    let rounds = first.rounds.len();
    let mut rows = vec![vec![String::new()]];
    rows[0].extend(subjects.iter().map(|subject| subject.name.clone()));
    if subjects.len() == 2 {
        rows[0].push("first / second".to_owned());
    }
    let mut keys = first.keys();
    for figure in subjects.iter().skip(1).flat_map(Subject::keys) {
        if keys.iter().all(|known| known.key != figure.key) {
            keys.push(figure);
        }
    }
    for figure in keys {
        let mut row = vec![figure.label.to_owned()];
        for subject in subjects {
            row.push(subject.spread(figure.key).map_or_else(
                || "-".to_owned(),
                |spread| shown(figure.unit, &spread, rounds),
            ));
        }
        if let [first, second] = subjects {
            row.push(
                first
                    .ratio(second, figure.key)
                    .map_or_else(String::new, |ratio| shown(Unit::Plain, &ratio, rounds)),
            );
        }
        rows.push(row);
    }
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| {
            rows.iter()
                .map(|row| row.get(column).map_or(0, |cell| cell.chars().count()))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut out = format!("{load}\n");
    if rounds > 1 {
        out.push_str(&format!("median [lowest .. highest] of {rounds} rounds\n"));
    }
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

fn shown(unit: Unit, spread: &Spread, rounds: usize) -> String {
    let show = |value| written(unit, value);
    match rounds {
        0 | 1 => show(spread.median),
        _ => format!(
            "{} [{} .. {}]",
            show(spread.median),
            show(spread.min),
            show(spread.max)
        ),
    }
}

fn written(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Rate => rate(value),
        Unit::Micros => micros(value),
        Unit::Kib => kib(value),
        Unit::Count => grouped(value.round() as u64),
        Unit::Plain if value.abs() < 10.0 => format!("{value:.3}"),
        Unit::Plain => format!("{value:.1}"),
        Unit::Seconds => format!("{value:.3} s"),
        Unit::Bandwidth => format!("{:.0} MB/s", value / 1e6),
    }
}

/// JSON numbers with at most six digits after the point.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(name: &str, rates: &[f64]) -> Subject {
        let rounds = rates
            .iter()
            .map(|rate| vec![figure("consume_rate", "consumed", Unit::Rate, *rate)])
            .collect();
        Subject {
            name: name.to_owned(),
            rounds,
            details: vec![],
        }
    }

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(
            Spread::of(vec![3.0, 1.0, 2.0]),
            Some(Spread {
                median: 2.0,
                min: 1.0,
                max: 3.0
            })
        );
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of(vec![]), None);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let (ours, theirs) = (
            subject("a", &[100.0, 300.0, 90.0]),
            subject("b", &[50.0, 100.0, 90.0]),
        );
        assert_eq!(
            ours.ratio(&theirs, "consume_rate"),
            Some(Spread {
                median: 2.0,
                min: 1.0,
                max: 3.0
            })
        );
        let value = json("run", "load", &[ours, theirs]);
        assert_eq!(value["ratios"]["consume_rate"]["median"], 2.0);
        assert_eq!(
            value["subjects"][0]["summary"]["consume_rate"]["max"],
            300.0
        );
    }

    #[test]
    fn text_has_a_column_for_each_subject() {
        let text = text(
            "load",
            &[
                subject("amqp://a", &[1000.0, 2000.0, 1500.0]),
                subject("relay", &[3000.0, 3000.0, 3000.0]),
            ],
        );
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "median [lowest .. highest] of 3 rounds");
        assert!(lines[2].contains("amqp://a") && lines[2].ends_with("first / second"));
        assert!(
            lines[3].starts_with("consumed  1,500/s [1,000/s .. 2,000/s]"),
            "{text}"
        );
        assert!(lines[3].contains("0.500 [0.333 .. 0.667]"), "{text}");
        assert_eq!(super::text("x", &[]), "");
    }
}
