//! The store of variables between cells, and the addresses of variables while a cell runs.
//!
//! A cell takes the variables that it names out of the store, as locals of an async block, and tells where each lies
//! ([`place`]). What follows in the cell is a nested async block, which borrows a variable, or owns it if it moves it
//! anywhere: asked again in there ([`inside`]), a moved variable has another address. When the cell ends, its future is
//! not resumed and not dropped, so all locals are as they were, and those that weren't moved go (back) into the store.
//! Thus one compilation does, whatever the cell moves.

use std::alloc::Layout;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::shape::ShapeOf;

/// How to copy, drop and describe a value whose type was known once.
#[derive(Clone, Copy)]
struct Type {
    layout: Layout,
    /// Drops the value behind a pointer, which must be one of this type and isn't used afterwards.
    drop: unsafe fn(*mut u8),
    /// The shape of the value behind a pointer, which must be one of this type.
    shape: unsafe fn(*const u8) -> String,
}

impl Type {
    fn of<T>() -> Type {
        unsafe fn drop<T>(at: *mut u8) {
            // SAFETY: by the caller, `at` is an aligned, initialised `T` that nobody uses afterwards.
            unsafe { std::ptr::drop_in_place(at.cast::<T>()) }
        }
        unsafe fn shape<T>(at: *const u8) -> String {
            // SAFETY: by the caller, `at` is an aligned, initialised `T` that nobody changes meanwhile.
            unsafe { (*at.cast::<T>()).shape() }
        }
        Type { layout: Layout::new::<T>(), drop: drop::<T>, shape: shape::<T> }
    }
}

/// A kept value: its bytes on the heap. Empty while a cell has it.
struct Slot {
    bytes: *mut u8,
    of: Type,
    full: bool,
}

impl Slot {
    fn empty(of: Type) -> Slot {
        let bytes = match of.layout.size() {
            0 => std::ptr::without_provenance_mut(of.layout.align()),
            // SAFETY: the layout isn't empty.
            _ => unsafe { std::alloc::alloc(of.layout) },
        };
        if bytes.is_null() {
            std::alloc::handle_alloc_error(of.layout);
        }
        Slot { bytes, of, full: false }
    }

    /// Moves a value in; the slot must be empty, or what is in it leaks.
    ///
    /// # Safety
    /// `from` is an initialised value of the slot's type, lies elsewhere, and isn't used as a value afterwards.
    unsafe fn put(&mut self, from: *const u8) {
        // SAFETY: `bytes` was allocated for this layout; the rest by the caller.
        unsafe { std::ptr::copy_nonoverlapping(from, self.bytes, self.of.layout.size()) };
        self.full = true;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.full {
            let (of, bytes) = (self.of, self.bytes);
            // A destructor that panics must not take the kernel's child with it.
            // SAFETY: a full slot has a value of its type, which goes with the slot.
            let _ = std::panic::catch_unwind(|| unsafe { (of.drop)(bytes) });
        }
        if self.of.layout.size() > 0 {
            // SAFETY: `empty` allocated it with this layout; the slot, which alone has the pointer, goes.
            unsafe { std::alloc::dealloc(self.bytes, self.of.layout) };
        }
    }
}

/// A variable of the running cell.
struct Placed {
    name: String,
    at: *mut u8,
    of: Type,
    moved: bool,
    kept: bool,
    /// It was in the store before.
    taken: bool,
    /// In how many guards it lies.
    depth: usize,
}

#[derive(Default)]
struct Store {
    slots: BTreeMap<String, Slot>,
    placed: BTreeMap<usize, Placed>,
}

thread_local! {
    static STORE: RefCell<Store> = RefCell::default();
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

fn with<R>(f: impl FnOnce(&mut Store) -> R) -> R {
    STORE.with_borrow_mut(f)
}

/// The value of a kept variable; its slot stays, empty.
///
/// # Safety
/// The variable is there and its type is `T`: the kernel, which wrote the cell, knows both.
pub unsafe fn take<T>(name: &str) -> T {
    let bytes = with(|store| {
        let slot = store.slots.get_mut(name).filter(|slot| slot.full && slot.of.layout == Layout::new::<T>());
        let Some(slot) = slot else { panic!("the kernel has no variable `{name}` any more") };
        slot.full = false;
        slot.bytes
    });
    // SAFETY: a full slot has a value, by the caller of type `T`. It is taken out once: the slot isn't full any more.
    unsafe { bytes.cast::<T>().read() }
}

/// Tells where a variable lies that is to be kept.
///
/// # Safety
/// `at` is a local of the running cell, outside of any call that returns before the cell ends. Until then it has a value, or
/// the cell has moved it on and a call of [`inside`] has told so: [`settle`] takes it from there. The kernel, which wrote
/// the cell, sees to both.
pub unsafe fn place<T: 'static>(id: usize, name: &str, at: *const T) {
    note(id, name, at, true, false);
}

