//! A connection and a corner of the key space for each test, and what they expect.

use etcd_client::{
    Client, DeleteOptions, Error, GetOptions, GetResponse, KeyValue, LeaseGrantOptions, PutOptions,
    PutResponse, ResponseHeader,
};
use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn endpoint() -> String {
    std::env::var("ETCD_ENDPOINT").expect("ETCD_ENDPOINT is to name the server under test")
}

/// A test's own corner of the key space, empty when it begins.
#[derive(Clone)]
pub struct Space {
    pub client: Client,
    prefix: String,
}

impl Space {
    pub async fn new(name: &str) -> Self {
        let client = Client::connect([endpoint()], None).await.unwrap();
        let prefix = format!("/{name}/");
        let mut space = Self { client, prefix };
        let all = DeleteOptions::new().with_prefix();
        space.client.delete(space.key(""), Some(all)).await.unwrap();
        space
    }

    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A key's name, without the prefix.
    pub fn name<'a>(&self, key: &'a [u8]) -> &'a str {
        text(key).strip_prefix(&self.prefix).unwrap()
    }

    pub async fn put(&mut self, name: &str, value: &str) -> PutResponse {
        self.put_with(name, value, PutOptions::new()).await
    }

    pub async fn put_with(&mut self, name: &str, value: &str, options: PutOptions) -> PutResponse {
        let key = self.key(name);
        self.client.put(key, value, Some(options)).await.unwrap()
    }

    pub async fn get(&mut self, name: &str, options: GetOptions) -> GetResponse {
        self.client
            .get(self.key(name), Some(options))
            .await
            .unwrap()
    }

    pub async fn all(&mut self) -> GetResponse {
        self.get("", GetOptions::new().with_prefix()).await
    }

    /// What a key has, which there is.
    pub async fn only(&mut self, name: &str) -> KeyValue {
        let mut kvs = self.get(name, GetOptions::new()).await.take_kvs();
        assert_eq!(kvs.len(), 1, "keys found");
        kvs.remove(0)
    }

    pub async fn delete(&mut self, name: &str) {
        self.client.delete(self.key(name), None).await.unwrap();
    }

    /// Writes a=1, b=2, c=3 and a=9, and returns the revision before them: with it r, a was created
    /// at r+1 and last changed at r+4, b at r+2 and c at r+3.
    pub async fn abc(&mut self) -> i64 {
        let first = revision(self.put("a", "1").await.header());
        self.put("b", "2").await;
        self.put("c", "3").await;
        self.put("a", "9").await;
        first - 1
    }

    pub async fn grant(&mut self, ttl: i64) -> i64 {
        let options = Some(LeaseGrantOptions::new());
        self.client.lease_grant(ttl, options).await.unwrap().id()
    }

    /// Key-values as "a=9 b=2".
    pub fn show(&self, kvs: &[KeyValue]) -> String {
        let words = kvs
            .iter()
            .map(|kv| format!("{}={}", self.name(kv.key()), text(kv.value())));
        words.collect::<Vec<_>>().join(" ")
    }

    /// Waits until there are so many keys with the prefix `name`.
    pub async fn until_there_are(&mut self, count: i64, name: &str) {
        let options = GetOptions::new().with_prefix().with_count_only();
        soon("so many keys", async {
            while self.get(name, options.clone()).await.count() != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

pub fn revision(header: Option<&ResponseHeader>) -> i64 {
    header.expect("a header").revision()
}

/// Waits for what is to come before patience ends.
pub async fn soon<T>(what: &str, coming: impl Future<Output = T>) -> T {
    let in_time = tokio::time::timeout(PATIENCE, coming).await;
    in_time.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// Expects gRPC's status, written as "OutOfRange: etcdserver: ...".
pub fn refused<T: Debug>(result: Result<T, Error>, want: &str) {
    match result {
        Err(Error::GRpcStatus(status)) => {
            assert_eq!(format!("{:?}: {}", status.code(), status.message()), want);
        }
        other => panic!("got {other:?}, want {want}"),
    }
}
