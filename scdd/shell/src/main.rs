//! `scdd`: the library in the shell. Each command is a few calls of the library; errors are its own, with how to fix them.
//!
//! Exit codes: 0 done; 1 something went wrong, said on standard error; 2 the command line is wrong; 3 results that don't join:
//! rows are missing, or two files differ. Results go to standard output or to the file of `--out`, everything else to standard
//! error.

mod annotate;
mod benchmark;
mod cells;
mod distill;
mod evaluate;
mod study;
mod train;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use scdd::benchmark::BenchmarkError;

#[derive(Parser)]
#[command(
    name = "scdd",
    version,
    about = "Distils single-cell data sets into a few synthetic cells per class",
    after_help = "Exit codes: 0 done; 1 something went wrong; 2 the command line is wrong; 3 results don't join (merge).\n\
                  SCDD_QUIET=1 turns progress off, BURN_DEVICE=cuda chooses a device."
)]
struct Asked {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Says what an .h5ad file holds.
    Info(cells::Info),
    /// Filters and log-normalises counts.
    Preprocess(cells::Preprocess),
    /// Adds a foundation model's embeddings.
    Embed(cells::Embed),
    /// Pretrains a foundation model on the training cells of a study and writes it.
    Train(train::Train),
    /// Distils a set and writes it as .h5ad.
    Distill(distill::Distill),
    /// Annotates cells with a trained model.
    Annotate(annotate::Annotate),
    /// Evaluates distilled sets beside baselines on the test cells of their study.
    Evaluate(evaluate::Evaluate),
    /// Runs a grid of methods, models, data sets, labels and seeds, such as a table of the paper.
    Benchmark(benchmark::Run),
    /// Joins the results of the shards of a grid.
    Merge(benchmark::Merge),
    /// Shows results: a page of HTML or Markdown, or a paired test.
    Report(benchmark::Report),
    /// Prints completions for a shell: `scdd completions bash > /etc/bash_completion.d/scdd`.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    let asked = Asked::parse();
    match obey(asked.verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::from(code(&*problem))
        }
    }
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn obey(verb: Verb) -> Outcome {
    match verb {
        Verb::Info(command) => command.run(),
        Verb::Preprocess(command) => command.run(),
        Verb::Embed(command) => command.run(),
        Verb::Train(command) => command.run(),
        Verb::Distill(command) => command.run(),
        Verb::Annotate(command) => command.run(),
        Verb::Evaluate(command) => command.run(),
        Verb::Benchmark(command) => command.run(),
        Verb::Merge(command) => command.run(),
        Verb::Report(command) => command.run(),
        Verb::Completions { shell } => {
            clap_complete::generate(shell, &mut Asked::command(), "scdd", &mut std::io::stdout());
            Ok(())
        }
    }
}

/// The exit code of an error.
fn code(problem: &(dyn std::error::Error + 'static)) -> u8 {
    match problem.downcast_ref::<scdd::Error>() {
        Some(scdd::Error::Benchmark(BenchmarkError::Missing { .. } | BenchmarkError::Conflict { .. })) => 3,
        _ => 1,
    }
}

/// One line of JSON, or of words.
fn say(json: bool, value: serde_json::Value, words: impl FnOnce() -> String) {
    if json { println!("{value}") } else { println!("{}", words()) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Asked::command().debug_assert();
    }
}
