//! The demo's data set, kept in the cache folder. Which sets are known stands in data/known.json.

use crate::command::{say, shown, status};
use crate::place::Place;
use anyhow::{Result, bail};

/// The set that the demo runs on.
const DEMO: &str = "baron_human";
/// What xtask/py/fetch.py says when pip found no network.
const NO_NETWORK: i32 = 3;

/// Fetches the demo's set; false without a network, where the demo runs on simulated cells.
pub fn fetch(place: &Place) -> Result<bool> {
    say("data set");
    let mut command = place.command(place.venv_bin("python"));
    command.arg(place.script("fetch.py")).arg("data/known.json").arg(DEMO).arg(place.cache()?);
    let ended = status(&mut command)?;
    match ended.code() {
        Some(0) => Ok(true),
        Some(NO_NETWORK) => {
            println!(
                "{DEMO} couldn't be downloaded (no network?): the demo runs on simulated cells instead. \
                 `cargo xtask data` tries again."
            );
            Ok(false)
        }
        _ => bail!("{} failed ({ended})", shown(&command)),
    }
}
