//! A list of cells through an engine, and what each cost.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use super::child::memory;
use super::{Evaluator, Times};
use crate::engine::{Engine, Outcome};

/// What stands between two cells in a list.
pub const MARK: &str = "//%%";

/// The cells of a list, each with the title behind its mark.
pub fn cells(list: &str) -> Vec<(String, String)> {
    let parts = list.split(MARK).skip(1).filter_map(|part| part.split_once('\n'));
    parts.map(|(title, code)| (title.trim().to_owned(), code.trim_end().to_owned())).collect()
}

/// Runs a list and prints a line of JSON per cell, then one with the median and the 95th percentile of the seconds beyond
/// the cells' own work.
///
/// # Errors
/// When the engine can't go on, or a cell fails.
pub fn run(list: &str) -> Result<()> {
    let started = Instant::now();
    let mut evaluator = Evaluator::open()?;
    println!("{}", json!({"bench": "kernel", "case": "ready", "seconds": started.elapsed().as_secs_f64()}));
    let mut beyond = Vec::new();
    let mut peak = 0;
    for (title, code) in cells(list) {
        let outcome = evaluator.execute(&code, &mut |_| {})?;
        if let Outcome::Failed { traceback, .. } = outcome {
            anyhow::bail!("the cell {title:?} failed: {}", traceback.join("\n"));
        }
        let times = evaluator.times();
        println!("{}", line(&title, &times));
        beyond.push(times.total.saturating_sub(times.run).as_secs_f64());
        peak = peak.max(memory(std::process::id()).unwrap_or(0));
    }
    beyond.sort_by(f64::total_cmp);
    let at = |part: f64| beyond.get(((beyond.len() as f64 * part).ceil() as usize).saturating_sub(1)).copied();
    println!(
        "{}",
        json!({"bench": "kernel", "case": "all", "cells": beyond.len(), "median": at(0.5), "p95": at(0.95),
               "kernel_MiB": peak >> 20, "child_MiB": evaluator.child_memory().map(|bytes| bytes >> 20)})
    );
    Ok(())
}

fn line(title: &str, times: &Times) -> serde_json::Value {
    let seconds = |time: Duration| (time.as_secs_f64() * 1e4).round() / 1e4;
    json!({
        "bench": "kernel", "case": title, "split": seconds(times.split), "rustc": seconds(times.rustc),
        "link": seconds(times.link), "load": seconds(times.load), "run": seconds(times.run),
        "beyond": seconds(times.total.saturating_sub(times.run)), "compilations": times.compilations,
    })
}
