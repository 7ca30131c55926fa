//! Tests that were skipped, and whether this machine could have run them.

use std::fmt;

/// A test that printed `skipped: why`.
#[derive(Clone, Debug)]
pub struct Skip {
    pub test: String,
    pub why: String,
}

impl Skip {
    /// Whether the reason doesn't hold here: the processor has AMX, we are root, or it is something that `cargo xtask test` sets up.
    pub fn could_run_here(&self) -> bool {
        let names = |word: &str| self.why.contains(word);
        names("AMX") && has_amx() || names("root") && is_root() || names("isn't built") || names("cargo xtask setup")
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.test, self.why)
    }
}

/// Where Linux says so, and tests don't mask it.
fn has_amx() -> bool {
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    std::env::var_os("SCDD_ISA").is_none() && flags.contains("amx_bf16") && flags.contains("avx512_bf16")
}

/// By the effective user id of this process.
fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_command_sets_up_itself_must_run() {
        let skip = |why: &str| Skip { test: "a".to_owned(), why: why.to_owned() };
        assert!(skip("no names.json; `cargo xtask setup` makes it").could_run_here());
        assert!(!skip("no GPU that this build can use").could_run_here());
    }
}
