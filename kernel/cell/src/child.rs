//! Server of the child process: loads cells, runs them one after the other on one thread, and replies how each ended.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs::File;
use std::io::Write;
use std::os::fd::FromRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::control_flow::{self, End, Flow};
use crate::protocol::{self, CellEnd, Ran, Reply, Request};
use crate::show;
use crate::store::{self, Left};

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(of: *mut c_void, name: *const c_char) -> *mut c_void;
    fn dlerror() -> *const c_char;
    fn fflush(stream: *mut c_void) -> c_int;
}

const RTLD_NOW: c_int = 2;
#[cfg(target_os = "macos")]
const RTLD_GLOBAL: c_int = 8;
#[cfg(not(target_os = "macos"))]
const RTLD_GLOBAL: c_int = 0x100;
/// Where the loader looks in all that is loaded.
#[cfg(target_os = "macos")]
const RTLD_DEFAULT: *mut c_void = std::ptr::without_provenance_mut(-2_isize as usize);
#[cfg(not(target_os = "macos"))]
const RTLD_DEFAULT: *mut c_void = std::ptr::null_mut();
/// Room for what a cell has on its stack; only what is touched takes memory.
const STACK: usize = 256 << 20;
/// How often text without a line end reaches the notebook.
const FLUSH: Duration = Duration::from_millis(100);

static RUNNING: AtomicBool = AtomicBool::new(false);

thread_local! {
    static IS_CELL: RefCell<bool> = const { RefCell::new(false) };
    static PANICKED_AT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Serves the kernel until it is gone. `socket` is an open file descriptor that belongs to this call.
#[unsafe(no_mangle)]
pub extern "C" fn scdd_child_main(socket: c_int) -> c_int {
    // SAFETY: the descriptor is open and nobody else closes it: the kernel opened it for this process, and hands its number
    // to this function alone.
    let mut requests = unsafe { File::from_raw_fd(socket) };
    let Ok(replies) = requests.try_clone() else { return 1 };
    let (send, receive) = channel();
    let cells = std::thread::Builder::new().name("cell".to_owned()).stack_size(STACK);
    if cells.spawn(move || serve(&receive, replies)).is_err() {
        return 1;
    }
    std::thread::spawn(flush_often);
    while let Ok(request) = protocol::receive(&mut requests) {
        if request == (Request::Stop {}) {
            call(c"scdd_request_stop");
        } else if send.send(request).is_err() {
            return 1;
        }
    }
    // The kernel is gone. Destructors of variables are of no use to anybody any more.
    unsafe extern "C" {
        fn _exit(code: c_int) -> !;
    }
    // SAFETY: it takes a number, may be called from any thread, and runs no code of this process.
    unsafe { _exit(0) }
}

fn flush_often() {
    loop {
        std::thread::sleep(FLUSH);
        if RUNNING.load(Ordering::Relaxed) {
            let _ = std::io::stdout().flush();
        }
    }
}

/// Calls a function of the library without arguments, if there is one of this name.
fn call(name: &CStr) {
    // SAFETY: `name` ends with a zero byte and outlives the call; RTLD_DEFAULT is the loader's own handle.
    let found = unsafe { dlsym(RTLD_DEFAULT, name.as_ptr()) };
    if !found.is_null() {
        // SAFETY: not null, so a function; the names that callers give are exported by `scdd/src/progress/stop.rs` as
        // `extern "C" fn()`, and objects of the library are never unloaded.
        unsafe { std::mem::transmute::<*mut c_void, extern "C" fn()>(found)() };
    }
}

fn serve(requests: &Receiver<Request>, mut replies: File) {
    IS_CELL.set(true);
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !IS_CELL.with_borrow(|is| *is) {
            return default(info);
        }
        let place = info.location().map(|at| format!("{}:{}:{}", at.file(), at.line(), at.column()));
        PANICKED_AT.set(place.unwrap_or_default());
    }));
    for request in requests {
        let reply = match request {
            Request::Load { library } => match load(&library) {
                Ok(_) => Reply::Loaded {},
                Err(reason) => Reply::NotLoaded { reason },
            },
            Request::Run { library, symbol, unnameable } => Reply::Ran { cell: run(&library, &symbol, &unnameable) },
            Request::Forget { names } => {
                store::forget(&names);
                continue;
            }
            Request::Stop {} => continue,
        };
        if protocol::send(&mut replies, &reply).is_err() {
            return;
        }
    }
}

fn load(path: &str) -> Result<*mut c_void, String> {
    let path = CString::new(path).map_err(|error| error.to_string())?;
    // SAFETY: `path` ends with a zero byte and outlives the call. Initialisers of the object run: the kernel had it
    // compiled from a cell, whose author may run any code here.
    let loaded = unsafe { dlopen(path.as_ptr(), RTLD_NOW | RTLD_GLOBAL) };
    if loaded.is_null() {
        // SAFETY: a call of the loader failed on this thread, so there is a text; it is copied before another call.
        return Err(unsafe { CStr::from_ptr(dlerror()) }.to_string_lossy().into_owned());
    }
    Ok(loaded)
}

fn run(path: &str, symbol: &str, unnameable: &[usize]) -> Ran {
    let started = Instant::now();
    let entry = load(path).and_then(|cell| {
        let name = CString::new(symbol).map_err(|error| error.to_string())?;
        // SAFETY: `cell` is a handle from dlopen that is never closed; `name` ends with a zero byte and outlives the call.
        let entry = unsafe { dlsym(cell, name.as_ptr()) };
        if entry.is_null() { Err(format!("found no {symbol} in {path}")) } else { Ok(entry) }
    });
    let load = started.elapsed();
    let entry = match entry {
        // SAFETY: not null, so the function that the kernel wrote into the cell under this symbol, with this signature; the
        // object is never unloaded.
        Ok(entry) => unsafe { std::mem::transmute::<*mut c_void, extern "C" fn()>(entry) },
        Err(reason) => {
            let (end, run) = (CellEnd::NotLoaded { reason }, Duration::ZERO);
            return Ran { end, load, run, shown: Vec::new(), gone: Vec::new(), kept: Vec::new() };
        }
    };
    call(c"scdd_clear_stop");
    PANICKED_AT.take();
    RUNNING.store(true, Ordering::Relaxed);
    let started = Instant::now();
    entry();
    let run = started.elapsed();
    let end = control_flow::end();
    let Left { gone, kept } = store::settle(unnameable, !matches!(end, Some(End::Done)));
    control_flow::sweep();
    RUNNING.store(false, Ordering::Relaxed);
    let _ = std::io::stdout().flush();
    let _ = std::io::stderr().flush();
    // SAFETY: null stands for all of C's output streams.
    unsafe { fflush(std::ptr::null_mut()) };
    let end = match end {
        Some(End::Done) => CellEnd::Done {},
        Some(End::Ended(Flow::Failed(message))) => CellEnd::Failed { message },
        Some(End::Ended(Flow::Panicked(message))) => CellEnd::Panicked { message, location: PANICKED_AT.take() },
        None => CellEnd::Unknown {},
    };
    Ran { end, load, run, shown: show::result(), gone, kept }
}
