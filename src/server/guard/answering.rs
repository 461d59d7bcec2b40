//! The service as the guard sees it: it is given refusals in the place of heads, and its answers are counted.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Request, Response};

use super::Link;

/// Calls the service. An answer of 101 to a request that asked for an upgrade makes the connection a tunnel; nothing else
/// does.
///
/// # Errors
/// The service's own.
pub fn call<S, B>(
    link: &Arc<Link>,
    service: &S,
    mut request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Answering<B>>, S::Error>> + use<S, B>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
{
    let number = link.begin(&mut request);
    let end = End(Arc::clone(link));
    let answer = service.call(request);
    async move {
        let answer = answer.await?;
        end.0.answer(number, answer.status());
        Ok(answer.map(|body| Answering { body, _end: end }))
    }
}

/// The body of an answer; when it is dropped, the answer is over.
pub struct Answering<B> {
    body: B,
    _end: End,
}

struct End(Arc<Link>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl<B: Body + Unpin> Body for Answering<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
