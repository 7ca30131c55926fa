//! A run of steps that all get their turn: what failed is named at the end, with the seconds of each.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::{say, shown};

/// How many checks a step made.
#[derive(Default, Clone, Copy)]
pub struct Count {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
}

impl Count {
    /// A step that is one check, such as formatting.
    pub const ONE: Count = Count { passed: 1, failed: 0, skipped: 0 };
}

struct Done {
    name: &'static str,
    time: Duration,
    count: Count,
    error: Option<String>,
}

/// The steps that have run.
#[derive(Default)]
pub struct Steps {
    done: Vec<Done>,
}

impl Steps {
    /// Runs one step and keeps how it ended.
    pub fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<Count>) {
        say(name);
        let began = Instant::now();
        let (count, error) = match work() {
            Ok(count) if count.failed > 0 => (count, Some(format!("{} failed", count.failed))),
            Ok(count) => (count, None),
            Err(error) => (Count { failed: 1, ..Count::default() }, Some(format!("{error:#}"))),
        };
        if let Some(error) = &error {
            println!("{name}: FAILED: {error}");
        }
        self.done.push(Done { name, time: began.elapsed(), count, error });
    }

    /// Prints the table and the line that sums it up; an error when anything failed.
    pub fn close(self) -> Result<()> {
        println!();
        for done in &self.done {
            let seconds = done.time.as_secs_f64();
            let Count { passed, failed, skipped } = done.count;
            let verdict = if done.error.is_some() { "FAILED" } else { "ok" };
            println!(
                "{verdict:7} {:32} {seconds:7.1} s  {passed} passed, {failed} failed, {skipped} skipped",
                done.name
            );
        }
        let sum = |part: fn(&Count) -> u64| self.done.iter().map(|done| part(&done.count)).sum::<u64>();
        let (passed, failed, skipped) = (sum(|c| c.passed), sum(|c| c.failed), sum(|c| c.skipped));
        let time: Duration = self.done.iter().map(|done| done.time).sum();
        println!(
            "{passed} passed, {failed} failed, {skipped} skipped in {} steps, {:.0} s",
            self.done.len(),
            time.as_secs_f64()
        );
        let failed: Vec<_> = self.done.iter().filter(|done| done.error.is_some()).map(|done| done.name).collect();
        if !failed.is_empty() {
            bail!("failed: {}", failed.join(", "));
        }
        Ok(())
    }
}

/// Runs a command that counts its own tests, shows what it prints, and adds up what it says.
pub fn counted(command: &mut Command) -> Result<Count> {
    let name = shown(command);
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("{name} couldn't be started"))?;
    let mut count = Count::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            println!("{line}");
            add(&line, &mut count);
        }
    }
    let status = child.wait()?;
    if !status.success() && count.failed == 0 {
        bail!("{name} failed ({status})");
    }
    Ok(count)
}

/// `test result: ok. 12 passed; 0 failed; 1 ignored; ...`, as cargo and tests/python/run.py print it.
fn add(line: &str, count: &mut Count) {
    let Some(result) = line.trim_start().strip_prefix("test result: ") else { return };
    for part in result.split(['.', ';']) {
        let mut words = part.split_whitespace();
        let (Some(number), Some(what)) = (words.next().and_then(|word| word.parse::<u64>().ok()), words.next()) else {
            continue;
        };
        match what {
            "passed" => count.passed += number,
            "failed" => count.failed += number,
            "ignored" => count.skipped += number,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_what_cargo_says() {
        let mut count = Count::default();
        add(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            &mut count,
        );
        add("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured", &mut count);
        add("12 passed", &mut count);
        assert_eq!((count.passed, count.failed, count.skipped), (15, 2, 1));
    }
}
