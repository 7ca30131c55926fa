//! Tests of the memory of cells: the store and the end of a cell, on cells as the kernel writes them. Each value is dropped
//! once, and none is read after it was moved. `kernel/tests/cell.rs` runs this file, under Miri too where that is installed.
#![feature(specialization, try_trait_v2)]
#![allow(incomplete_features, dead_code)]

#[path = "../src/control_flow.rs"]
mod control_flow;
#[path = "../src/describe.rs"]
mod describe;
#[path = "../src/store.rs"]
mod store;

/// In the place of the real trait, which knows the library's types: the library doesn't run under Miri.
mod shape {
    pub trait ShapeOf {
        fn shape(&self) -> String;
    }

    impl<T> ShapeOf for T {
        fn shape(&self) -> String {
            std::any::type_name::<T>().to_owned()
        }
    }
}

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;

use control_flow::{End, Flow, failed, finish, guard, level};
use store::{Left, again, inside, place, place_local, take, taken};

/// Runs a cell as the child does; whether it came to its end, and what it left behind.
fn run(cell: impl Future<Output = Flow>, unnameable: &[usize]) -> (bool, Left) {
    control_flow::run(cell);
    let done = matches!(control_flow::end(), Some(End::Done));
    let left = store::settle(unnameable, !done, control_flow::in_future);
    control_flow::sweep();
    (done, left)
}

fn names(left: &Left) -> Vec<&str> {
    left.kept.iter().map(|kept| kept.0.as_str()).collect()
}

/// A cell that binds `name` and comes to its end.
fn bind(name: &'static str, value: Rc<u8>) {
    let cell = async move {
        let value = value;
        // SAFETY: a local of this cell.
        unsafe { place(0, name, &raw const value) };
        finish().await
    };
    let (done, left) = run(cell, &[]);
    assert!(done);
    assert_eq!(names(&left), [name]);
}

#[test]
fn a_kept_value_is_taken_used_and_kept_again() {
    let value = Rc::new(1);
    bind("x", value.clone());
    let cell = async {
        let flow = guard(pin!(level(async {
            // SAFETY: `bind` kept a value of this type under this name; the other places are locals of this cell.
            let x: Rc<u8> = unsafe { take("x") };
            unsafe { taken(0, "x", &raw const x) };
            level(async {
                inside(0, &raw const x);
                let y = Rc::clone(&x);
                // SAFETY: a local of this cell.
                unsafe { place(1, "y", &raw const y) };
                finish().await
            })
            .await
        })))
        .await;
        failed(flow).await
    };
    let (done, left) = run(cell, &[]);
    assert!(done && left.gone.is_empty());
    assert_eq!(names(&left), ["x", "y"]);
    assert_eq!(Rc::strong_count(&value), 3);
    store::forget(&["x".to_owned(), "y".to_owned()]);
    assert_eq!(Rc::strong_count(&value), 1);
}

#[test]
fn a_value_that_the_cell_moves_is_gone_and_dropped_once() {
    let value = Rc::new(1);
    bind("x", value.clone());
    let cell = async {
        // SAFETY: as above.
        let x: Rc<u8> = unsafe { take("x") };
        // SAFETY: as above.
        unsafe { taken(0, "x", &raw const x) };
        level(async {
            inside(0, &raw const x);
            drop(x);
            finish().await
        })
        .await
    };
    let (done, left) = run(cell, &[]);
    assert!(done && left.kept.is_empty());
    assert_eq!(left.gone, ["x"]);
    assert_eq!(Rc::strong_count(&value), 1);
}

