//! Time that the parts of a cell take.

use std::time::Duration;

/// How long the parts of a cell took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// Taking it apart and writing the crate.
    pub split: Duration,
    /// rustc, all calls.
    pub rustc: Duration,
    /// The linker.
    pub link: Duration,
    /// Loading it in the child.
    pub load: Duration,
    /// Its own work.
    pub run: Duration,
    /// From the request to the outcome.
    pub total: Duration,
    /// How often rustc was called.
    pub compilations: usize,
}

impl Times {
    /// One line.
    pub fn in_words(&self) -> String {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        format!(
            "{:.0} ms: split {:.0}, rustc {:.0}, link {:.0}, load {:.0}, run {:.0}\n",
            ms(self.total),
            ms(self.split),
            ms(self.rustc),
            ms(self.link),
            ms(self.load),
            ms(self.run)
        )
    }
}
