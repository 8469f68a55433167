//! A private S3 server for tests, and the faults of a bad one.
//!
//! Used by `tests/it` of this crate and of the server. It is a real S3 server (signatures, checksums, parts) over a
//! temporary folder, in this process, behind a layer that spoils requests on demand. Invariant: faults strike in the
//! order in which they were planned, one request each; without a plan it is the server alone.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::{Method, Request, Response, service::service_fn};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::blob::s3::{Credentials, Patience, S3Place, Style};

const KEY: &str = "AKIDFORTESTS";
const SECRET: &str = "a secret for tests";
const BUCKET: &str = "fst-test";

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum S3Fault {
    /// Nothing happens, and this status is answered.
    Status(u16),
    /// It is done, and this status is answered all the same.
    DoneButStatus(u16),
    /// No answer ever.
    Hangs,
    /// Half of the answer's body, then the connection breaks.
    HalfAnswer,
    /// A byte of the request's body is another one.
    WrongBytesUp,
    /// A byte of the answer's body is another one.
    WrongBytesDown,
    /// A put is acknowledged and forgotten.
    Forgets,
    /// Nothing.
    Works,
}

/// A running server.
#[derive(Debug)]
pub struct PrivateS3 {
    address: SocketAddr,
    faults: Plan,
    server: S3Service,
    task: Mutex<JoinHandle<()>>,
    _root: TempDir,
}

type Plan = Arc<Mutex<VecDeque<S3Fault>>>;
type Body = BoxBody<Bytes, io::Error>;

impl PrivateS3 {
    /// Starts a server with one empty bucket.
    pub async fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(BUCKET)).unwrap();
        let files = FileSystem::new(root.path()).unwrap();
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let faults = Plan::default();
        let server = builder.build();
        let task = tokio::spawn(accept(listener, server.clone(), Arc::clone(&faults)));
        Self {
            address,
            faults,
            server,
            task: Mutex::new(task),
            _root: root,
        }
    }

    /// Ends it in the middle of whatever it does; what it wrote stays.
    pub async fn crash(&self) {
        let task = {
            let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *task, tokio::spawn(async {}))
        };
        task.abort();
        // It holds the address until it is gone.
        task.await.unwrap_or_default();
    }

    /// Starts it again after [`PrivateS3::crash`], at the same address.
    pub async fn restart(&self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let task = accept(listener, self.server.clone(), Arc::clone(&self.faults));
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = tokio::spawn(task);
    }

    /// URL of the server.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Name of its bucket, key id and secret key.
    #[must_use]
    pub fn access(&self) -> (&'static str, &'static str, &'static str) {
        (BUCKET, KEY, SECRET)
    }

    /// A folder of the bucket.
    #[must_use]
    pub fn place(&self, prefix: &str, patience: Patience) -> S3Place {
        S3Place {
            bucket: BUCKET.to_owned(),
            region: "us-east-1".to_owned(),
            endpoint: Some(self.endpoint()),
            style: Style::Path,
            prefix: prefix.to_owned(),
            credentials: Some(Credentials {
                id: KEY.to_owned(),
                secret: SECRET.to_owned(),
                token: None,
            }),
            patience,
        }
    }

    /// Adds faults for the next requests, one each.
    pub fn plan(&self, faults: impl IntoIterator<Item = S3Fault>) {
        let mut plan = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        plan.extend(faults);
    }

    /// Faults that have not struck yet are dropped; returns how many.
    pub fn clear(&self) -> usize {
        let mut plan = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *plan).len()
    }
}

impl Drop for PrivateS3 {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        task.abort();
    }
}

/// Serves until it is aborted, which ends every connection too.
async fn accept(listener: TcpListener, server: S3Service, faults: Plan) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        let (server, faults) = (server.clone(), Arc::clone(&faults));
        let service = service_fn(move |request| {
            let fault = faults
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_front();
            let server = server.clone();
            async move { spoil(&server, request, fault.unwrap_or(S3Fault::Works)).await }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        connections.spawn(async move { connection.await.unwrap_or_default() });
    }
}

async fn spoil(
    server: &S3Service,
    request: Request<Incoming>,
    fault: S3Fault,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    // A client that goes away in the middle sends nothing that could be stored.
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let Ok(mut bytes) = body else {
        return Ok(status(400));
    };
    let is_put = head.method == Method::PUT;
    match fault {
        S3Fault::Status(code) => return Ok(status(code)),
        S3Fault::Hangs => std::future::pending().await,
        S3Fault::Forgets if is_put => return Ok(forgotten()),
        S3Fault::WrongBytesUp => bytes = flip(&bytes),
        S3Fault::Forgets
        | S3Fault::DoneButStatus(_)
        | S3Fault::HalfAnswer
        | S3Fault::WrongBytesDown
        | S3Fault::Works => {},
    }
    let answer = server
        .call(Request::from_parts(head, s3s::Body::from(bytes)))
        .await;
    let Ok(answer) = answer else {
        return Ok(status(500));
    };
    let (head, body) = answer.into_parts();
    let Ok(body) = body.collect().await else {
        return Ok(status(500));
    };
    let bytes = body.to_bytes();
    let body = match fault {
        S3Fault::DoneButStatus(code) => return Ok(status(code)),
        S3Fault::HalfAnswer if !bytes.is_empty() => half(&bytes),
        S3Fault::WrongBytesDown => full(flip(&bytes)),
        S3Fault::HalfAnswer
        | S3Fault::Status(_)
        | S3Fault::Hangs
        | S3Fault::Forgets
        | S3Fault::WrongBytesUp
        | S3Fault::Works => full(bytes.clone()),
    };
    let mut answer = Response::from_parts(head, body);
    answer.headers_mut().remove(TRANSFER_ENCODING);
    if !bytes.is_empty() {
        answer
            .headers_mut()
            .insert(CONTENT_LENGTH, bytes.len().into());
    }
    Ok(answer)
}

fn status(code: u16) -> Response<Body> {
    let xml = "<Error><Code>Planned</Code><Message>planned fault</Message></Error>";
    let mut answer = Response::new(full(Bytes::from_static(xml.as_bytes())));
    *answer.status_mut() = code.try_into().unwrap();
    answer
}

fn forgotten() -> Response<Body> {
    let mut answer = Response::new(full(Bytes::new()));
    let tag = hyper::header::HeaderValue::from_static("\"00000000000000000000000000000000\"");
    answer.headers_mut().insert(hyper::header::ETAG, tag);
    answer
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

fn half(bytes: &Bytes) -> Body {
    let half = bytes.slice(..bytes.len() / 2);
    let parts = [
        Ok(Frame::data(half)),
        Err(io::Error::other("planned fault")),
    ];
    StreamBody::new(stream::iter(parts)).boxed()
}

fn flip(bytes: &Bytes) -> Bytes {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    bytes.into()
}
