//! What a guest asks of the plug-in that runs it is checked, bounded and stopped like everything else it does.

mod common;

use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Int64Type};
use common::{ECHO, Guest, REPLY, column, config, limits};
use vivarium_sandbox::{Error, HostService, LimitKind, Sandbox};

const IMPORTS: &str = r#"
    (import "vivarium" "request" (func $request (param i32 i32) (result i64)))
    (import "vivarium" "reply" (func $reply (param i32 i32) (result i64)))"#;

/// Where the first value of the first column lies.
const VALUE: &str = "(i32.load offset=4 (i32.load offset=40 (i32.load (i32.load offset=44 (local.get $arena)))))";

/// What an expression of a guest's function gives.
async fn value(expression: &str, service: Option<Arc<dyn HostService>>) -> Result<i64, Error> {
    let invoke = format!("(i64.store {VALUE} {expression}) {ECHO}");
    let guest = Guest { imports: IMPORTS.into(), invoke, ..Guest::default() };
    let config = config().with_host(service);
    let mut sandbox = Sandbox::start(&guest.image(), &config).await?;
    let answer = sandbox.invoke(1, 0, 3, &[column()], &DataType::Int64).await?;
    Ok(answer.array.as_primitive::<Int64Type>().value(0))
}

/// Answers with so many bytes of 7, and keeps what it was asked.
#[derive(Debug, Default)]
struct Sevens {
    length: usize,
    asked: Mutex<Vec<Vec<u8>>>,
}

impl HostService for Sevens {
    fn request(&self, request: Vec<u8>) -> Pin<Box<dyn Future<Output = Vec<u8>> + Send + '_>> {
        self.asked.lock().unwrap().push(request);
        Box::pin(ready(vec![7; self.length]))
    }
}

/// Never answers.
#[derive(Debug)]
struct Silence;

impl HostService for Silence {
    fn request(&self, _: Vec<u8>) -> Pin<Box<dyn Future<Output = Vec<u8>> + Send + '_>> {
        Box::pin(pending())
    }
}

fn sevens(length: usize) -> Option<Arc<dyn HostService>> {
    Some(Arc::new(Sevens { length, ..Sevens::default() }))
}

#[tokio::test]
async fn a_request_is_answered() {
    let service = Arc::new(Sevens { length: 8, ..Sevens::default() });
    let expression = format!(
        "(block (result i64) (drop (call $request (i32.const {REPLY}) (i32.const 2)))
            (drop (call $reply (i32.const 1024) (i32.const 8))) (i64.load (i32.const 1024)))"
    );
    assert_eq!(value(&expression, Some(service.clone())).await.unwrap(), i64::from_le_bytes([7; 8]));
    assert_eq!(*service.asked.lock().unwrap(), [b"{}"]);
}

#[tokio::test]
async fn without_a_service_every_request_is_refused() {
    assert_eq!(value("(call $request (i32.const 0) (i32.const 0))", None).await.unwrap(), -1);
    assert_eq!(value("(call $reply (i32.const 0) (i32.const 1))", None).await.unwrap(), -2);
}

#[tokio::test]
async fn requests_that_are_not_in_memory_or_too_long_are_refused() {
    for (address, length) in
        [(0xffff_ffff_u32, 1_u32), (8 << 16, 1), (1, 8 << 16), (0xffff_ffff, 0xffff_ffff), (0, 0x8000_0000)]
    {
        let expression = format!("(call $request (i32.const {address}) (i32.const {length}))");
        assert_eq!(value(&expression, sevens(1)).await.unwrap(), -2, "{address} {length}");
    }
}

#[tokio::test]
async fn a_reply_that_is_too_long_does_not_reach_the_guest() {
    let most = limits().batch_bytes as usize;
    let ask = "(call $request (i32.const 0) (i32.const 0))";
    assert_eq!(value(ask, sevens(most)).await.unwrap(), most as i64);
    assert_eq!(value(ask, sevens(most + 1)).await.unwrap(), -3);
}

#[tokio::test]
async fn a_reply_is_fetched_once_and_whole() {
    let ask = "(drop (call $request (i32.const 0) (i32.const 0)))";
    for (address, length) in [(0, 7), (0, 9), (0x7_fffc, 8), (0xffff_ffff_u32, 8)] {
        let expression = format!("(block (result i64) {ask} (call $reply (i32.const {address}) (i32.const {length})))");
        assert_eq!(value(&expression, sevens(8)).await.unwrap(), -2, "{address} {length}");
    }
    let fetch = "(call $reply (i32.const 1024) (i32.const 8))";
    let twice = format!("(block (result i64) {ask} (drop {fetch}) {fetch})");
    assert_eq!(value(&twice, sevens(8)).await.unwrap(), -2);
}

#[tokio::test]
async fn waiting_for_an_answer_ends_at_the_deadline() {
    let error = value("(call $request (i32.const 0) (i32.const 0))", Some(Arc::new(Silence))).await.unwrap_err();
    assert!(matches!(&error, Error::Limit(limit) if limit.limit == LimitKind::BatchTime), "{error:?}");
}