/// Tells where a variable lies that came out of the store.
///
/// # Safety
/// As for [`place`].
pub unsafe fn taken<T>(id: usize, name: &str, at: *const T) {
    note(id, name, at, true, true);
}

/// Tells where a variable lies that ends with the cell.
///
/// # Safety
/// As for [`place`].
pub unsafe fn place_local<T>(id: usize, at: *const T) {
    note(id, "", at, false, false);
}

fn note<T>(id: usize, name: &str, at: *const T, kept: bool, taken: bool) {
    let placed = Placed {
        name: name.to_owned(),
        at: at.cast_mut().cast(),
        of: Type::of::<T>(),
        moved: false,
        kept,
        taken,
        depth: DEPTH.get(),
    };
    with(|store| store.placed.insert(id, placed));
}

/// Tells where a variable lies as seen from the rest of the cell.
pub fn inside<T>(id: usize, at: *const T) {
    with(|store| {
        if let Some(placed) = store.placed.get_mut(&id) {
            placed.moved = placed.at != at.cast_mut().cast();
        }
    });
}

/// Tells at the end of a cell that a variable which was assigned to is there, and where.
///
/// # Safety
/// As for [`place`], and the type is the one that it was placed with.
pub unsafe fn again<T>(id: usize, at: *const T) {
    with(|store| {
        if let Some(placed) = store.placed.get_mut(&id) {
            (placed.at, placed.moved) = (at.cast_mut().cast(), false);
        }
    });
}

/// What a cell left behind.
pub(crate) struct Left {
    /// Names of variables that were moved and are gone.
    pub gone: Vec<String>,
    /// Names and shapes of the variables that the cell used or made and that are kept now.
    pub kept: Vec<(String, String)>,
}

/// A guard begins: a failure in it ends what is placed from now on.
pub(crate) fn enter() {
    DEPTH.set(DEPTH.get() + 1);
}

/// A guard has ended.
pub(crate) fn leave() {
    DEPTH.set(DEPTH.get() - 1);
}

/// Puts what the ended cell still has into the store, and drops what isn't kept; `unnameable` are the ids of variables
/// whose type no later cell could write. Of a cell that has `failed` only the variables of earlier cells are kept.
pub(crate) fn settle(unnameable: &[usize], failed: bool) -> Left {
    let mut placed = with(|store| std::mem::take(&mut store.placed));
    // What lay in a guard that has ended went with it.
    let depth = DEPTH.replace(0);
    placed.retain(|_, variable| variable.depth <= depth);
    if failed {
        placed.values_mut().for_each(|variable| variable.kept &= variable.taken);
    }
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for (id, variable) in placed.iter().filter(|(_, variable)| variable.kept) {
        last.insert(&variable.name, *id);
    }
    let mut ended = Vec::new();
    for (id, variable) in &placed {
        let is_last = last.get(variable.name.as_str()) == Some(id);
        let keep = variable.kept && is_last && !variable.moved && !unnameable.contains(id);
        if keep {
            let mut slot = Slot::empty(variable.of);
            // SAFETY: `place` was promised a value of this type there, as it wasn't moved; the cell's future, which has it, is
            // neither resumed nor dropped.
            unsafe { slot.put(variable.at) };
            let old = with(|store| store.slots.insert(variable.name.clone(), slot));
            // Dropped here and not inside `with`: a destructor is anybody's code.
            drop(old);
        } else if !variable.moved {
            ended.push(variable);
        }
        if variable.kept && is_last && !keep {
            drop(with(|store| store.slots.remove(&variable.name)));
        }
    }
    for variable in ended.iter().rev() {
        let (of, at) = (variable.of, variable.at);
        // SAFETY: as for `put` above; this one goes nowhere else.
        let _ = std::panic::catch_unwind(|| unsafe { (of.drop)(at) });
    }
    let (mut gone, mut kept) = (Vec::new(), Vec::new());
    for (name, id) in last {
        let variable = &placed[&id];
        if variable.moved {
            gone.push(name.to_owned());
        } else if let Some(shape) = describe(name) {
            kept.push((name.to_owned(), shape));
        }
    }
    Left { gone, kept }
}

/// The shape of a kept variable in words.
fn describe(name: &str) -> Option<String> {
    let (bytes, of) = with(|store| store.slots.get(name).map(|slot| (slot.bytes, slot.of)))?;
    // SAFETY: slots that `settle` has filled are full until a cell takes from them, and no cell runs now.
    Some(std::panic::catch_unwind(|| unsafe { (of.shape)(bytes) }).unwrap_or_default())
}

/// Drops kept variables.
pub(crate) fn forget(names: &[String]) {
    for name in names {
        drop(with(|store| store.slots.remove(name)));
    }
}
