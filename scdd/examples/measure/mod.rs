//! Memory and processor time of an example's process, and sparsity patterns of distilled sets. Each example takes some of it.
#![allow(dead_code)]

use scdd::prelude::*;

/// A line of the process's status in bytes (Linux; 0 elsewhere).
pub fn memory(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':')).unwrap_or_default();
    found.split_whitespace().next().and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Resets the peak, and returns the resident memory in bytes.
pub fn reset_peak() -> u64 {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    memory("VmRSS")
}

/// Processor seconds of the process so far, to a hundredth (Linux; 0 elsewhere).
pub fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The fraction of a set's values that are zero where most values of their gene are positive, or the other way round. The time of
/// a step depends on it.
pub fn on_rarer_side_of_zero(set: &Distilled) -> f64 {
    let (expression, cells) = (set.expression(), set.expression().nrows());
    let zeros = expression.columns().into_iter().map(|gene| gene.iter().filter(|value| **value == 0.0).count());
    zeros.map(|zeros| zeros.min(cells - zeros)).sum::<usize>() as f64 / expression.len() as f64
}
