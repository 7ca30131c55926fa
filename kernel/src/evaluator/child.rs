//! Client of the child process: starts the process that holds the variables, sends it requests, and waits for replies.
//!
//! The child is this program started again with two environment variables set.

use std::ffi::{CStr, CString, OsString, c_int, c_void};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::interrupt::Interrupt;
use super::output::OutputPump;
use super::protocol::{self, Reply, Request};
use crate::engine::Output;

/// The mark: the shared object that cells are linked to.
const LIBRARY: &str = "SCDD_CELL_LIBRARY";
/// The number of the socket.
const SOCKET: &str = "SCDD_CELL_SOCKET";
/// How long a cell may take to stop before something is said.
const PATIENCE: Duration = Duration::from_secs(2);
const STILL: &str = "Asked to stop. The library stops at its next step; other code doesn't listen: press stop once more to \
                     end it, and the variables with it.\n";
/// Milliseconds without output after which what waited for more is shown.
const IDLE: c_int = 20;
/// Folders where the system's loader looks, for the start of the child only.
#[cfg(target_os = "macos")]
const LOADER_PATH: &str = "DYLD_LIBRARY_PATH";
#[cfg(not(target_os = "macos"))]
const LOADER_PATH: &str = "LD_LIBRARY_PATH";

/// Whether this process was started as a child.
pub fn is_child() -> bool {
    std::env::var_os(LIBRARY).is_some()
}

/// Serves the kernel that started this process, and ends with it. Call it before anything else in `main`.
pub fn main() -> ! {
    let library = std::env::var_os(LIBRARY).unwrap_or_default();
    let socket = std::env::var(SOCKET).ok().and_then(|number| number.parse::<c_int>().ok()).unwrap_or(-1);
    for name in [LIBRARY, SOCKET, LOADER_PATH] {
        // SAFETY: `main` calls this before it starts any thread, so nobody reads the environment meanwhile.
        unsafe { std::env::remove_var(name) };
    }
    let code = match serve(&library, socket) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("the kernel's child can't load what cells are linked to: {why}");
            1
        }
    };
    std::process::exit(code)
}

fn serve(library: &OsString, socket: c_int) -> Result<c_int> {
    let path = CString::new(library.as_bytes())?;
    // SAFETY: names end with a zero byte and outlive the calls; after a failure dlerror has a text on this thread. The object
    // is the one that `prepare` compiled of `kernel/cell`, which exports a function of this signature and is never unloaded.
    unsafe {
        let found = libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL);
        if found.is_null() {
            bail!("{}", CStr::from_ptr(libc::dlerror()).to_string_lossy());
        }
        let main = libc::dlsym(found, c"scdd_child_main".as_ptr());
        if main.is_null() {
            bail!("found no scdd_child_main in it");
        }
        let main = std::mem::transmute::<*mut c_void, extern "C" fn(c_int) -> c_int>(main);
        Ok(main(socket))
    }
}

/// How to start children.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// The shared object that cells are linked to.
    pub library: PathBuf,
    /// Folders with the shared objects that it needs.
    pub folders: Vec<PathBuf>,
}

/// A running child.
#[derive(Debug)]
pub struct Child {
    process: Process,
    socket: File,
    stop: Arc<Interrupt>,
}

/// The child's end.
#[derive(Debug)]
pub struct Dead(pub String);

