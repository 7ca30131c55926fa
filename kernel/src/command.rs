//! The command line: serve a connection file, install, uninstall.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::complete::make;
use crate::install::{Place, install, uninstall};
use crate::jupyter::{self, MakeEngine};

const HELP: &str = "\
Jupyter starts this kernel; you install it once:

    install    [--user | --prefix FOLDER | --sys-prefix] [--name NAME]
    uninstall  [--user | --prefix FOLDER | --sys-prefix] [--name NAME]
    prepare    compile what cells are linked to (set-up does it, else the first start)
    index      describe the library for Tab and Shift-Tab (else done while the first notebook is open)
    -f FILE    serve the connection file FILE

--user        for you, in every Jupyter of yours (this is the default)
--prefix      for the Python environment in FOLDER
--sys-prefix  for the Python environment that is active
--name        what `jupyter kernelspec list` calls it";

/// Does what the arguments ask. `name` and `shown` are the names under which the kernel is installed; `engine` prepares
/// what runs cells, before any thread is started.
pub fn main(name: &str, shown: &str, engine: fn() -> Result<MakeEngine>) -> ExitCode {
    match obey(name, shown, engine, std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn obey(name: &str, shown: &str, engine: fn() -> Result<MakeEngine>, arguments: Vec<String>) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match &words[..] {
        ["-f" | "--control_file", file] => {
            // What is wrong with the engine is told in the notebook, where somebody looks.
            let engine = engine().unwrap_or_else(|error| Box::new(move || Err(error)));
            jupyter::run(&PathBuf::from(file), engine)
        }
        ["install", options @ ..] => {
            let (place, name) = options_of(options, name)?;
            let folder = install(&place, &name, shown)?;
            println!("installed {shown} as {name} in {}", folder.display());
            Ok(())
        }
        ["uninstall", options @ ..] => {
            let (place, name) = options_of(options, name)?;
            let folder = uninstall(&place, &name)?;
            println!("removed {}", folder.display());
            Ok(())
        }
        ["prepare"] => engine()?().map(drop),
        ["index"] => {
            let folder = make::folder()?;
            make::make(&folder, &mut |what| println!("names for Tab and Shift-Tab: {what}"))
        }
        ["--version"] => {
            println!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        [] | ["--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        other => bail!("found {other:?}, expected install, uninstall or -f FILE; --help says more"),
    }
}

fn options_of(mut options: &[&str], name: &str) -> Result<(Place, String)> {
    let (mut place, mut name) = (Place::User, name.to_owned());
    while !options.is_empty() {
        options = match options {
            ["--user", rest @ ..] => {
                place = Place::User;
                rest
            }
            ["--sys-prefix", rest @ ..] => {
                place = Place::SysPrefix;
                rest
            }
            ["--prefix", folder, rest @ ..] => {
                place = Place::Prefix(PathBuf::from(folder));
                rest
            }
            ["--name", given, rest @ ..] => {
                name = (*given).to_owned();
                rest
            }
            other => bail!("found {other:?}, expected --user, --prefix FOLDER, --sys-prefix or --name NAME"),
        };
    }
    Ok((place, name))
}
