package interop

import (
	"context"
	"os"
	"testing"
	"time"

	v2 "go.etcd.io/etcd/client/v2"
)

// newV2 returns a client of v2, which is told of one endpoint and finds the members itself.
func newV2(t *testing.T) (v2.Client, v2.KeysAPI, context.Context) {
	t.Helper()
	client, err := v2.New(v2.Config{Endpoints: []string{os.Getenv("ETCD_ENDPOINT")}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return client, v2.NewKeysAPI(client), ctx
}

func wantV2Code(t *testing.T, err error, code int) {
	t.Helper()
	if failure, ok := err.(v2.Error); !ok || failure.Code != code {
		t.Fatalf("got %v, want code %d", err, code)
	}
}

func TestV2Members(t *testing.T) {
	client, _, ctx := newV2(t)
	members := v2.NewMembersAPI(client)
	listed, err := members.List(ctx)
	if err != nil || len(listed) != 1 {
		t.Fatalf("listed %v, %v", listed, err)
	}
	leader, err := members.Leader(ctx)
	if err != nil || leader.ID != listed[0].ID {
		t.Fatalf("the leader is %v, %v", leader, err)
	}
	if err := client.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	if found := client.Endpoints(); len(found) != 1 || found[0] != listed[0].ClientURLs[0] {
		t.Fatalf("found %v", found)
	}
	if err := members.Update(ctx, leader.ID, leader.PeerURLs); err != nil {
		t.Fatal(err)
	}
	if _, err := members.Add(ctx, "bogus://x"); err == nil {
		t.Fatal("a member was added")
	}
	version, err := client.GetVersion(ctx)
	if err != nil || version.Cluster == "" {
		t.Fatalf("the version is %v, %v", version, err)
	}
}

func TestV2Keys(t *testing.T) {
	_, keys, ctx := newV2(t)
	made, err := keys.Create(ctx, "/keys/a", "1")
	if err != nil || made.Action != "create" || made.Node.CreatedIndex != made.Index {
		t.Fatalf("made %v, %v", made, err)
	}
	_, err = keys.Create(ctx, "/keys/a", "2")
	wantV2Code(t, err, v2.ErrorCodeNodeExist)
	_, err = keys.Update(ctx, "/keys/b", "2")
	wantV2Code(t, err, v2.ErrorCodeKeyNotFound)
	set, err := keys.Set(ctx, "/keys/a", "2", &v2.SetOptions{PrevValue: "1", TTL: 100 * time.Second})
	if err != nil || set.Action != "compareAndSwap" || set.PrevNode.Value != "1" || set.Node.TTL != 100 {
		t.Fatalf("set %v, %v", set, err)
	}
	_, err = keys.Set(ctx, "/keys/a", "3", &v2.SetOptions{PrevIndex: made.Index})
	wantV2Code(t, err, v2.ErrorCodeTestFailed)
	refresh := &v2.SetOptions{PrevExist: v2.PrevExist, Refresh: true, TTL: 200 * time.Second}
	refreshed, err := keys.Set(ctx, "/keys/a", "", refresh)
	if err != nil || refreshed.Node.Value != "2" || refreshed.Node.TTL != 200 {
		t.Fatalf("refreshed %v, %v", refreshed, err)
	}
	_, err = keys.Delete(ctx, "/keys", nil)
	wantV2Code(t, err, v2.ErrorCodeNotFile)
	_, err = keys.Delete(ctx, "/keys", &v2.DeleteOptions{Dir: true})
	wantV2Code(t, err, v2.ErrorCodeDirNotEmpty)
	gone, err := keys.Delete(ctx, "/keys/a", &v2.DeleteOptions{PrevIndex: refreshed.Node.ModifiedIndex})
	if err != nil || gone.Action != "compareAndDelete" {
		t.Fatalf("deleted %v, %v", gone, err)
	}
	_, err = keys.Get(ctx, "/keys/a", nil)
	wantV2Code(t, err, v2.ErrorCodeKeyNotFound)
}

func TestV2Directories(t *testing.T) {
	_, keys, ctx := newV2(t)
	for _, value := range []string{"x", "y", "z"} {
		if _, err := keys.CreateInOrder(ctx, "/dirs/q", value, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := keys.Set(ctx, "/dirs/empty", "", &v2.SetOptions{Dir: true}); err != nil {
		t.Fatal(err)
	}
	listed, err := keys.Get(ctx, "/dirs", &v2.GetOptions{Recursive: true, Sort: true, Quorum: true})
	if err != nil || len(listed.Node.Nodes) != 2 || !listed.Node.Nodes[0].Dir {
		t.Fatalf("listed %v, %v", listed, err)
	}
	queue := listed.Node.Nodes[1].Nodes
	if len(queue) != 3 || queue[0].Value != "x" || queue[2].Value != "z" {
		t.Fatalf("queued %v", queue)
	}
	if _, err := keys.Delete(ctx, "/dirs", &v2.DeleteOptions{Recursive: true}); err != nil {
		t.Fatal(err)
	}
}

func TestV2Watcher(t *testing.T) {
	_, keys, ctx := newV2(t)
	first, err := keys.Set(ctx, "/watched/a", "1", nil)
	if err != nil {
		t.Fatal(err)
	}
	watcher := keys.Watcher("/watched", &v2.WatcherOptions{
		AfterIndex: first.Index - 1, Recursive: true,
	})
	for _, value := range []string{"2", "3"} {
		if _, err := keys.Set(ctx, "/watched/a", value, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, value := range []string{"1", "2", "3"} {
		event, err := watcher.Next(ctx)
		if err != nil || event.Node.Value != value {
			t.Fatalf("heard %v, %v; want %s", event, err, value)
		}
	}
	go keys.Delete(ctx, "/watched", &v2.DeleteOptions{Recursive: true})
	event, err := watcher.Next(ctx)
	if err != nil || event.Action != "delete" || !event.Node.Dir {
		t.Fatalf("heard %v, %v", event, err)
	}
}

func TestV2WatcherBeyondHistory(t *testing.T) {
	_, keys, ctx := newV2(t)
	for range 1001 {
		if _, err := keys.Set(ctx, "/many", "x", &v2.SetOptions{NoValueOnSuccess: true}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := keys.Watcher("/many", &v2.WatcherOptions{AfterIndex: 1}).Next(ctx)
	wantV2Code(t, err, v2.ErrorCodeEventIndexCleared)
}
