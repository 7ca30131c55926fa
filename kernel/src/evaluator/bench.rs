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
    let (mut beyond, mut used) = (Vec::new(), Vec::new());
    let mut peak = 0;
    for (title, code) in cells(list) {
        let before = children_cpu();
        let outcome = evaluator.execute(&code, &mut |_| {})?;
        let cpu = children_cpu().saturating_sub(before);
        if let Outcome::Failed { traceback, .. } = outcome {
            anyhow::bail!("the cell {title:?} failed: {}", traceback.join("\n"));
        }
        let times = evaluator.times();
        println!("{}", line(&title, &times, cpu));
        used.push(cpu.as_secs_f64());
        beyond.push(times.total.saturating_sub(times.run).as_secs_f64());
        peak = peak.max(memory(std::process::id()).unwrap_or(0));
    }
    beyond.sort_by(f64::total_cmp);
    used.sort_by(f64::total_cmp);
    let at = |sorted: &[f64], part: f64| {
        sorted.get(((sorted.len() as f64 * part).ceil() as usize).saturating_sub(1)).copied()
    };
    println!(
        "{}",
        json!({"bench": "kernel", "case": "all", "cells": beyond.len(), "median": at(&beyond, 0.5), "p95": at(&beyond, 0.95),
               "cpu_median": at(&used, 0.5), "cpu_p95": at(&used, 0.95),
               "kernel_MiB": peak >> 20, "child_MiB": evaluator.child_memory().map(|bytes| bytes >> 20)})
    );
    Ok(())
}

/// Processor time of the compilers and linkers that have ended: what a cell costs on a machine that does nothing else.
fn children_cpu() -> Duration {
    // Safety: a plain struct of numbers, filled by the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage
    };
    let time = |t: libc::timeval| Duration::from_secs(t.tv_sec as u64) + Duration::from_micros(t.tv_usec as u64);
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// Runs a list through any engine, of which only the whole time of a cell is known.
///
/// # Errors
/// When the engine can't go on, or a cell fails.
pub fn whole(list: &str, name: &str, engine: &mut dyn Engine) -> Result<()> {
    let mut all = Vec::new();
    for (title, code) in cells(list) {
        let started = Instant::now();
        if let Outcome::Failed { traceback, .. } = engine.execute(&code, &mut |_| {})? {
            anyhow::bail!("the cell {title:?} failed in {name}: {}", traceback.join("\n"));
        }
        all.push(started.elapsed().as_secs_f64());
        println!("{}", json!({"bench": "kernel", "engine": name, "case": title, "total": all.last()}));
    }
    all.sort_by(f64::total_cmp);
    let median = all.get(all.len() / 2);
    println!(
        "{}",
        json!({"bench": "kernel", "engine": name, "case": "all", "cells": all.len(), "median_total": median})
    );
    Ok(())
}

fn line(title: &str, times: &Times, cpu: Duration) -> serde_json::Value {
    let seconds = |time: Duration| (time.as_secs_f64() * 1e4).round() / 1e4;
    json!({
        "bench": "kernel", "case": title, "split": seconds(times.split), "rustc": seconds(times.rustc),
        "link": seconds(times.link), "load": seconds(times.load), "run": seconds(times.run),
        "cpu": seconds(cpu), "total": seconds(times.total),
        "beyond": seconds(times.total.saturating_sub(times.run)), "compilations": times.compilations,
    })
}