impl Child {
    /// Starts a child.
    ///
    /// # Errors
    /// When no process can be started.
    pub fn start(how: &Launch, stop: &Arc<Interrupt>) -> Result<Child> {
        let (ours, theirs) = UnixStream::pair().context("making a socket")?;
        let theirs: OwnedFd = theirs.into();
        let number = theirs.as_raw_fd();
        let mut path: Vec<PathBuf> = how.folders.clone();
        path.extend(std::env::var_os(LOADER_PATH).iter().flat_map(std::env::split_paths));
        let mut command = Command::new(&how.program);
        command
            .env(LIBRARY, &how.library)
            .env(SOCKET, number.to_string())
            .env(LOADER_PATH, std::env::join_paths(path)?)
            // The library writes what kernels understand, not bars for terminals.
            .env("EVCXR_IS_RUNTIME", "1")
            .env("SCDD_KERNEL_PROTOCOL", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        // SAFETY: between fork and exec the closure calls fcntl alone, which is async-signal-safe, and allocates nothing.
        unsafe {
            command.pre_exec(move || {
                // Inherited, unlike all else.
                match libc::fcntl(number, libc::F_SETFD, 0) {
                    -1 => Err(std::io::Error::last_os_error()),
                    _ => Ok(()),
                }
            });
        }
        let process = command.spawn().with_context(|| format!("starting {}", how.program.display()))?;
        let ours: OwnedFd = ours.into();
        *stop.socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(ours.try_clone()?.into());
        stop.process.store(process.id() as i32, Ordering::SeqCst);
        for pipe in [process.stdout.as_ref().map(AsRawFd::as_raw_fd), process.stderr.as_ref().map(AsRawFd::as_raw_fd)] {
            let Some(pipe) = pipe else { continue };
            // Reading never waits, and there is room for what threads print between cells.
            // SAFETY: `process` keeps the descriptor open; both calls take numbers.
            unsafe {
                libc::fcntl(pipe, libc::F_SETFL, libc::O_NONBLOCK);
                #[cfg(target_os = "linux")]
                libc::fcntl(pipe, libc::F_SETPIPE_SZ, 1 << 20);
            }
        }
        Ok(Child { process, socket: ours.into(), stop: stop.clone() })
    }

    /// Sends a request that has no reply.
    ///
    /// # Errors
    /// When the child is dead.
    pub fn tell(&mut self, request: &Request) -> std::result::Result<(), Dead> {
        protocol::send(&mut self.socket, request).map_err(|_| self.dead())
    }

    /// Sends a request, and passes on the child's output until the reply is there.
    ///
    /// # Errors
    /// When it dies before.
    pub fn ask(&mut self, request: &Request, out: &mut dyn FnMut(Output)) -> std::result::Result<Reply, Dead> {
        let mut pipes = OutputPump::default();
        let mut words = String::new();
        let out = &mut |output| {
            if let Output::Stderr(text) = &output {
                words.push_str(text);
                let cut = words.len().saturating_sub(1000);
                words.drain(..words.ceil_char_boundary(cut));
            }
            out(output);
        };
        let mut patience = Some(Instant::now());
        self.stop.running.store(matches!(request, Request::Run { .. }), Ordering::SeqCst);
        let reply = match self.tell(request) {
            Err(dead) => Err(dead),
            Ok(()) => loop {
                let ready = self.wait();
                match patience {
                    Some(_) if self.stop.pressed() == 0 => patience = Some(Instant::now()),
                    Some(since) if since.elapsed() > PATIENCE => {
                        patience = None;
                        out(Output::Stderr(STILL.to_owned()));
                    }
                    _ => {}
                }
                if !pipes.pass(&mut self.process, out) {
                    pipes.outputs.idle(out);
                }
                if ready {
                    break protocol::receive(&mut self.socket).map_err(|_| self.dead());
                }
            },
        };
        self.stop.running.store(false, Ordering::SeqCst);
        // It has written all before it answered.
        pipes.pass(&mut self.process, out);
        pipes.finish(out);
        if words.contains("has overflowed its stack") {
            return reply.map_err(|_| Dead("its stack was full, which an endless recursion does".to_owned()));
        }
        reply
    }

    /// Waits for output or for the answer; whether the answer is there.
    fn wait(&self) -> bool {
        let watch = |fd: Option<c_int>| libc::pollfd { fd: fd.unwrap_or(-1), events: libc::POLLIN, revents: 0 };
        let out = self.process.stdout.as_ref().map(AsRawFd::as_raw_fd);
        let err = self.process.stderr.as_ref().map(AsRawFd::as_raw_fd);
        let mut watched = [watch(Some(self.socket.as_raw_fd())), watch(out), watch(err)];
        // SAFETY: the array has this length and outlives the call.
        unsafe { libc::poll(watched.as_mut_ptr(), 3, IDLE) };
        watched[0].revents != 0
    }

    fn dead(&mut self) -> Dead {
        let _ = self.process.kill();
        let how = self.process.wait().map_or_else(|error| error.to_string(), in_words);
        Dead(how)
    }

    /// Bytes of memory that the child has.
    pub fn memory(&self) -> Option<u64> {
        memory(self.process.id())
    }
}

/// Bytes of memory that a process has, where the system tells.
pub fn memory(process: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

impl Drop for Child {
    fn drop(&mut self) {
        self.stop.process.store(0, Ordering::SeqCst);
        *self.stop.socket.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // SAFETY: a call that takes numbers. The group is the child's own (`process_group(0)`), and its id isn't anybody else's
        // before the `wait` below.
        unsafe { libc::kill(-(self.process.id() as i32), libc::SIGKILL) };
        let _ = self.process.wait();
    }
}

fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended itself with code {code}"),
        (_, Some(libc::SIGKILL)) => "it was killed (by you, or by the system when memory ran out)".to_owned(),
        (_, Some(libc::SIGSEGV)) => "it touched memory that isn't its own, or its stack was full".to_owned(),
        (_, Some(libc::SIGABRT)) => "it aborted".to_owned(),
        (_, Some(signal)) => format!("signal {signal} ended it"),
        _ => "nobody knows why".to_owned(),
    }
}

/// The shared objects of std, which a child needs before anything else.
pub fn std_folder(sysroot: &Path, triple: &str) -> PathBuf {
    sysroot.join("lib/rustlib").join(triple).join("lib")
}
