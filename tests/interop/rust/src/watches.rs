use crate::support::{revision, soon, text, Space};
use etcd_client::{
    DeleteOptions, Event, EventType, WatchFilterType, WatchOptions, WatchResponse, WatchStream,
};

/// Begins to watch from a revision on, or where it is 0 from now on.
pub async fn watch(s: &Space, name: &str, from: i64, options: WatchOptions) -> WatchStream {
    let mut client = s.client.watch_client();
    let options = options.with_start_revision(from);
    let mut stream = client.watch(s.key(name), Some(options)).await.unwrap();
    assert!(next(&mut stream).await.created());
    stream
}

pub async fn next(stream: &mut WatchStream) -> WatchResponse {
    let message = soon("a response of the watch", stream.message()).await;
    message.unwrap().expect("the watch ended")
}

/// Reads events until there are as many as words in want, and compares: "+a=1" was created,
/// "~a=2" changed, "-a" deleted.
pub async fn expect(s: &Space, stream: &mut WatchStream, want: &str) {
    let mut words = Vec::new();
    while words.len() < want.split(' ').count() {
        words.extend(
            next(stream)
                .await
                .events()
                .iter()
                .map(|event| word(s, event)),
        );
    }
    assert_eq!(words.join(" "), want);
}

fn word(s: &Space, event: &Event) -> String {
    let kv = event.kv().unwrap();
    let name = s.name(kv.key());
    match (event.event_type(), kv.version()) {
        (EventType::Delete, _) => format!("-{name}"),
        (EventType::Put, 1) => format!("+{name}={}", text(kv.value())),
        (EventType::Put, _) => format!("~{name}={}", text(kv.value())),
    }
}

#[tokio::test]
async fn history_is_told() {
    let mut s = Space::new("history_is_told").await;
    let first = s.abc().await + 1;
    let mut one = watch(&s, "a", first, WatchOptions::new()).await;
    let mut all = watch(&s, "", first, WatchOptions::new().with_prefix()).await;
    let mut some = watch(&s, "b", first, WatchOptions::new().with_range(s.key("c"))).await;
    expect(&s, &mut one, "+a=1 ~a=9").await;
    expect(&s, &mut all, "+a=1 +b=2 +c=3 ~a=9").await;
    expect(&s, &mut some, "+b=2").await;
    let everything = DeleteOptions::new().with_prefix();
    s.client.delete(s.key(""), Some(everything)).await.unwrap();
    expect(&s, &mut one, "-a").await;
    assert_eq!(
        next(&mut all).await.events().len(),
        3,
        "events of one revision"
    );
    expect(&s, &mut some, "-b").await;
}

#[tokio::test]
async fn present_is_told() {
    let mut s = Space::new("present_is_told").await;
    s.put("a", "old").await;
    let mut stream = watch(&s, "a", 0, WatchOptions::new()).await;
    let at = revision(s.put("a", "new").await.header());
    let response = next(&mut stream).await;
    let event = &response.events()[0];
    assert_eq!(word(&s, event), "~a=new");
    assert!(event.prev_kv().is_none(), "where it is not asked for");
    assert_eq!(revision(response.header()), at);
    assert_eq!(event.kv().unwrap().mod_revision(), at);
}

#[tokio::test]
async fn previous_values_are_told() {
    let mut s = Space::new("previous_values_are_told").await;
    let first = s.abc().await + 1;
    s.delete("a").await;
    let mut stream = watch(&s, "a", first, WatchOptions::new().with_prev_key()).await;
    let mut before = Vec::new();
    while before.len() < 3 {
        let response = next(&mut stream).await;
        let values = response
            .events()
            .iter()
            .map(|event| event.prev_kv().map(|kv| kv.value().to_vec()));
        before.extend(values);
    }
    assert_eq!(before, [None, Some(b"1".to_vec()), Some(b"9".to_vec())]);
}

#[tokio::test]
async fn filters_leave_out() {
    let mut s = Space::new("filters_leave_out").await;
    let first = s.abc().await + 1;
    let no_delete = WatchOptions::new().with_filters([WatchFilterType::NoDelete]);
    let no_put = WatchOptions::new().with_filters([WatchFilterType::NoPut]);
    let mut puts = watch(&s, "a", first, no_delete).await;
    let mut deletions = watch(&s, "a", first, no_put).await;
    s.delete("a").await;
    s.put("a", "again").await;
    expect(&s, &mut puts, "+a=1 ~a=9 +a=again").await;
    expect(&s, &mut deletions, "-a").await;
}

