//! In the process that runs cells: the stop button reaches the library.
//!
//! A thread waits for two signals, and calls `scdd_request_stop` or `scdd_clear_stop` in the library's shared object.
//! evcxr loads cells so that their symbols aren't global, hence the object is looked for by its name.

use std::ffi::{CStr, c_char, c_int, c_void};

/// Asks for the stop of what runs.
pub const STOP: c_int = libc::SIGINT;
/// A new cell begins.
pub const CLEAR: c_int = libc::SIGUSR1;

/// Starts the thread. Must be called before any other is there: they all inherit that the signals wait.
pub fn listen_for_stop() {
    // SAFETY: zeros are a value of the set, which sigemptyset initialises; it outlives the calls.
    let signals = unsafe {
        let mut signals = std::mem::zeroed();
        libc::sigemptyset(&mut signals);
        libc::sigaddset(&mut signals, STOP);
        libc::sigaddset(&mut signals, CLEAR);
        libc::pthread_sigmask(libc::SIG_BLOCK, &signals, std::ptr::null_mut());
        signals
    };
    std::thread::spawn(move || {
        loop {
            let mut signal = 0;
            // SAFETY: the set is initialised.
            if unsafe { libc::sigwait(&signals, &mut signal) } != 0 {
                return;
            }
            call(if signal == STOP { c"scdd_request_stop" } else { c"scdd_clear_stop" });
        }
    });
}

/// Calls a function of the library, when it is loaded.
fn call(symbol: &CStr) {
    let Some(object) = library() else { return };
    // SAFETY: RTLD_NOLOAD only gives a handle on what is loaded already, which stays loaded by evcxr's own handle; the library
    // exports functions of these names as `extern "C" fn()`.
    unsafe {
        let handle = libc::dlopen(object.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
        if handle.is_null() {
            return;
        }
        let found = libc::dlsym(handle, symbol.as_ptr());
        if !found.is_null() {
            let function = std::mem::transmute::<*mut c_void, extern "C" fn()>(found);
            function();
        }
        libc::dlclose(handle);
    }
}

/// The path under which the library's shared object is loaded.
fn library() -> Option<std::ffi::CString> {
    unsafe extern "C" fn look(info: *mut libc::dl_phdr_info, _: usize, found: *mut c_void) -> c_int {
        // SAFETY: the loader gives a valid entry whose name ends with a zero byte, and `found` is the option below, which nobody
        // else uses during the call.
        unsafe {
            let name: *const c_char = (*info).dlpi_name;
            if !name.is_null() && CStr::from_ptr(name).to_string_lossy().contains("libscdd_facade") {
                *found.cast::<Option<std::ffi::CString>>() = Some(CStr::from_ptr(name).to_owned());
                return 1;
            }
        }
        0
    }
    let mut found: Option<std::ffi::CString> = None;
    // SAFETY: `look` keeps nothing, and `found` outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut found).cast()) };
    found
}