#[test]
fn a_variable_assigned_to_after_a_move_is_kept() {
    let value = Rc::new(1);
    bind("x", value.clone());
    let cell = async {
        // SAFETY: as above.
        let mut x: Rc<u8> = unsafe { take("x") };
        // SAFETY: as above.
        unsafe { taken(0, "x", &raw const x) };
        level(async {
            inside(0, &raw const x);
            let length = Rc::strong_count(&x) as u8;
            drop(x);
            x = Rc::new(length);
            // SAFETY: as above.
            unsafe { again(0, &raw const x) };
            finish().await
        })
        .await
    };
    let (done, left) = run(cell, &[]);
    assert!(done && left.gone.is_empty());
    assert_eq!(names(&left), ["x"]);
    assert_eq!(Rc::strong_count(&value), 1);
    // SAFETY: as above.
    assert_eq!(*unsafe { take::<Rc<u8>>("x") }, 2);
}

#[test]
fn what_fails_or_panics_leaves_the_variables_of_earlier_cells() {
    for panics in [false, true] {
        let value = Rc::new(1);
        bind("x", value.clone());
        let other = value.clone();
        let cell = async {
            let flow = guard(pin!(level(async {
                // SAFETY: as above.
                let x: Rc<u8> = unsafe { take("x") };
                // SAFETY: as above.
                unsafe { taken(0, "x", &raw const x) };
                let flow = guard(pin!(level(async {
                    inside(0, &raw const x);
                    let y = other;
                    // SAFETY: as above.
                    unsafe { place(1, "y", &raw const y) };
                    if panics {
                        std::panic::resume_unwind(Box::new("on purpose"));
                    }
                    "no number".parse::<u8>()?;
                    finish().await
                })))
                .await;
                failed(flow).await
            })))
            .await;
            failed(flow).await
        };
        let (done, left) = run(cell, &[]);
        assert!(!done && left.gone.is_empty());
        assert_eq!(names(&left), ["x"]);
        assert_eq!(Rc::strong_count(&value), 2, "what the guard held went with it");
        store::forget(&["x".to_owned()]);
        assert_eq!(Rc::strong_count(&value), 1);
    }
}

#[test]
fn what_is_not_kept_is_dropped_at_the_end_of_its_cell() {
    let value = Rc::new(1);
    let (first, second, third) = (value.clone(), value.clone(), value.clone());
    let cell = async {
        let x = first;
        // SAFETY: as above.
        unsafe { place(0, "x", &raw const x) };
        let x = (second, [0_u64; 8]);
        // SAFETY: as above.
        unsafe { place(1, "x", &raw const x) };
        let local = third;
        // SAFETY: as above.
        unsafe { place_local(2, &raw const local) };
        finish().await
    };
    let (_, left) = run(cell, &[]);
    assert_eq!(names(&left), ["x"]);
    assert_eq!(Rc::strong_count(&value), 2, "the earlier `x` and the local are dropped");
    bind("x", Rc::new(2));
    assert_eq!(Rc::strong_count(&value), 1, "the slot's old value is dropped");

    let unnameable = value.clone();
    let cell = async {
        let x = unnameable;
        // SAFETY: as above.
        unsafe { place(0, "x", &raw const x) };
        finish().await
    };
    assert!(run(cell, &[0]).1.kept.is_empty());
    assert_eq!(Rc::strong_count(&value), 1);
}

#[test]
fn a_variable_changed_after_it_was_told_of_is_kept() {
    let cell = async {
        let mut list = vec![Rc::new(1)];
        // SAFETY: as above.
        unsafe { place(0, "list", &raw const list) };
        level(async {
            inside(0, &raw const list);
            list.push(Rc::new(2));
            finish().await
        })
        .await
    };
    assert_eq!(names(&run(cell, &[]).1), ["list"]);
    // SAFETY: as above.
    assert_eq!(unsafe { take::<Vec<Rc<u8>>>("list") }, [Rc::new(1), Rc::new(2)]);
}

#[test]
fn values_without_bytes_are_kept() {
    struct Nothing;
    let cell = async {
        let x = Nothing;
        // SAFETY: as above.
        unsafe { place(0, "x", &raw const x) };
        finish().await
    };
    assert_eq!(names(&run(cell, &[]).1), ["x"]);
    // SAFETY: as above.
    let Nothing = unsafe { take("x") };
}
