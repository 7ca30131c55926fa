//! How a cell runs: polled until it says that it is done, has failed or has panicked, and then left as it is.

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

use crate::words::words;

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
        Flow::Failed(words(&error))
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
    let mut cell = Box::new(ManuallyDrop::new(cell));
    // Safety: the box isn't moved out of, and freed only after the last poll.
    drive(unsafe { Pin::new_unchecked(&mut **cell) });
    PARKED.with_borrow_mut(|parked| parked.push(Box::into_raw(cell).cast::<u8>() as usize));
    FREE.with_borrow_mut(|free| free.push(free_box::<F>));
}

thread_local! {
    static PARKED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    static FREE: RefCell<Vec<unsafe fn(usize)>> = const { RefCell::new(Vec::new()) };
}

unsafe fn free_box<F>(at: usize) {
    drop(unsafe { Box::from_raw(at as *mut ManuallyDrop<F>) });
}

/// Frees the memory of ended cells, after what they held was taken.
pub(crate) fn sweep() {
    let (parked, free) = (PARKED.take(), FREE.take());
    for (at, free) in parked.into_iter().zip(free) {
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
