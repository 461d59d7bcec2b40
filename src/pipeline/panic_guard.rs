//! A panic in a request is one 500 and one log line; the worker goes on.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// Runs a future to its end; `None` when it panicked.
pub async fn catch<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(move |context| {
        // What the future held is dropped with it and never looked at again.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Ready(value)) => Poll::Ready(Some(value)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pr_05_a_panic_is_caught_and_a_value_passes() {
        assert_eq!(catch(async { 1 }).await, Some(1));
        let panics = async { if std::hint::black_box(true) { panic!("on purpose") } else { 1 } };
        assert_eq!(catch(panics).await, None);
    }
}
