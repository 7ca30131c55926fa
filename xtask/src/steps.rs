//! A run of steps that all get their turn: what failed and what was skipped is named at the end, with the seconds of each.
//!
//! A test that can't run on a machine prints `skipped: why` and passes. It is counted as skipped here, not as passed, and named with
//! its reason; one that this machine could run fails the whole ([`skips`](crate::skips)).

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::{say, shown};
use crate::skips::Skip;

/// How many checks a step made.
#[derive(Default, Clone)]
pub struct Count {
    pub passed: u64,
    pub failed: u64,
    /// Tests that the runner left out by itself.
    pub ignored: u64,
    /// Tests that could not run here.
    pub skips: Vec<Skip>,
}

impl Count {
    /// A step that is one check, such as formatting.
    pub fn one() -> Self {
        Self { passed: 1, ..Self::default() }
    }

    fn skipped(&self) -> u64 {
        self.ignored + self.skips.len() as u64
    }
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
            Ok(count) => {
                let error = (count.failed > 0).then(|| format!("{} failed", count.failed));
                (count, error)
            }
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
            let (passed, failed, skipped) = (done.count.passed, done.count.failed, done.count.skipped());
            let verdict = if done.error.is_some() { "FAILED" } else { "ok" };
            println!(
                "{verdict:7} {:32} {seconds:7.1} s  {passed} passed, {failed} failed, {skipped} skipped",
                done.name
            );
        }
        let sum = |part: fn(&Count) -> u64| self.done.iter().map(|done| part(&done.count)).sum::<u64>();
        let skips: Vec<&Skip> = self.done.iter().flat_map(|done| &done.count.skips).collect();
        for skip in &skips {
            println!("skipped {skip}");
        }
        let (passed, skipped) = (sum(|c| c.passed), sum(Count::skipped));
        let must_run: Vec<&Skip> = skips.into_iter().filter(|skip| skip.could_run_here()).collect();
        let failed = sum(|c| c.failed) + must_run.len() as u64;
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
        if let Some(skip) = must_run.first() {
            bail!("this machine can run a test that was skipped: {skip}");
        }
        Ok(())
    }
}

/// Runs a command that counts its own tests, shows what it prints, and adds up what it says. Test runners of Rust are to be given
/// `-- --show-output`: what passed tests printed isn't shown again, but searched for skips.
pub fn counted(command: &mut Command) -> Result<Count> {
    let name = shown(command);
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("{name} couldn't be started"))?;
    let mut reader = Reader::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            if reader.read(&line) {
                println!("{line}");
            }
        }
    }
    let status = child.wait()?;
    if !status.success() && reader.count.failed == 0 {
        bail!("{name} failed ({status})");
    }
    Ok(reader.count)
}

/// Reads what a test runner prints.
#[derive(Default)]
struct Reader {
    count: Count,
    /// The test whose output is being read.
    test: Option<String>,
    /// Whether these are outputs of tests that passed.
    of_passed: bool,
    /// Skips of this test program, which counts them as passed.
    skipped: u64,
}

impl Reader {
    /// Takes a line; whether it is to be shown.
    fn read(&mut self, line: &str) -> bool {
        let text = line.trim();
        match text {
            "successes:" => self.of_passed = true,
            "failures:" => self.of_passed = false,
            _ => {}
        }
        if let Some(test) = text.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
            self.test = Some(test.to_owned());
        }
        if let (Some(why), Some(test)) = (text.strip_prefix("skipped: "), &self.test) {
            self.count.skips.push(Skip { test: test.clone(), why: why.to_owned() });
            self.skipped += 1;
        }
        if let Some(result) = text.strip_prefix("test result: ") {
            self.add(result);
            self.count.passed = self.count.passed.saturating_sub(self.skipped);
            (self.test, self.of_passed, self.skipped) = (None, false, 0);
        }
        !self.of_passed
    }

    /// `ok. 12 passed; 0 failed; 1 ignored; ...`, as cargo and tests/python/run.py print it.
    fn add(&mut self, result: &str) {
        for part in result.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let (Some(number), Some(what)) = (words.next().and_then(|word| word.parse::<u64>().ok()), words.next())
            else {
                continue;
            };
            match what {
                "passed" => self.count.passed += number,
                "failed" => self.count.failed += number,
                "ignored" => self.count.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> (Count, Vec<bool>) {
        let mut reader = Reader::default();
        let shown = lines.iter().map(|line| reader.read(line)).collect();
        (reader.count, shown)
    }

    #[test]
    fn adds_up_what_cargo_says() {
        let (count, _) = read(&[
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured",
            "12 passed",
        ]);
        assert_eq!((count.passed, count.failed, count.skipped()), (15, 2, 1));
    }

    #[test]
    fn a_test_that_says_why_it_was_skipped_is_not_counted_as_passed() {
        let (count, shown) = read(&[
            "successes:",
            "",
            "---- amx::tests::the_unit_multiplies stdout ----",
            "skipped: this processor has no AMX",
            "---- another stdout ----",
            "hello",
            "successes:",
            "    another",
            "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured",
        ]);
        let skip = &count.skips[0];
        assert_eq!((count.passed, count.skipped()), (1, 1));
        assert_eq!(skip.to_string(), "amx::tests::the_unit_multiplies: this processor has no AMX");
        assert_eq!(shown.iter().filter(|shown| **shown).count(), 1, "outputs of passed tests aren't shown");
    }

    #[test]
    fn what_failed_tests_print_is_shown() {
        let (_, shown) = read(&["failures:", "---- broken stdout ----", "left: 1"]);
        assert!(shown.iter().all(|shown| *shown));
    }
}
