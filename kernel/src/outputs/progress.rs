//! Bars that move: a line of the library becomes a display, and later lines update it.
//!
//! ```text
//! SCDD_PROGRESS {"id":3,"task":"SCDG","done":1350,"steps":3000,"seconds":23.1,"state":"loss 0.21","points":[[1350,0.21]]}
//! ```
//!
//! `points` are those that are new since the line before; `end` is "done" or "stopped" in the last line.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::svg;
use crate::engine::Output;

/// A bar moves at most eight times a second.
const EVERY: Duration = Duration::from_millis(125);
/// Over how many seconds the rate is measured.
const RECENT: f64 = 10.0;
/// A curve with more points than this is thinned to half.
const POINTS: usize = 400;

/// Names displays; the library's numbers begin anew in a new child.
static NAMES: AtomicU64 = AtomicU64::new(0);

/// One line of the library.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    id: u64,
    task: String,
    done: u64,
    steps: u64,
    seconds: f64,
    state: String,
    points: Vec<(f64, f64)>,
    end: Option<String>,
}

/// Reads a line; none when it is something else that happens to begin like one.
pub fn parse(line: &str) -> Option<Report> {
    let line: Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let pair = |pair: &Value| Some((pair[0].as_f64()?, pair[1].as_f64()?));
    Some(Report {
        id: line["id"].as_u64()?,
        task: line["task"].as_str()?.to_owned(),
        done: line["done"].as_u64()?,
        steps: line["steps"].as_u64()?,
        seconds: line["seconds"].as_f64()?,
        state: text("state"),
        points: line["points"].as_array().into_iter().flatten().filter_map(pair).collect(),
        end: line["end"].as_str().map(str::to_owned),
    })
}

/// The bars of a cell.
#[derive(Default)]
pub struct Bars {
    bars: HashMap<u64, Bar>,
}

impl Bars {
    /// Takes a line, and shows it unless the bar has just moved.
    pub fn take(&mut self, report: Report, out: &mut dyn FnMut(Output)) {
        let id = report.id;
        let ended = report.end.is_some();
        let bar = self.bars.entry(id).or_insert_with(|| Bar::new(&report));
        bar.take(report);
        if ended {
            bar.show(out);
            self.bars.remove(&id);
        } else {
            bar.show_if_due(out);
        }
    }

    /// Shows what was held back.
    pub fn idle(&mut self, out: &mut dyn FnMut(Output)) {
        self.bars.values_mut().filter(|bar| bar.waits).for_each(|bar| bar.show_if_due(out));
    }

    /// The page has none of them any more: they are shown anew when they move.
    pub fn cleared(&mut self) {
        self.bars.values_mut().for_each(|bar| bar.shown = None);
    }

    /// The cell is over: what has not said its end was left by an error or a panic.
    pub fn finish(&mut self, out: &mut dyn FnMut(Output)) {
        let mut left: Vec<_> = self.bars.drain().collect();
        left.sort_by_key(|(id, _)| *id);
        for (_, mut bar) in left {
            bar.last.end = Some("ended early".into());
            bar.show(out);
        }
    }
}

struct Bar {
    name: String,
    last: Report,
    points: Vec<(f64, f64)>,
    /// Seconds and steps, for the rate.
    recent: VecDeque<(f64, u64)>,
    shown: Option<Instant>,
    waits: bool,
}

impl Bar {
    fn new(report: &Report) -> Self {
        let name = format!("scdd-progress-{}-{}", std::process::id(), NAMES.fetch_add(1, Ordering::Relaxed));
        Self { name, last: report.clone(), points: Vec::new(), recent: VecDeque::new(), shown: None, waits: false }
    }

    fn take(&mut self, report: Report) {
        self.points.extend(report.points.iter().filter(|(_, loss)| loss.is_finite()));
        if self.points.len() > POINTS {
            // Neighbours become their mean, so that a spike stays visible and the cost the same.
            let pair = |pair: &[(f64, f64)]| match pair {
                [a, b] => (b.0, (a.1 + b.1) / 2.0),
                one => one[0],
            };
            self.points = self.points.chunks(2).map(pair).collect();
        }
        self.recent.push_back((report.seconds, report.done));
        while self.recent.len() > 2 && report.seconds - self.recent[0].0 > RECENT {
            self.recent.pop_front();
        }
        self.last = report;
        self.waits = true;
    }

