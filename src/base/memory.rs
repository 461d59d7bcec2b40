//! How many bytes the current thread holds: the measure behind the memory budget of scripts.
//!
//! Rhai limits the size of each value, not of all values together: a closure over an array of long strings reaches
//! hundreds of megabytes before the limit on its result is looked at. So the allocator itself counts.
//! Here too is the one word that is said to the system's allocator: that it hand back what was freed.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, with a count of live bytes per thread.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    // Constant and without a destructor: reading it never allocates, not even while a thread begins or ends.
    static LIVE_BYTES: Cell<i64> = const { Cell::new(0) };
}

/// Bytes that this thread allocated and has not freed. Memory that another thread frees is not subtracted here, so
/// only differences over a stretch of work on one thread mean something; they may be negative.
pub fn live_bytes() -> i64 {
    LIVE_BYTES.try_with(Cell::get).unwrap_or(0)
}

/// Hands memory that was freed back to the system: the allocator keeps it otherwise, and a limit on what the process takes
/// would count it. Takes a while and holds up other threads' allocations: not for a worker, and not often.
///
/// # Source
/// `malloc_trim(3)`.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "a call of the system's allocator, which has no safe interface for it")]
pub fn give_back() {
    // SAFETY: takes no pointer, and may be called by any thread at any time.
    unsafe { libc::malloc_trim(0) };
}

/// Other systems' allocators hand freed memory back by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back() {}

fn count(bytes: usize, sign: i64) {
    let change = sign * i64::try_from(bytes).unwrap_or(i64::MAX);
    // A thread that is being torn down has no counter any more, and nobody asks for it.
    let _ = LIVE_BYTES.try_with(|live| live.set(live.get().wrapping_add(change)));
}

#[expect(
    unsafe_code,
    reason = "a global allocator is an unsafe trait; every call is passed on to the system's unchanged"
)]
// SAFETY: each method hands its arguments to `System` unchanged and returns what `System` returned, so the contract
// of `GlobalAlloc` holds because it holds for `System`. Counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's obligations are the same as those of `System.alloc`.
        let block = unsafe { System.alloc(layout) };
        if !block.is_null() {
            count(layout.size(), 1);
        }
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's obligations are the same as those of `System.alloc_zeroed`.
        let block = unsafe { System.alloc_zeroed(layout) };
        if !block.is_null() {
            count(layout.size(), 1);
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: the block came from `System` through this allocator, with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the block came from `System` through this allocator, with this layout.
        let moved = unsafe { System.realloc(block, layout, size) };
        if !moved.is_null() {
            count(layout.size(), -1);
            count(size, 1);
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_and_what_is_freed_is_not() {
        let before = live_bytes();
        let mut block: Vec<u8> = Vec::with_capacity(1 << 20);
        assert_eq!(live_bytes() - before, 1 << 20);
        block.reserve_exact(1 << 21);
        assert!(live_bytes() - before >= 1 << 21);
        drop(block);
        assert_eq!(live_bytes(), before);
    }

    #[test]
    fn another_threads_memory_is_not_counted_here() {
        let before = live_bytes();
        let theirs = std::thread::spawn(|| {
            let start = live_bytes();
            let held = vec![0u8; 1 << 20];
            let grown = live_bytes() - start;
            drop(held);
            grown
        });
        let grown = theirs.join().unwrap();
        assert_eq!(grown, 1 << 20);
        assert!(live_bytes() - before < 1 << 20);
    }
}
