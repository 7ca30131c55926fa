//! Benchmarks of the evaluator: runs a list of cells, or many small ones, and prints what each cost.

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
    // SAFETY: zeros are a value of this struct of numbers, which the call fills.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage
    };
    let time = |t: libc::timeval| Duration::from_secs(t.tv_sec as u64) + Duration::from_micros(t.tv_usec as u64);
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// Of a session with many cells: these, again and again, each with a number in it so that none is the same.
const MANY: [&str; 10] = [
    "let x = N_usize;",
    "x * 2 + N",
    "fn f(a: usize) -> usize { a + N }",
    "f(x)",
    "let list: Vec<usize> = (0..N % 50).map(|i| i + x).collect();",
    "list.iter().sum::<usize>()",
    "println!(\"{} {}\", list.len(), N);",
    "let text = format!(\"{x} of {list:?}\");",
    "let parsed: f64 = \"N.5\".parse()?;",
    "let list = { let mut list = list; list.push(N); list };",
];
/// Cells at the beginning and at the end that are compared.
const COMPARED: usize = 50;

/// Runs many small cells in one session and prints what has grown: memory, open files and the session's folder after the
/// first cells and after the last, and the median seconds of a cell.
///
/// # Errors
/// When the engine can't go on, or a cell fails.
pub fn many(cells: usize) -> Result<()> {
    let mut evaluator = Evaluator::open()?;
    let (mut seconds, mut loads) = (Vec::new(), Vec::new());
    for number in 0..cells.max(2 * COMPARED) {
        let code = MANY[number % MANY.len()].replace('N', &(number + 1).to_string());
        if let Outcome::Failed { traceback, .. } = evaluator.execute(&code, &mut |_| {})? {
            anyhow::bail!("the cell {code:?} failed: {}", traceback.join("\n"));
        }
        seconds.push(evaluator.times().total.as_secs_f64());
        loads.push(evaluator.times().load.as_secs_f64());
        let run = number + 1;
        if run == COMPARED || run.is_multiple_of(250) || run == cells.max(2 * COMPARED) {
            let kib = |bytes: Option<u64>| bytes.map(|bytes| bytes >> 10);
            let files = std::fs::read_dir("/proc/self/fd").map(Iterator::count).ok();
            println!(
                "{}",
                json!({"bench": "kernel", "case": "many cells", "cells": run,
                       "median_of_last_50": median(&seconds[run - COMPARED..]), "load_of_last_50": median(&loads[run - COMPARED..]),
                       "kernel_KiB": kib(memory(std::process::id())), "child_KiB": kib(evaluator.child_memory()),
                       "files_open": files, "folder_KiB": own_size(evaluator.folder()) >> 10})
            );
        }
    }
    Ok(())
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// Bytes of the files that lie in a folder itself; what is linked lies deeper.
fn own_size(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).filter(|found| found.is_file()).map(|found| found.len()).sum()
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
