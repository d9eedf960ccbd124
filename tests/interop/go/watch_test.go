package interop

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// next returns the next response of a watch that has events.
func (s *space) next(watch clientv3.WatchChan) clientv3.WatchResponse {
	s.t.Helper()
	for {
		select {
		case response, open := <-watch:
			if !open {
				s.t.Fatal("the watch ended")
			}
			must(s.t, response.Err())
			if len(response.Events) > 0 {
				return response
			}
		case <-s.ctx.Done():
			s.t.Fatal("no event came")
		}
	}
}

// told reads events until there are as many as words in want, and compares:
// "+a=1" was created, "~a=2" changed, "-a" deleted.
func (s *space) told(what string, watch clientv3.WatchChan, want string) {
	s.t.Helper()
	var words []string
	for len(words) < len(strings.Fields(want)) {
		for _, event := range s.next(watch).Events {
			words = append(words, s.word(event))
		}
	}
	equal(s.t, what, strings.Join(words, " "), want)
}

func (s *space) word(event *clientv3.Event) string {
	key := strings.TrimPrefix(string(event.Kv.Key), s.prefix)
	switch {
	case event.Type == clientv3.EventTypeDelete:
		return "-" + key
	case event.IsCreate():
		return fmt.Sprintf("+%s=%s", key, event.Kv.Value)
	default:
		return fmt.Sprintf("~%s=%s", key, event.Kv.Value)
	}
}

func TestWatch(t *testing.T) {
	s := newSpace(t)
	first := s.abc() + 1
	one := s.Watch(s.ctx, s.key("a"), clientv3.WithRev(first))
	all := s.Watch(s.ctx, s.prefix, clientv3.WithPrefix(), clientv3.WithRev(first))
	some := s.Watch(s.ctx, s.key("b"), clientv3.WithRange(s.key("c")), clientv3.WithRev(first))
	s.told("a key, from the past", one, "+a=1 ~a=9")
	s.told("a prefix, from the past", all, "+a=1 +b=2 +c=3 ~a=9")
	s.told("a range, from the past", some, "+b=2")
	s.delete("", clientv3.WithPrefix())
	s.told("a key", one, "-a")
	equal(t, "events of one revision", len(s.next(all).Events), 3)
	s.told("a range", some, "-b")
}

func TestWatchFromNowOn(t *testing.T) {
	s := newSpace(t)
	s.put("a", "old")
	watch := s.Watch(s.ctx, s.key("a"), clientv3.WithCreatedNotify())
	if created := <-watch; !created.Created {
		t.Fatalf("the first response: %+v", created)
	}
	reply := s.put("a", "new")
	response := s.next(watch)
	equal(t, "event", s.word(response.Events[0]), "~a=new")
	equal(t, "revision", response.Header.Revision, reply.Header.Revision)
}

func TestWatchPreviousValues(t *testing.T) {
	s := newSpace(t)
	first := s.abc() + 1
	watch := s.Watch(s.ctx, s.key("a"), clientv3.WithRev(first), clientv3.WithPrevKV())
	s.delete("a")
	var before []string
	for len(before) < 3 {
		for _, event := range s.next(watch).Events {
			if event.PrevKv == nil {
				before = append(before, "none")
			} else {
				before = append(before, string(event.PrevKv.Value))
			}
		}
	}
	equal(t, "before", strings.Join(before, " "), "none 1 9")
}

func TestWatchFilters(t *testing.T) {
	s := newSpace(t)
	rev := clientv3.WithRev(s.abc() + 1)
	puts := s.Watch(s.ctx, s.key("a"), rev, clientv3.WithFilterDelete())
	deletes := s.Watch(s.ctx, s.key("a"), rev, clientv3.WithFilterPut())
	s.delete("a")
	s.put("a", "again")
	s.told("puts", puts, "+a=1 ~a=9 +a=again")
	s.told("deletes", deletes, "-a")
}

func TestWatchFragments(t *testing.T) {
	s := newSpace(t)
	value := strings.Repeat("x", 700<<10)
	first := s.put("a0", value).Header.Revision
	for i := 1; i < 8; i++ {
		s.put(fmt.Sprintf("a%d", i), value)
	}
	options := []clientv3.OpOption{clientv3.WithPrefix(), clientv3.WithRev(first)}
	watch := s.Watch(s.ctx, s.prefix, append(options, clientv3.WithFragment())...)
	// The client puts the fragments together again.
	equal(t, "events", len(s.next(watch).Events), 8)
}

func TestWatchProgress(t *testing.T) {
	s := newSpace(t)
	watch := s.Watch(s.ctx, s.key("a"), clientv3.WithCreatedNotify())
	<-watch
	revision := s.put("b", "1").Header.Revision
	must(t, s.RequestProgress(s.ctx))
	select {
	case response := <-watch:
		equal(t, "is progress", response.IsProgressNotify(), true)
		equal(t, "revision", response.Header.Revision, revision)
	case <-s.ctx.Done():
		t.Fatal("no progress was told")
	}
}

func TestWatchOfCompactedHistory(t *testing.T) {
	s := newSpace(t)
	first := s.abc() + 1
	_, err := s.Compact(s.ctx, first+3)
	must(t, err)
	response := <-s.Watch(s.ctx, s.key("a"), clientv3.WithRev(first))
	equal(t, "canceled", response.Canceled, true)
	equal(t, "compacted at", response.CompactRevision, first+3)
	equal(t, "error", response.Err(), error(rpctypes.ErrCompacted))
}

func TestWatchesEndWithTheirContexts(t *testing.T) {
	s := newSpace(t)
	ctx, cancel := context.WithCancel(s.ctx)
	ended := s.Watch(ctx, s.key("a"), clientv3.WithCreatedNotify())
	stays := s.Watch(s.ctx, s.key("a"), clientv3.WithCreatedNotify())
	<-ended
	<-stays
	cancel()
	for range ended {
	}
	s.put("a", "1")
	s.told("the other one", stays, "+a=1")
}

func TestThousandWatchers(t *testing.T) {
	s := newSpace(t)
	const count = 1000
	watches := make([]clientv3.WatchChan, count)
	for i := range watches {
		watches[i] = s.Watch(s.ctx, s.key(fmt.Sprint(i%100)), clientv3.WithCreatedNotify())
	}
	for _, watch := range watches {
		<-watch
	}
	for i := 0; i < 100; i++ {
		s.put(fmt.Sprint(i), "x")
	}
	for i, watch := range watches {
		s.told("watcher", watch, fmt.Sprintf("+%d=x", i%100))
	}
}

// TestWatchReconnection prints "restart the server", waits for a line on
// standard input, and expects its watch to go on where it was.
func TestWatchReconnection(t *testing.T) {
	if os.Getenv("ETCD_RESTARTS") == "" {
		t.Skip("ETCD_RESTARTS is not set: nobody would restart the server")
	}
	s := newSpace(t)
	watch := s.Watch(s.ctx, s.key("a"), clientv3.WithCreatedNotify())
	<-watch
	s.put("a", "1")
	s.told("before", watch, "+a=1")
	fmt.Println("restart the server")
	_, err := bufio.NewReader(os.Stdin).ReadString('\n')
	must(t, err)
	// The client may find out only by trying.
	for {
		ctx, cancel := context.WithTimeout(s.ctx, time.Second)
		_, err := s.Put(ctx, s.key("a"), "2")
		cancel()
		if err == nil {
			break
		}
		must(t, s.ctx.Err())
	}
	s.told("after", watch, "~a=2")
}
