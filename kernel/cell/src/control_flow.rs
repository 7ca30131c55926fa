//! Control flow of a cell: polls its future until it is done, has failed or has panicked, and then leaves the future as it is.

use std::any::Any;
use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::ops::FromResidual;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use crate::describe::describe;

/// What the body of a cell returns when `?` ends it.
pub enum Flow {
    /// An error, in words.
    Failed(String),
    /// A panic, in words.
    Panicked(String),
}

/// How a cell ended.
pub(crate) enum End {
    Done,
    Ended(Flow),
}

thread_local! {
    static END: RefCell<Option<End>> = const { RefCell::new(None) };
}

impl<E> FromResidual<Result<Infallible, E>> for Flow {
    fn from_residual(Err(error): Result<Infallible, E>) -> Flow {
        Flow::Failed(describe(&error))
    }
}

impl FromResidual<Option<Infallible>> for Flow {
    fn from_residual(_: Option<Infallible>) -> Flow {
        Flow::Failed("`?` found None".to_owned())
    }
}

/// Tells the compiler what a part of a cell returns, so that `?` in it needs no annotation.
pub fn level<F: Future<Output = Flow>>(part: F) -> F {
    part
}

/// The cell has come to its end. Never ready: what its locals hold stays where it is.
pub fn finish() -> impl Future<Output = Flow> {
    stop_here(End::Done)
}

/// The cell has failed; its outer locals stay where they are.
pub fn failed(flow: Flow) -> impl Future<Output = Flow> {
    stop_here(End::Ended(flow))
}

fn stop_here(end: End) -> impl Future<Output = Flow> {
    let mut end = Some(end);
    std::future::poll_fn(move |_| {
        if let Some(end) = end.take() {
            END.set(Some(end));
        }
        Poll::Pending
    })
}

/// Runs the body and makes a panic in it a [`Flow`].
pub async fn guard(mut body: Pin<&mut dyn Future<Output = Flow>>) -> Flow {
    crate::store::enter();
    let flow =
        std::future::poll_fn(move |context| match catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(context))) {
            Ok(poll) => poll,
            Err(payload) => Poll::Ready(Flow::Panicked(message(&*payload))),
        })
        .await;
    crate::store::leave();
    flow
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message").to_owned()
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a cell to its end. Its future is then freed but not dropped: [`crate::store::settle`] has what it held.
pub fn run<F: Future<Output = Flow>>(cell: F) {
    // A raw pointer from the first poll on: the store reads the cell's locals through pointers that are derived from it.
    let at = Box::into_raw(Box::new(cell));
    // SAFETY: `at` is from a Box, nobody else has it yet, and the future stays where it is until `sweep` frees it.
    drive(unsafe { Pin::new_unchecked(&mut *at) });
    ENDED.with_borrow_mut(|ended| ended.push(Ended { at: at.cast(), free: free::<F> }));
}

/// The future of a cell that has ended.
struct Ended {
    at: *mut (),
    /// Frees it; `at` must be from a Box of the type that this was made for.
    free: unsafe fn(*mut ()),
}

thread_local! {
    static ENDED: RefCell<Vec<Ended>> = const { RefCell::new(Vec::new()) };
}

/// Frees a future without dropping it.
///
/// # Safety
/// `at` is from `Box::into_raw` of a `Box<F>`, and isn't used afterwards.
unsafe fn free<F>(at: *mut ()) {
    // SAFETY: by the caller; ManuallyDrop has the layout of what is in it.
    drop(unsafe { Box::from_raw(at.cast::<ManuallyDrop<F>>()) });
}

/// Frees the memory of ended cells, after what they held was taken.
pub(crate) fn sweep() {
    for Ended { at, free } in ENDED.take() {
        // SAFETY: `run` made both of one type, and `take` leaves no second copy of the pointer.
        unsafe { free(at) };
    }
}

fn drive(mut cell: Pin<&mut dyn Future<Output = Flow>>) {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    END.set(None);
    loop {
        match cell.as_mut().poll(&mut context) {
            Poll::Ready(flow) => END.set(Some(End::Ended(flow))),
            Poll::Pending => {}
        }
        if END.with_borrow(Option::is_some) {
            return;
        }
        std::thread::park();
    }
}

/// How the last cell ended.
pub(crate) fn end() -> Option<End> {
    END.take()
}