#[tokio::test]
async fn progress_is_told_when_asked_for() {
    let mut s = Space::new("progress_is_told_when_asked_for").await;
    let mut stream = watch(&s, "a", 0, WatchOptions::new()).await;
    let at = revision(s.put("elsewhere", "1").await.header());
    stream.request_progress().await.unwrap();
    let response = next(&mut stream).await;
    assert_eq!((response.watch_id(), response.events().len()), (-1, 0));
    assert_eq!(revision(response.header()), at);
}

#[tokio::test]
async fn compacted_history_is_refused() {
    let mut s = Space::new("compacted_history_is_refused").await;
    let first = s.abc().await + 1;
    s.client.compact(first + 3, None).await.unwrap();
    let mut stream = watch(&s, "a", first, WatchOptions::new()).await;
    let response = next(&mut stream).await;
    assert!(response.canceled());
    assert_eq!(response.compact_revision(), first + 3);
}

#[tokio::test]
async fn stream_carries_many() {
    let mut s = Space::new("stream_carries_many").await;
    let mut stream = watch(&s, "0", 0, WatchOptions::new().with_watch_id(1000)).await;
    for n in 1..100 {
        let options = WatchOptions::new().with_watch_id(1000 + n);
        stream
            .watch(s.key(&n.to_string()), Some(options))
            .await
            .unwrap();
        let created = next(&mut stream).await;
        assert_eq!((created.created(), created.watch_id()), (true, 1000 + n));
    }
    for n in 0..100 {
        s.put(&n.to_string(), "x").await;
        let told = next(&mut stream).await;
        assert_eq!(told.watch_id(), 1000 + n);
        assert_eq!(word(&s, &told.events()[0]), format!("+{n}=x"));
    }
}

#[tokio::test]
async fn watch_id_is_used_once() {
    let s = Space::new("watch_id_is_used_once").await;
    let mut stream = watch(&s, "a", 0, WatchOptions::new().with_watch_id(7)).await;
    stream
        .watch(s.key("b"), Some(WatchOptions::new().with_watch_id(7)))
        .await
        .unwrap();
    let refused = next(&mut stream).await;
    assert!(refused.created() && refused.canceled());
    assert_eq!(
        refused.cancel_reason(),
        "mvcc: duplicate watch ID provided on the WatchStream"
    );
}

#[tokio::test]
async fn canceled_watch_is_told_nothing() {
    let mut s = Space::new("canceled_watch_is_told_nothing").await;
    let mut stream = watch(&s, "a", 0, WatchOptions::new().with_watch_id(1)).await;
    stream
        .watch(s.key("a"), Some(WatchOptions::new().with_watch_id(2)))
        .await
        .unwrap();
    assert!(next(&mut stream).await.created());
    stream.cancel(1).await.unwrap();
    let canceled = next(&mut stream).await;
    assert_eq!((canceled.canceled(), canceled.watch_id()), (true, 1));
    s.put("a", "1").await;
    s.put("a", "2").await;
    for want in ["+a=1", "~a=2"] {
        let told = next(&mut stream).await;
        assert_eq!(
            (told.watch_id(), word(&s, &told.events()[0]).as_str()),
            (2, want)
        );
    }
}

#[tokio::test]
async fn fragments_hold_what_one_message_would() {
    let mut s = Space::new("fragments_hold_what_one_message_would").await;
    let value = "x".repeat(700 << 10);
    let first = revision(s.put("0", &value).await.header());
    for n in 1..8 {
        s.put(&n.to_string(), &value).await;
    }
    // In one message they would be more than the 4 MiB that tonic takes.
    let options = WatchOptions::new().with_prefix().with_fragment();
    let mut stream = watch(&s, "", first, options).await;
    let mut told = Vec::new();
    while told.len() < 8 {
        let response = next(&mut stream).await;
        told.extend(
            response
                .events()
                .iter()
                .map(|event| event.kv().unwrap().mod_revision()),
        );
    }
    assert_eq!(told, (first..first + 8).collect::<Vec<_>>());
}
