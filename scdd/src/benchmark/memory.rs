//! Peak memory of this process, on Linux.

/// Resets the peak, where the system allows it.
pub(super) fn restart() {
    // 5 resets the high-water mark of the resident set (proc_pid_clear_refs(5)).
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The peak since the reset, in MB.
pub(super) fn peak_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes.div_ceil(1024))
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn memory_that_was_held_is_counted() {
        super::restart();
        let held = vec![1u8; 200 << 20];
        assert!(held.iter().map(|&byte| usize::from(byte)).sum::<usize>() == 200 << 20);
        assert!(super::peak_mb().unwrap() >= 200);
    }
}