    fn show_if_due(&mut self, out: &mut dyn FnMut(Output)) {
        if self.shown.is_none_or(|shown| shown.elapsed() >= EVERY) {
            self.show(out);
        }
    }

    fn show(&mut self, out: &mut dyn FnMut(Output)) {
        let update = self.shown.replace(Instant::now()).is_some();
        self.waits = false;
        let data = BTreeMap::from([
            ("text/html".to_owned(), self.html().into()),
            ("text/plain".to_owned(), self.plain().into()),
        ]);
        out(Output::Display { data, id: Some(self.name.clone()), update });
    }

    /// Steps a second, lately.
    fn rate(&self) -> Option<f64> {
        let (first, last) = (self.recent.front()?, self.recent.back()?);
        let (seconds, steps) =
            if last.0 > first.0 && last.1 > first.1 { (last.0 - first.0, last.1 - first.1) } else { *last };
        (seconds > 0.0 && steps > 0).then(|| steps as f64 / seconds)
    }

    fn plain(&self) -> String {
        let Report { task, done, steps, seconds, state, end, .. } = &self.last;
        let state = if state.is_empty() { String::new() } else { format!(", {state}") };
        match end.as_deref() {
            Some("done") if done == steps && *steps > 1 => {
                format!("{task}: {} steps in {}{state}", count(*done), duration(*seconds))
            }
            // Enough before all were done, or a single one.
            Some("done") => format!("{task}: done in {}{state}", duration(*seconds)),
            Some(end) => {
                format!("{task}: {end} after {} of {}, {}{state}", count(*done), count(*steps), duration(*seconds))
            }
            None => {
                let percent = (100 * done).checked_div(*steps).unwrap_or(100);
                let speed = self.rate().map_or_else(String::new, |rate| {
                    let left = steps.saturating_sub(*done) as f64 / rate;
                    format!(", {} a second, {} left", rounded(rate), duration(left))
                });
                format!("{task}: {percent} %, {} of {}{speed}{state}", count(*done), count(*steps))
            }
        }
    }

    fn html(&self) -> String {
        let (task, plain) = (escape(&self.last.task), self.plain());
        let rest = escape(plain.strip_prefix(&self.last.task).unwrap_or(&plain));
        let spark = svg::spark(&self.points);
        let curve = svg::curve(&self.points, self.last.steps as f64);
        let line = match self.last.end {
            Some(_) => format!("<b>{task}</b>{rest} {spark}"),
            None => format!(
                "<b>{task}</b> <progress max=\"{}\" value=\"{}\" style=\"width:14em;vertical-align:middle\"></progress>\
                 <span style=\"font-variant-numeric:tabular-nums\">{rest}</span> {spark}",
                self.last.steps.max(1),
                self.last.done,
            ),
        };
        match (curve, &self.last.end) {
            (None, _) => format!("<div>{line}</div>"),
            (Some(curve), None) => format!("<div>{line}</div><div>{curve}</div>"),
            (Some(curve), Some(_)) => format!("<details><summary>{line}</summary>{curve}</details>"),
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// 12,345
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn rounded(rate: f64) -> String {
    if rate >= 100.0 { count(rate.round() as u64) } else { format!("{rate:.1}") }
}

/// 7.3 s, 45 s, 3 min 20 s, 2 h 5 min
fn duration(seconds: f64) -> String {
    match seconds {
        few if few < 10.0 => format!("{few:.1} s"),
        some if some < 100.0 => format!("{some:.0} s"),
        many if many < 7200.0 => format!("{} min {} s", (many / 60.0) as u64, (many % 60.0) as u64),
        hours => format!("{} h {} min", (hours / 3600.0) as u64, (hours % 3600.0 / 60.0) as u64),
    }
}
